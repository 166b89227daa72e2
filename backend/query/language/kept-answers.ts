/** A cache bounded by bytes: `load` runs when there is nothing by this key, and reports how many bytes its result takes, without its key. */
export interface KeptAnswers {
  get<T>(key: string, load: (onBytes: (bytes: number) => void) => T): T
}
