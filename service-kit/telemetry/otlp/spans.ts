/** Spans as OTLP: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto */
import type { Link } from '@opentelemetry/api'
import {
  type IExportTraceServiceResponse,
  type ISerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { type ProtobufWriter, tag } from './protobuf-writer.ts'
import { encodeRequest, writeAttributes, writeCount, writeText } from './values.ts'

/** In place of the SDK's, which takes three times as long. Answers are read by the SDK’s. */
export const spanSerializer: ISerializer<ReadableSpan[], IExportTraceServiceResponse> = {
  serializeRequest: (spans) => encodeRequest(spans, writeSpan),
  deserializeResponse: ProtobufTraceSerializer.deserializeResponse,
}

const TRACE_ID = tag.sized(1)
const SPAN_ID = tag.sized(2)
const TRACE_STATE = tag.sized(3)
const PARENT_SPAN_ID = tag.sized(4)
const NAME = tag.sized(5)
const KIND = tag.varint(6)
const START = tag.fixed64(7)
const END = tag.fixed64(8)
const ATTRIBUTES = tag.sized(9)
const DROPPED_ATTRIBUTES = tag.varint(10)
const EVENTS = tag.sized(11)
const DROPPED_EVENTS = tag.varint(12)
const LINKS = tag.sized(13)
const DROPPED_LINKS = tag.varint(14)
const STATUS = tag.sized(15)
const FLAGS = tag.fixed32(16)

/** Bits of the flags: whether it is known if a context came from another process, and whether it did. */
const HAS_IS_REMOTE = 0x100
const IS_REMOTE = 0x200

function writeSpan(writer: ProtobufWriter, span: ReadableSpan): void {
  const begin = writer.begin(2)
  const { traceId, spanId, traceState, traceFlags } = span.spanContext()
  const parent = span.parentSpanContext
  writer.uint32(TRACE_ID)
  writer.id(traceId)
  writer.uint32(SPAN_ID)
  writer.id(spanId)
  writeText(writer, TRACE_STATE, traceState?.serialize())
  if (parent?.spanId) {
    writer.uint32(PARENT_SPAN_ID)
    writer.id(parent.spanId)
  }
  writeText(writer, NAME, span.name)
  writer.uint32(KIND)
  // OTLP has an unspecified kind before the API's first.
  writer.uint32(span.kind + 1)
  writer.uint32(START)
  writer.nanoseconds(span.startTime)
  writer.uint32(END)
  writer.nanoseconds(span.endTime)
  writeAttributes(writer, ATTRIBUTES, span.attributes)
  writeCount(writer, DROPPED_ATTRIBUTES, span.droppedAttributesCount)
  for (const event of span.events) writeEvent(writer, event)
  writeCount(writer, DROPPED_EVENTS, span.droppedEventsCount)
  for (const link of span.links) writeLink(writer, link)
  writeCount(writer, DROPPED_LINKS, span.droppedLinksCount)
  writeStatus(writer, span.status)
  writer.uint32(FLAGS)
  writer.fixed32(flagsOf(traceFlags, parent?.isRemote))
  writer.end(begin, 2)
}

function writeEvent(writer: ProtobufWriter, event: ReadableSpan['events'][number]): void {
  writer.uint32(EVENTS)
  const begin = writer.begin(1)
  writer.uint32(tag.fixed64(1))
  writer.nanoseconds(event.time)
  writeText(writer, tag.sized(2), event.name)
  if (event.attributes) writeAttributes(writer, tag.sized(3), event.attributes)
  writeCount(writer, tag.varint(4), event.droppedAttributesCount)
  writer.end(begin, 1)
}

function writeLink(writer: ProtobufWriter, { context, attributes, droppedAttributesCount }: Link): void {
  writer.uint32(LINKS)
  const begin = writer.begin(1)
  writer.uint32(tag.sized(1))
  writer.id(context.traceId)
  writer.uint32(tag.sized(2))
  writer.id(context.spanId)
  writeText(writer, tag.sized(3), context.traceState?.serialize())
  if (attributes) writeAttributes(writer, tag.sized(4), attributes)
  writeCount(writer, tag.varint(5), droppedAttributesCount)
  writer.uint32(tag.fixed32(6))
  writer.fixed32(flagsOf(context.traceFlags, context.isRemote))
  writer.end(begin, 1)
}

/** Written also when it says nothing: backends tell an unset status from none. */
function writeStatus(writer: ProtobufWriter, { code, message }: ReadableSpan['status']): void {
  writer.uint32(STATUS)
  const begin = writer.begin(1)
  writeText(writer, tag.sized(2), message)
  writeCount(writer, tag.varint(3), code)
  writer.end(begin, 1)
}

function flagsOf(traceFlags: number, isRemote: boolean | undefined): number {
  return (traceFlags & 0xff) | HAS_IS_REMOTE | (isRemote ? IS_REMOTE : 0)
}
