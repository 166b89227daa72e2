/** One log line on its way through a pipeline. One object serves all rows of a scan: `move` points it at the next. */
import type { Labels, LogColumn, LogTable } from './log-table.ts'
import type { StoredLine } from './parsers/row-step.ts'

/** Labels are looked up where they were set last: by a stage, in structured metadata, in the stream. */
export class Row {
  readonly table: LogTable
  /** Labels set by stages; they hide metadata and stream labels of the same name. */
  readonly parsed = new Map<string, string>()
  /** What `__error__` and `__error_details__` hold; '' = none. */
  error = ''
  errorDetails = ''
  index = 0
  private readonly known = new Map<string, LogColumn | undefined>()
  private all: ReadonlyMap<string, LogColumn> | undefined
  private text: string | undefined
  private isChanged = false
  private readonly removed = new Set<string>()
  /** Of these, what a stage had set. */
  private readonly lost = new Set<string>()
  readonly wanted: ReadonlySet<string> | undefined
  private readonly streams: readonly Labels[]
  private readonly streamOf: LogTable['stream']
  private ends: LogTable['end'] | undefined
  private bytes: Buffer | undefined

  /** Of a table with lines; `wanted`: of what parsers find only these labels are asked for, by the names they have before any suffix. */
  constructor(table: LogTable, wanted?: ReadonlySet<string>) {
    this.table = table
    this.wanted = wanted
    // A table may have to look for them each time.
    this.streams = table.streams
    this.streamOf = table.stream
  }

  /** All columns: that a label is asked for by its name is no reason to read the others. */
  private get columns(): ReadonlyMap<string, LogColumn> {
    if (this.all === undefined) {
      const all = new Map<string, LogColumn>()
      for (const name of this.table.metadataNames()) {
        const column = this.column(name)
        if (column) all.set(name, column)
      }
      this.all = all
    }
    return this.all
  }

  private column(name: string): LogColumn | undefined {
    const known = this.known.get(name)
    if (known !== undefined || this.known.has(name)) return known
    const column = this.table.metadata(name)
    this.known.set(name, column)
    return column
  }

  move(index: number): void {
    this.index = index
    this.text = undefined
    this.isChanged = false
    this.error = ''
    this.errorDetails = ''
    if (this.parsed.size > 0) this.parsed.clear()
    if (this.removed.size > 0) {
      this.removed.clear()
      this.lost.clear()
    }
  }

  get timeNs(): bigint {
    return this.table.baseNs + BigInt(this.table.timeOffset[this.index]!)
  }

  get line(): string {
    this.bytes ??= this.table.text
    this.text ??= this.bytes.toString('utf8', this.lineStart, this.lineEnd)
    return this.text
  }

  set line(text: string) {
    this.text = text
    this.isChanged = true
  }

  get stored(): StoredLine | undefined {
    if (this.isChanged) return undefined
    this.bytes ??= this.table.text
    return { text: this.bytes, start: this.lineStart, end: this.lineEnd }
  }

  get lineStart(): number {
    this.ends ??= this.table.end
    return this.index === 0 ? 0 : this.ends[this.index - 1]!
  }

  get lineEnd(): number {
    this.ends ??= this.table.end
    return this.ends[this.index]!
  }

  /** Bytes of the line as it now is. */
  get lineBytes(): number {
    return this.text === undefined ? this.lineEnd - this.lineStart : Buffer.byteLength(this.text)
  }

  get stream(): Labels {
    return this.streams[this.streamOf[this.index]!]!
  }

  /** The value of a label, '' when it is absent. */
  get(name: string): string {
    return this.find(name) ?? ''
  }

  find(name: string): string | undefined {
    const set = this.parsed.get(name)
    if (set !== undefined) return set
    if (name === '__error__') return this.error || undefined
    if (name === '__error_details__') return this.errorDetails || undefined
    return this.removed.has(name) ? undefined : this.base(name)
  }

  /** A label that the line was stored with. */
  base(name: string): string | undefined {
    const column = this.column(name)
    const code = column ? column.codes[this.index]! : 0
    if (code !== 0) return column!.values[code]
    const labels = this.stream
    return Object.hasOwn(labels, name) ? labels[name] : undefined
  }

  /**
   * Sets what a parser found, the first time, and not again what a stage took away. A name that the line was stored with gets the
   * suffix `_extracted`; one of its stream even when a stage took that away or set it, as in Loki.
   */
  extract(name: string, value: string): void {
    if (this.wanted?.has(name) === false) return
    const own = this.nameOfFound(name)
    if (!this.parsed.has(own) && !this.lost.has(own)) this.parsed.set(own, value)
  }

  /** The same with what an expression asked for, which the last one has. */
  assign(name: string, value: string): void {
    this.parsed.set(this.nameOfFound(name), value)
  }

  isStored(name: string): boolean {
    if (Object.hasOwn(this.stream, name)) return true
    return !this.removed.has(name) && !this.parsed.has(name) && this.base(name) !== undefined
  }

  private nameOfFound(name: string): string {
    return this.isStored(name) ? `${name}_extracted` : name
  }

  set(name: string, value: string): void {
    this.parsed.set(name, value)
  }

  remove(name: string): void {
    if (this.parsed.delete(name)) this.lost.add(name)
    this.removed.add(name)
    if (name === '__error__') this.error = ''
    if (name === '__error_details__') this.errorDetails = ''
  }

  /** The first error stays: what follows is most often its consequence. */
  fail(error: string, details: string): void {
    if (this.error) return
    this.error = error
    this.errorDetails = details
  }

  /** All labels by where they come from. */
  categories(): { stream: Labels; structuredMetadata: Labels; parsed: Labels } {
    const stream: Record<string, string> = {}
    const structuredMetadata: Record<string, string> = {}
    const parsed: Record<string, string> = {}
    const hidden = (name: string): boolean => this.parsed.has(name) || this.removed.has(name)
    for (const [name, value] of Object.entries(this.stream)) if (!hidden(name)) stream[name] = value
    for (const [name, column] of this.columns) {
      const code = column.codes[this.index]!
      if (code !== 0 && !hidden(name)) {
        structuredMetadata[name] = column.values[code]!
        delete stream[name]
      }
    }
    for (const [name, value] of this.parsed) parsed[name] = value
    if (this.error) parsed.__error__ = this.error
    if (this.errorDetails) parsed.__error_details__ = this.errorDetails
    return { stream, structuredMetadata, parsed }
  }

  labels(): Labels {
    const { stream, structuredMetadata, parsed } = this.categories()
    return { ...stream, ...structuredMetadata, ...parsed }
  }

  names(): string[] {
    return Object.keys(this.labels())
  }

  /** Equal for rows of this table with equal labels; cheaper than `labels()`. */
  signature(): string {
    let text = `${this.streamOf[this.index]}`
    for (const column of this.columns.values()) text += `,${column.codes[this.index]}`
    for (const [name, value] of this.parsed) text += `\0${name}\0${value}`
    for (const name of this.removed) text += `\x01${name}`
    return this.error ? `${text}\x02${this.error}\0${this.errorDetails}` : text
  }
}
