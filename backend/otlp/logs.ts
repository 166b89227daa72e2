/**
 * OTLP logs, record by record. Meanings of the fields are those of opentelemetry/proto/logs/v1/logs.proto; times are
 * Unix nanoseconds in two halves of 32 bits.
 */
import { fixed32, fixed64, GROUP, REQUEST, sized, varint } from './tags.ts'
import { MAX_ATTRIBUTES, type OwnerRecord, ownerAndSchema, type ReadCounts, readId } from './traces.ts'
import { TYPE } from './values.ts'
import { type AttributeList, attributeList, WireReader, wantedNames } from './wire.ts'

/** One log record. The object and its lists are reused for the next: copy what you keep. */
export interface LogRecord {
  bytes: Buffer
  timeHi: number
  timeLo: number
  /** When it was observed, where that is not its time. */
  observedHi: number
  observedLo: number
  severityNumber: number
  severityText: string
  /** The line: the text body as it is, anything else as JSON. */
  body: string
  eventName: string
  flags: number
  /** Lower-case hex, '' when absent. */
  traceId: string
  spanId: string
  readonly attributes: AttributeList
  resource: OwnerRecord
  scope: OwnerRecord
}

export interface LogReadOptions {
  /** Nothing is kept: the records are counted and checked. */
  readonly checkOnly?: boolean
}

const LOG_RECORD = {
  time: fixed64(1),
  severityNumber: varint(2),
  severityText: sized(3),
  body: sized(5),
  attributes: sized(6),
  flags: fixed32(8),
  traceId: sized(9),
  spanId: sized(10),
  observedTime: fixed64(11),
  eventName: sized(12),
} as const

const NOTHING = wantedNames(new Set())

/**
 * Calls `onRecord` for every record of an ExportLogsServiceRequest. Records with too many attributes are counted as
 * rejected. A record without a time has the time it was observed. Throws a WireError when the bytes are not such a
 * message.
 */
export function readLogs(
  bytes: Uint8Array,
  onRecord: (record: LogRecord) => void,
  options: LogReadOptions = {},
): ReadCounts {
  const reader = new WireReader(bytes)
  const counts: ReadCounts = { accepted: 0, rejected: 0, reason: '' }
  const limit = bytes.length
  const none: OwnerRecord = { attributes: attributeList(), name: '', version: '', droppedAttributes: 0, schemaUrl: '' }
  const record: LogRecord = {
    bytes: reader.bytes,
    timeHi: 0,
    timeLo: 0,
    observedHi: 0,
    observedLo: 0,
    severityNumber: 0,
    severityText: '',
    body: '',
    eventName: '',
    flags: 0,
    traceId: '',
    spanId: '',
    attributes: attributeList(),
    resource: none,
    scope: none,
  }
  while (reader.pos < limit) {
    const tag = reader.tag()
    if (tag === REQUEST.resources) resourceLogs(reader, reader.end(limit), record, onRecord, counts, options)
    else reader.skip(tag, limit)
  }
  reader.finish(limit)
  return counts
}

function resourceLogs(
  reader: WireReader,
  end: number,
  record: LogRecord,
  onRecord: (record: LogRecord) => void,
  counts: ReadCounts,
  options: LogReadOptions,
): void {
  record.resource = ownerAndSchema(reader, end, false)
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag !== GROUP.members) {
      reader.skip(tag, end)
      continue
    }
    const scopeEnd = reader.end(end)
    record.scope = ownerAndSchema(reader, scopeEnd, true)
    while (reader.pos < scopeEnd) {
      const inner = reader.tag()
      if (inner === GROUP.members) readRecord(reader, reader.end(scopeEnd), record, onRecord, counts, options)
      else reader.skip(inner, scopeEnd)
    }
  }
}

function readRecord(
  reader: WireReader,
  end: number,
  record: LogRecord,
  onRecord: (record: LogRecord) => void,
  counts: ReadCounts,
  options: LogReadOptions,
): void {
  record.timeHi = record.timeLo = record.observedHi = record.observedLo = record.severityNumber = record.flags = 0
  record.severityText = record.body = record.eventName = record.traceId = record.spanId = ''
  record.attributes.count = record.attributes.seen = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    switch (tag) {
      case LOG_RECORD.time:
        reader.fixed64()
        record.timeHi = reader.hi
        record.timeLo = reader.lo
        break
      case LOG_RECORD.severityNumber:
        record.severityNumber = reader.varint32()
        break
      case LOG_RECORD.severityText:
        record.severityText = reader.string(end)
        break
      case LOG_RECORD.body: {
        const value = reader.anyValue(reader.end(end), 0, !options.checkOnly)
        if (!options.checkOnly) record.body = bodyText(reader.type, value)
        break
      }
      case LOG_RECORD.attributes:
        reader.keyValue(record.attributes, end, options.checkOnly ? NOTHING : undefined)
        break
      case LOG_RECORD.flags:
        record.flags = reader.fixed32()
        break
      case LOG_RECORD.traceId:
        record.traceId = hexId(reader, end, 16)
        break
      case LOG_RECORD.spanId:
        record.spanId = hexId(reader, end, 8)
        break
      case LOG_RECORD.observedTime:
        reader.fixed64()
        record.observedHi = reader.hi
        record.observedLo = reader.lo
        break
      case LOG_RECORD.eventName:
        record.eventName = reader.string(end)
        break
      default:
        reader.skip(tag, end)
    }
  }
  reader.finish(end)
  if (record.timeHi === 0 && record.timeLo === 0) {
    record.timeHi = record.observedHi
    record.timeLo = record.observedLo
    record.observedHi = record.observedLo = 0
  }
  const problem = record.attributes.seen > MAX_ATTRIBUTES ? `a record has more than ${MAX_ATTRIBUTES} attributes` : ''
  if (problem) {
    counts.rejected++
    counts.reason ||= problem
    return
  }
  counts.accepted++
  onRecord(record)
}

function hexId(reader: WireReader, end: number, size: number): string {
  const at = readId(reader, end, size)
  return at < 0 ? '' : reader.bytes.toString('hex', at, at + size)
}

function bodyText(type: number, value: unknown): string {
  if (typeof value === 'string') return value
  return type === TYPE.none ? '' : JSON.stringify(value, (_k, item) => (typeof item === 'bigint' ? String(item) : item))
}
