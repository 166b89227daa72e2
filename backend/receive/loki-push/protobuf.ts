/**
 * Main thread. A push in protobuf, as agents send it: logproto's PushRequest
 * (https://github.com/grafana/loki/blob/main/pkg/push/push.proto). Labels are a text, `{app="shop", level="warn"}`.
 */
import { httpError } from '../../http.ts'
import { sized, varint } from '../../otlp/tags.ts'
import { isWireError, toBigInt, WireReader } from '../../otlp/wire.ts'
import { LogQLError, parse } from '../../query/logql/index.ts'
import type { PushedEntry, PushedStream } from './stream.ts'

const PUSH = { streams: sized(1) } as const
const STREAM = { labels: sized(1), entries: sized(2) } as const
const ENTRY = { time: sized(1), line: sized(2), metadata: sized(3) } as const
const TIMESTAMP = { seconds: varint(1), nanos: varint(2) } as const
const PAIR = { name: sized(1), value: sized(2) } as const

/** Throws an HttpError 400 that names the first fault, and where it is. */
export function readProtobufPush(bytes: Uint8Array): PushedStream[] {
  const reader = new WireReader(bytes)
  const streams: PushedStream[] = []
  try {
    eachField(reader, bytes.length, (tag, end) => {
      if (tag !== PUSH.streams) return false
      streams.push(readStream(reader, reader.end(end), `streams.${streams.length}`))
      return true
    })
  } catch (error) {
    if (isWireError(error)) throw httpError(400, `the body is no push request: ${error.message}`)
    throw error
  }
  return streams
}

/** Calls `read` with each tag of a message that ends at `end`; where it returns false the field is passed over. */
function eachField(reader: WireReader, end: number, read: (tag: number, end: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.tag()
    if (!read(tag, end)) reader.skip(tag, end)
  }
  reader.finish(end)
}

function readStream(reader: WireReader, to: number, place: string): PushedStream {
  let labels = ''
  const entries: PushedEntry[] = []
  eachField(reader, to, (tag, end) => {
    if (tag === STREAM.labels) labels = reader.string(end)
    else if (tag === STREAM.entries)
      entries.push(readEntry(reader, reader.end(end), `${place}.entries.${entries.length}`))
    else return false
    return true
  })
  return { labels: readLabels(labels, place), entries }
}

function readEntry(reader: WireReader, to: number, place: string): PushedEntry {
  let timeNs = 0n
  let line = ''
  const metadata: [string, string][] = []
  eachField(reader, to, (tag, end) => {
    if (tag === ENTRY.time) timeNs = readTime(reader, reader.end(end), place)
    else if (tag === ENTRY.line) line = reader.string(end)
    else if (tag === ENTRY.metadata) metadata.push(readPair(reader, reader.end(end)))
    else return false
    return true
  })
  return { timeNs, line, metadata }
}

function readTime(reader: WireReader, to: number, place: string): bigint {
  let seconds = 0n
  let nanos = 0
  eachField(reader, to, (tag) => {
    if (tag === TIMESTAMP.seconds) {
      reader.varint64()
      seconds = BigInt.asIntN(64, toBigInt(reader.hi, reader.lo))
    } else if (tag === TIMESTAMP.nanos) nanos = reader.varint32()
    else return false
    return true
  })
  const time = seconds * 1_000_000_000n + BigInt(nanos)
  if (seconds >= 0n && nanos < 1_000_000_000 && time < 2n ** 64n) return time
  throw httpError(
    400,
    `${place}: the time is before 1970, beyond 64 bits of nanoseconds, or has a second and more of them`,
  )
}

function readPair(reader: WireReader, to: number): [name: string, value: string] {
  let name = ''
  let value = ''
  eachField(reader, to, (tag, end) => {
    if (tag === PAIR.name) name = reader.string(end)
    else if (tag === PAIR.value) value = reader.string(end)
    else return false
    return true
  })
  return [name, value]
}

/** The selector of exactly one stream. */
function readLabels(text: string, place: string): Map<string, string> {
  if (/^\s*(?:\{\s*\})?\s*$/.test(text)) throw httpError(400, `${place}.labels: a stream needs at least one label`)
  try {
    const query = parse(text)
    if (query.kind !== 'log' || query.stages.length > 0) throw httpError(400, `${place}.labels: ${QUERY}`)
    const labels = new Map<string, string>()
    for (const { name, op, value } of query.selector) {
      if (op !== '=') throw httpError(400, `${place}.labels: ${QUERY}`)
      if (labels.has(name)) throw httpError(400, `${place}.labels: ${name} is there twice`)
      labels.set(name, value)
    }
    return labels
  } catch (error) {
    if (error instanceof LogQLError) throw httpError(400, `${place}.labels: ${error.message}`)
    throw error
  }
}

const QUERY = 'labels are {name="value", ...}, not a query'
