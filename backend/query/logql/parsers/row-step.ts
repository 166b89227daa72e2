/** What the parser stages have in common: they take labels out of the line of a row. */

/** Where a line's bytes lie. */
export interface StoredLine {
  readonly text: Buffer
  readonly start: number
  readonly end: number
}

/** As much of a row as a parser sees. */
export interface ParsedRow {
  /** The line as it was stored, where no stage has changed it. */
  readonly stored: StoredLine | undefined
  /** Where only these labels are asked for. That others are extracted does no harm. */
  readonly wanted: ReadonlySet<string> | undefined
  /** The line's text; what is set, later stages read. */
  line: string
  /** Sets a label that was found, unless one was set under this name before. */
  extract(name: string, value: string): void
  /** Sets what an expression of the query asked for, whatever was set under this name before. */
  assign(name: string, value: string): void
  /** The value of a label, from wherever it comes. */
  find(name: string): string | undefined
  /** Whether the line was stored with such a label. */
  isStored(name: string): boolean
  /** Marks the row with `__error__` and `__error_details__`, which keeps it. */
  fail(error: string, details: string): void
}

export type RowStep = (row: ParsedRow) => void

/** `label="expression"`, as in `| json first="servers[0]"`. */
export interface Extraction {
  readonly label: string
  readonly expression: string
}

/** Names as labels may be: other characters become underscores, a leading digit gets one in front. */
export function labelName(key: string): string {
  let name = labelNames.get(key)
  if (name === undefined) {
    const plain = key.replace(/[^a-zA-Z0-9_]/g, '_')
    name = /^\d/.test(plain) ? `_${plain}` : plain
    // Keys may come from outside without end.
    if (labelNames.size >= 10_000) labelNames.clear()
    labelNames.set(key, name)
  }
  return name
}
const labelNames = new Map<string, string>()
