/** Main thread. What a push brings, in whichever form it was sent. */

export interface PushedStream {
  readonly labels: ReadonlyMap<string, string>
  readonly entries: readonly PushedEntry[]
}

export interface PushedEntry {
  /** Since 1970, below 2^64. */
  readonly timeNs: bigint
  readonly line: string
  readonly metadata: readonly (readonly [name: string, value: string])[]
}
