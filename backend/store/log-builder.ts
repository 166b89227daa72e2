/**
 * Worker thread. Collects log records in the order they arrive and freezes them into tables in order of time, with
 * Loki's names.
 */
import type { LogRecord } from '../otlp/logs.ts'
import type { OwnerRecord } from '../otlp/traces.ts'
import { TYPE } from '../otlp/values.ts'
import type { AttributeList } from '../otlp/wire.ts'
import type { Labels, LogColumn } from '../query/logql/log-table.ts'
import { Bytes, type Codes, codeArray, MAX_COLUMNS } from './columns.ts'
import { levelInLine, levelNamed, statedLevel } from './detected-level.ts'
import { TimesBuilder } from './log-times.ts'
import { LOKI_PUSH_SCOPE } from './signal-store.ts'
import { type StoredLogs, storedLogs } from './stored-logs.ts'

export class LogBuilder {
  rows = 0
  version = 0
  /** Values of metadata left out, because their names were too many. */
  omitted = 0
  /** About what metadata and streams take. */
  metadataBytes = 0
  private readonly times = new TimesBuilder()
  private readonly streams: Labels[] = []
  private readonly streamOrdinals = new Map<string, number>()
  private readonly streamOf: number[] = []
  private readonly text = new Bytes()
  private readonly textEnd: number[] = []
  private readonly metadata = new Map<string, TextColumn>()
  private readonly owners = new WeakMap<OwnerRecord, OwnerLabels>()

  get columns(): number {
    return this.metadata.size
  }

  get textBytes(): number {
    return this.text.length
  }

  append(record: LogRecord, receivedMs: number): void {
    const row = this.rows++
    this.version++
    const owner = this.owner(record.resource)
    const pushed = record.scope.name === LOKI_PUSH_SCOPE
    const level = pushed ? '' : levelOf(record)
    this.streamOf.push(pushed ? this.pushedStream(owner) : this.stream(owner, level))
    if (record.timeHi === 0 && record.timeLo === 0) this.pushTime(BigInt(receivedMs) * 1_000_000n)
    else this.times.push(record.timeHi, record.timeLo)
    const line = Buffer.from(record.body)
    this.text.push(line, 0, line.length)
    this.textEnd.push(this.text.length)
    if (record.traceId) this.set(row, 'trace_id', record.traceId)
    if (record.spanId) this.set(row, 'span_id', record.spanId)
    this.attributes(row, record.attributes)
    if (pushed) return
    if (record.severityText) this.set(row, 'severity_text', record.severityText)
    if (record.severityNumber) this.set(row, 'severity_number', String(record.severityNumber))
    this.set(row, 'detected_level', level)
    if (record.eventName) this.set(row, 'event_name', record.eventName)
    if (record.scope.name) this.set(row, 'scope_name', record.scope.name)
    for (const [name, value] of owner.metadata) this.set(row, name, value)
  }

  /** Copies rows `from` .. `to - 1` of another table. */
  appendTable(table: StoredLogs, rows: Iterable<number>): void {
    const from = [...rows]
    const base = this.rows
    this.rows += from.length
    this.version++
    const ordinals = table.streams.map((labels) => this.ordinal(labels))
    for (const row of from) {
      this.pushTime(table.times[row]!)
      this.streamOf.push(ordinals[table.stream[row]!]!)
      const start = row === 0 ? 0 : table.end[row - 1]!
      this.text.push(table.text, start, table.end[row]! - start)
      this.textEnd.push(this.text.length)
    }
    for (const name of table.metadataNames()) {
      const column = table.metadata(name)!
      for (let i = 0; i < from.length; i++) {
        const code = column.codes[from[i]!]!
        if (code !== 0) this.set(base + i, name, column.values[code]!)
      }
    }
  }

  freeze(): StoredLogs {
    const rows = this.rows
    const order = this.times.order()
    const text = Buffer.allocUnsafe(this.text.length)
    const end = new Uint32Array(rows)
    const position = new Int32Array(rows)
    let at = 0
    for (let i = 0; i < rows; i++) {
      const row = order[i]!
      position[row] = i
      at += this.text.data.copy(text, at, row === 0 ? 0 : this.textEnd[row - 1]!, this.textEnd[row]!)
      end[i] = at
    }
    const stream = this.streams.length <= 0x1_0000 ? new Uint16Array(rows) : new Uint32Array(rows)
    for (let i = 0; i < rows; i++) stream[i] = this.streamOf[order[i]!]!
    return storedLogs({
      rows,
      times: this.times.gather(order),
      streams: this.streams.slice(),
      stream,
      text: () => text,
      end,
      names: [...this.metadata.keys()],
      load: (name) => this.metadata.get(name)!.freeze(rows, position),
    })
  }

  private pushTime(ns: bigint): void {
    this.times.push(Number(ns >> 32n), Number(ns & 0xffff_ffffn))
  }

  private set(row: number, name: string, value: string): void {
    let column = this.metadata.get(name)
    if (column === undefined) {
      if (this.metadata.size >= MAX_COLUMNS) {
        this.omitted++
        return
      }
      column = new TextColumn()
      this.metadata.set(name, column)
    }
    column.set(row, value)
    this.metadataBytes += value.length + 16
  }

