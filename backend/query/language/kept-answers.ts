/** A cache bounded by bytes: `load` runs when there is nothing by this key, and reports how many bytes its result takes, without its key. */
export interface KeptAnswers {
  get<T>(key: string, load: (onBytes: (bytes: number) => void) => T): T
  /** Whether `load` would not be called. */
  has(key: string): boolean
  /** What all of it may take. */
  readonly maxBytes: number
}
