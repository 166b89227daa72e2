/**
 * Worker thread. Collects log records in the order they arrive and freezes them into tables in order of time, with
 * Loki's names.
 */

import type { LogRecord } from '../otlp/logs.ts'
import type { OwnerRecord } from '../otlp/traces.ts'
import { TYPE } from '../otlp/values.ts'
import { type AttributeList, toBigInt } from '../otlp/wire.ts'
import { lowerBound } from '../query/language/lower-bound.ts'
import { memo } from '../query/language/memo.ts'
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
  /** Of any of the streams. */
  private readonly labelNames = new Set<string>()
  private readonly streamOf: number[] = []
  private readonly text = new Bytes()
  private readonly textEnd: number[] = []
  private readonly metadata = new Map<string, TextColumn>()
  /** Of each row's stream and metadata, in whatever order that came: equal for equal ones. */
  private readonly hash: number[] = []
  private readonly owners = new WeakMap<OwnerRecord, OwnerLabels>()
  private readonly scopes = new WeakMap<OwnerRecord, Pairs>()
  /** Rows with metadata that was left out: equal to none, since what they lost may have told them apart. */
  private readonly incomplete = new Set<number>()

  get columns(): number {
    return this.metadata.size
  }

  get textBytes(): number {
    return this.text.length
  }

  append(record: LogRecord, received: Receipt): void {
    const row = this.rows++
    this.version++
    const owner = memo(this.owners, record.resource, ownerLabels)
    const pushed = record.scope.name === LOKI_PUSH_SCOPE
    this.pushStream(pushed ? this.pushedStream(owner) : this.stream(owner, severityLevel(record)))
    if (record.timeHi === 0 && record.timeLo === 0) this.pushTime(timeOfReceipt(received))
    else this.times.push(record.timeHi, record.timeLo)
    const line = Buffer.from(record.body)
    this.text.push(line, 0, line.length)
    this.textEnd.push(this.text.length)
    this.set(row, 'trace_id', record.traceId)
    this.set(row, 'span_id', record.spanId)
    this.attributes(row, record.attributes)
    if (pushed) return
    this.set(row, 'severity_text', record.severityText)
    if (record.severityNumber) this.set(row, 'severity_number', String(record.severityNumber))
    this.set(row, 'detected_level', detectedLevel(record))
    this.set(row, 'event_name', record.eventName)
    if (record.flags) this.set(row, 'flags', String(record.flags))
    const observed = toBigInt(record.observedHi, record.observedLo)
    if (observed > 0n) this.set(row, 'observed_timestamp', String(observed))
    for (const [name, value] of memo(this.scopes, record.scope, scopeMetadata)) this.set(row, name, value)
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
      this.pushStream(ordinals[table.stream[row]!]!)
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

  /** In order of time, each record once. */
  freeze(): StoredLogs {
    const order = this.once(this.times.order())
    const rows = order.length
    const text = Buffer.allocUnsafe(this.text.length)
    const end = new Uint32Array(rows)
    const position = new Int32Array(this.rows).fill(-1)
    let at = 0
    for (let i = 0; i < rows; i++) {
      const row = order[i]!
      position[row] = i
      at += this.text.data.copy(text, at, row === 0 ? 0 : this.textEnd[row - 1]!, this.textEnd[row]!)
      end[i] = at
    }
    const stream = this.streams.length <= 0x1_0000 ? new Uint16Array(rows) : new Uint32Array(rows)
    for (let i = 0; i < rows; i++) stream[i] = this.streamOf[order[i]!]!
    const times = this.times.gather(order)
    return storedLogs({
      rows,
      minNs: times[0] ?? 0n,
      maxNs: times[rows - 1] ?? 0n,
      times,
      streams: this.streams.slice(),
      stream,
      text: () => text.subarray(0, at),
      end,
      names: [...this.metadata.keys()],
      load: (name) => this.metadata.get(name)!.freeze(rows, position),
    })
  }

  /**
   * Rows in order of time without those that repeat one of the same stream, time, line and metadata: as in Loki, a record
   * that is sent twice is there once.
   */
  private once(order: Uint32Array): Uint32Array {
    const kept = new Uint32Array(order.length)
    let count = 0
    for (let from = 0, to = 1; from < order.length; from = to++) {
      while (to < order.length && this.times.equal(order[from]!, order[to]!)) to++
      if (to - from === 1) kept[count++] = order[from]!
      else for (const row of this.different(order.subarray(from, to))) kept[count++] = row
    }
    return kept.subarray(0, count)
  }

  /** Of rows of one time, those that repeat none before them. */
  private different(rows: Uint32Array): Uint32Array {
    const hashes = new Set<number>()
    for (const row of rows) hashes.add(this.hash[row]!)
    if (hashes.size === rows.length) return rows
    const seen = new Map<string, number[]>()
    return rows.filter((row) => {
      if (this.incomplete.has(row)) return true
      const line = this.text.data.toString('latin1', row === 0 ? 0 : this.textEnd[row - 1]!, this.textEnd[row]!)
      const key = `${this.hash[row]} ${line}`
      const alike = seen.get(key)
      if (alike === undefined) seen.set(key, [row])
      else if (alike.some((other) => this.sameLabels(row, other))) return false
      else alike.push(row)
      return true
    })
  }

  private sameLabels(a: number, b: number): boolean {
    if (this.streamOf[a] !== this.streamOf[b]) return false
    for (const column of this.metadata.values()) if (column.codeAt(a) !== column.codeAt(b)) return false
    return true
  }

  private pushStream(ordinal: number): void {
    this.streamOf.push(ordinal)
    this.hash.push(mixed(ordinal, -1))
  }

  private pushTime(ns: bigint): void {
    this.times.push(Number(ns >> 32n), Number(ns & 0xffff_ffffn))
  }

  private set(row: number, given: string, value: string): void {
    if (value === '') return
    const name = this.isLabel(row, given) ? `${given}_extracted` : given
    let column = this.metadata.get(name)
    if (column === undefined) {
      if (this.metadata.size >= MAX_COLUMNS) {
        this.omitted++
        this.incomplete.add(row)
        return
      }
      column = new TextColumn(this.metadata.size)
      this.metadata.set(name, column)
    }
    const before = column.lastOf(row)
    const code = column.set(row, value)
    // A name may come twice, and the later value counts.
    const change = mixed(code, column.seed) - (before === 0 ? 0 : mixed(before, column.seed))
    this.hash[row] = (this.hash[row]! + change) | 0
    this.metadataBytes += value.length + 16
  }

  /** Whether the row's stream has a label of this name, which metadata doesn't hide, as in Loki. */
  private isLabel(row: number, name: string): boolean {
    return this.labelNames.has(name) && Object.hasOwn(this.streams[this.streamOf[row]!]!, name)
  }

  /** Lines themselves are kept whole; of metadata with thousands of names only the first names are. */
  private attributes(row: number, list: AttributeList): void {
    for (let i = 0; i < list.count; i++) {
      flatten(list.keys[i]!, list.types[i]!, list.values[i], (name, value) => this.set(row, name, value))
    }
  }

  private stream(owner: OwnerLabels, level: string | undefined): number {
    const { service, ordinals } = owner
    return (
      ordinals.get(level ?? '') ??
      this.streamOfOwner(owner, level ?? '', { service_name: service, ...(level && { level }), job: service })
    )
  }

  private pushedStream(owner: OwnerLabels): number {
    return owner.ordinals.get(LOKI_PUSH_SCOPE) ?? this.streamOfOwner(owner, LOKI_PUSH_SCOPE, owner.labels)
  }

  private streamOfOwner({ ordinals }: OwnerLabels, key: string, labels: Labels): number {
    const ordinal = this.ordinal(labels)
    ordinals.set(key, ordinal)
    return ordinal
  }

  private ordinal(labels: Labels): number {
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
    let ordinal = this.streamOrdinals.get(key)
    if (ordinal === undefined) {
      ordinal = this.streams.push(labels) - 1
      for (const name of Object.keys(labels)) this.labelNames.add(name)
      this.metadataBytes += key.length * 2
      this.streamOrdinals.set(key, ordinal)
    }
    return ordinal
  }
}

