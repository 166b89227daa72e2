/** Nanoseconds of each unit that durations are written with, in both query languages and in parameters; the two µ differ. */
export const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['μs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
  ['d', 86_400e9],
  ['w', 7 * 86_400e9],
  ['y', 365 * 86_400e9],
])