  /** Lines themselves are kept whole; of metadata with thousands of names only the first names are. */
  private attributes(row: number, list: AttributeList): void {
    for (let i = 0; i < list.count; i++) {
      flatten(list.keys[i]!, list.types[i]!, list.values[i], (name, value) => this.set(row, name, value))
    }
  }

  private owner(resource: OwnerRecord): OwnerLabels {
    let owner = this.owners.get(resource)
    if (owner === undefined) {
      owner = ownerLabels(resource)
      this.owners.set(resource, owner)
    }
    return owner
  }

  private stream(owner: OwnerLabels, level: string): number {
    let ordinal = owner.ordinals.get(level)
    if (ordinal === undefined) {
      ordinal = this.ordinal({ service_name: owner.service, level, job: owner.service })
      owner.ordinals.set(level, ordinal)
    }
    return ordinal
  }

  private pushedStream(owner: OwnerLabels): number {
    let ordinal = owner.ordinals.get('')
    if (ordinal === undefined) {
      ordinal = this.ordinal(owner.labels)
      owner.ordinals.set('', ordinal)
    }
    return ordinal
  }

  private ordinal(labels: Labels): number {
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
    let ordinal = this.streamOrdinals.get(key)
    if (ordinal === undefined) {
      ordinal = this.streams.push(labels) - 1
      this.metadataBytes += key.length * 2
      this.streamOrdinals.set(key, ordinal)
    }
    return ordinal
  }
}

interface OwnerLabels {
  readonly service: string
  /** All attributes as labels, unchanged: for pushed streams. */
  readonly labels: Labels
  /** Resource attributes other than service.name, flattened. */
  readonly metadata: readonly (readonly [string, string])[]
  /** Streams made for this owner, by level. */
  readonly ordinals: Map<string, number>
}

function ownerLabels(resource: OwnerRecord): OwnerLabels {
  const { attributes } = resource
  const labels: Record<string, string> = {}
  const metadata: [string, string][] = []
  let service = 'unknown_service'
  for (let i = 0; i < attributes.count; i++) {
    const key = attributes.keys[i]!
    const value = attributes.values[i]
    labels[key] = String(value ?? '')
    if (key === 'service.name') service = String(value)
    else flatten(key, attributes.types[i]!, value, (name, text) => metadata.push([name, text]))
  }
  return { service, labels, metadata, ordinals: new Map() }
}

/** Loki's names: anything but letters, digits and `_` becomes `_`; nested keys are joined by `_`. */
const lokiName = (name: string) => name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, '_')

function flatten(key: string, type: number, value: unknown, set: (name: string, value: string) => void): void {
  if (value === undefined || value === null) return
  if (type === TYPE.kvlist && typeof value === 'string') flattenJson(lokiName(key), JSON.parse(value), set)
  else set(lokiName(key), Array.isArray(value) ? JSON.stringify(value.map(plain)) : String(value))
}

const plain = (value: unknown) => (typeof value === 'bigint' ? String(value) : value)

function flattenJson(prefix: string, value: unknown, set: (name: string, value: string) => void): void {
  if (value === null) return
  if (typeof value !== 'object') set(prefix, String(value))
  else if (Array.isArray(value)) set(prefix, JSON.stringify(value))
  else for (const [key, item] of Object.entries(value)) flattenJson(`${prefix}_${lokiName(key)}`, item, set)
}

const LEVELS = ['unknown', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/**
 * One of LEVELS. The number decides (OTLP: four per level), then the text, then an attribute, when they are a level's name,
 * or else the line.
 */
function levelOf({ severityNumber, severityText, attributes, body }: LogRecord): string {
  if (severityNumber > 0) return LEVELS[Math.min(6, Math.floor((severityNumber + 3) / 4))]!
  const level =
    textLevel(severityText) ?? textLevel(statedLevel((field) => textOf(attributes, field))) ?? levelInLine(body)
  return level === 'critical' ? 'fatal' : level
}

/** Senders of OTLP call two levels by names that Loki doesn't know. */
function textLevel(word = ''): string | undefined {
  if (/^notice$/i.test(word)) return 'info'
  return /^unknown$/i.test(word) ? 'unknown' : levelNamed(word)
}

function textOf({ count, keys, values }: AttributeList, name: string): string | undefined {
  const at = keys.indexOf(name)
  const value = at >= 0 && at < count ? values[at] : undefined
  return typeof value === 'string' ? value : undefined
}

/** Dictionary of texts under construction. */
class TextColumn {
  private readonly values: string[] = ['']
  private readonly codeOf = new Map<string, number>()
  private readonly rows: number[] = []
  private readonly codes: number[] = []

  set(row: number, value: string): void {
    if (value === '') return
    let code = this.codeOf.get(value)
    if (code === undefined) {
      code = this.values.push(value) - 1
      this.codeOf.set(value, code)
    }
    const last = this.rows.length - 1
    if (last >= 0 && this.rows[last] === row) this.codes[last] = code
    else {
      this.rows.push(row)
      this.codes.push(code)
    }
  }

  freeze(rowCount: number, position: Int32Array): LogColumn & { codes: Codes } {
    const codes = codeArray(rowCount, this.values.length)
    for (let i = 0; i < this.rows.length; i++) {
      const to = position[this.rows[i]!]
      if (to !== undefined) codes[to] = this.codes[i]!
    }
    return { codes, values: this.values.slice() }
  }
}
