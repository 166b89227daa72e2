/** An ExportMetricsServiceRequest as objects. Small messages make large objects, so they are counted before any is made. */
import type { DescMessage } from '@bufbuild/protobuf'
import { fromBinary } from '@bufbuild/protobuf'
import { type ExportMetricsServiceRequest, ExportMetricsServiceRequestSchema } from '@sightline/otlp-messages'
import { httpError } from '../../http.ts'
import { WIRE_TYPE } from '../../otlp/tags.ts'
import { WireReader, wireError } from '../../otlp/wire.ts'

/** About forty thousand points with five attributes each; some 200 bytes of memory for one. */
export const MOST_MESSAGES = 500_000
const MOST_DEPTH = 64

/** Throws a WireError for bytes that are no such message, an HttpError 413 for one of too many parts. */
export function decodeMetrics(bytes: Uint8Array): ExportMetricsServiceRequest {
  const reader = new WireReader(bytes)
  if (countMessages(reader, ExportMetricsServiceRequestSchema, bytes.length, 0, 0) > MOST_MESSAGES)
    throw httpError(
      413,
      `Points, attributes and values are more than ${MOST_MESSAGES} together. Send fewer points at once.`,
    )
  try {
    return fromBinary(ExportMetricsServiceRequestSchema, bytes, { readUnknownFields: false })
  } catch (error) {
    throw wireError((error as Error).message)
  }
}

/** How many messages lie in the one that ends at `end`, on top of `before`; it stops counting beyond the limit. */
function countMessages(reader: WireReader, message: DescMessage, end: number, depth: number, before: number): number {
  if (depth > MOST_DEPTH) throw wireError(`messages are nested deeper than ${MOST_DEPTH} levels`)
  const inner = messagesIn(message)
  let count = before
  while (reader.pos < end && count <= MOST_MESSAGES) {
    const tag = reader.tag()
    const child = (tag & 7) === WIRE_TYPE.sized ? inner.get(tag >>> 3) : undefined
    if (child === undefined) reader.skip(tag, end)
    else count = countMessages(reader, child, reader.end(end), depth + 1, count + 1)
  }
  return count
}

const known = new WeakMap<DescMessage, ReadonlyMap<number, DescMessage>>()

/** Fields that hold messages, by number. */
function messagesIn(message: DescMessage): ReadonlyMap<number, DescMessage> {
  let fields = known.get(message)
  if (fields === undefined) {
    fields = new Map(
      message.fields.flatMap((field) => (field.message === undefined ? [] : [[field.number, field.message] as const])),
    )
    known.set(message, fields)
  }
  return fields
}