/** Where a record came in: its batch, and which of the batch's records it is. */
export interface Receipt {
  readonly receivedMs: number
  readonly batch: number
  readonly place: number
}

/**
 * Nanoseconds of a record that states no time. No two are alike within a millisecond, however the batches come to lie in blocks: what
 * a sender gives no time is rather stored twice than once too seldom.
 */
function timeOfReceipt({ receivedMs, batch, place }: Receipt): bigint {
  return BigInt(receivedMs) * 1_000_000n + BigInt((batch % BATCHES_A_MS) * (1_000_000 / BATCHES_A_MS) + place)
}

const BATCHES_A_MS = 64

type Pairs = readonly (readonly [name: string, value: string])[]

interface OwnerLabels {
  readonly service: string
  /** All attributes as labels, unchanged: for pushed streams. */
  readonly labels: Labels
  /** Resource attributes other than service.name, flattened. */
  readonly metadata: Pairs
  /** Streams made for this owner, by level ('' = none), and the one of pushed lines by LOKI_PUSH_SCOPE. */
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

/** Everything that a scope says of its records. */
function scopeMetadata({ name, version, attributes }: OwnerRecord): Pairs {
  const metadata: [string, string][] = []
  for (let i = 0; i < attributes.count; i++)
    flatten(attributes.keys[i]!, attributes.types[i]!, attributes.values[i], (key, text) => metadata.push([key, text]))
  return [...metadata, ['scope_name', name], ['scope_version', version]]
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

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** What a record states: its number decides (OTLP: four per level), or else its text, when that is a level's name. */
function severityLevel({ severityNumber, severityText }: LogRecord): string | undefined {
  if (severityNumber > 0) return LEVELS[Math.min(5, Math.floor((severityNumber - 1) / 4))]!
  const level = textLevel(severityText)
  return level === 'critical' ? 'fatal' : level
}

/** Where it states none: an attribute that is a level's name, or else what the line says. */
function detectedLevel(record: LogRecord): string {
  const { attributes, body } = record
  return severityLevel(record) ?? textLevel(statedLevel((field) => textOf(attributes, field))) ?? levelInLine(body)
}

/** Senders of OTLP call a level by a name that Loki doesn't know. */
const textLevel = (word = ''): string | undefined => (/^notice$/i.test(word) ? 'info' : levelNamed(word))

function textOf({ count, keys, values }: AttributeList, name: string): string | undefined {
  const at = keys.indexOf(name)
  const value = at >= 0 && at < count ? values[at] : undefined
  return typeof value === 'string' ? value : undefined
}

/** Spreads the codes of all columns over 32 bits, so that sums of them differ. */
function mixed(code: number, seed: number): number {
  const spread = Math.imul(code ^ Math.imul(seed + 1, 0x9e3779b1), 0x85ebca6b)
  return Math.imul(spread ^ (spread >>> 15), 0xc2b2ae35)
}

/** Dictionary of texts under construction. */
class TextColumn {
  /** Another one for each column, from 0. */
  readonly seed: number
  private readonly values: string[] = ['']
  private readonly codeOf = new Map<string, number>()
  private readonly rows: number[] = []
  private readonly codes: number[] = []

  constructor(seed: number) {
    this.seed = seed
  }

  /** The value's code. */
  set(row: number, value: string): number {
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
    return code
  }

  /** The code of a row that was the last to be set; 0 when it was not. */
  lastOf(row: number): number {
    return this.rows.at(-1) === row ? this.codes.at(-1)! : 0
  }

  /** 0 = absent. Rows were set in ascending order. */
  codeAt(row: number): number {
    const at = lowerBound(this.rows, row)
    return this.rows[at] === row ? this.codes[at]! : 0
  }

  freeze(rowCount: number, position: Int32Array): LogColumn & { codes: Codes } {
    const codes = codeArray(rowCount, this.values.length)
    for (let i = 0; i < this.rows.length; i++) {
      // Rows that repeat others have no place, nor have those that came since.
      const to = position[this.rows[i]!] ?? -1
      if (to >= 0) codes[to] = this.codes[i]!
    }
    return { codes, values: this.values.slice() }
  }
}
