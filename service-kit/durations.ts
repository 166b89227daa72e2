/** Durations as answers and log lines state them: milliseconds with two decimals. */

/** Rounds to two decimals. */
export function roundMs(ms: number): number {
  return Math.round(ms * 100) / 100
}

/** Milliseconds since `startedAt`, a reading of performance.now(), with two decimals. */
export function elapsedMs(startedAt: number): number {
  return roundMs(performance.now() - startedAt)
}
