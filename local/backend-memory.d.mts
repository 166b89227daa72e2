export declare const backendMemory: {
  /** Node's, before the program. */
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string>>
}
