/** What happens to each span and log record on its way out: business context in, personal data out, into the queue. */
import { context, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import type { LogRecordExporter, LogRecordProcessor, ReadableLogRecord } from '@opentelemetry/sdk-logs'
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import { maskAttributes, maskText } from '../masking.ts'
import { listedBaggage, ownBaggage } from './baggage.ts'
import { createBatcher } from './batcher.ts'
import type { Measured } from './exporters.ts'

const DATABASE_SCOPE = '@opentelemetry/instrumentation-pg'

/** Copies baggage to spans at their start, masks them at their end, queues the sampled ones. */
export function spanProcessor(
  exporter: (SpanExporter & Measured) | undefined,
  env: NodeJS.ProcessEnv,
  showPersonalData: boolean,
): SpanProcessor {
  const batcher =
    exporter &&
    createBatcher<ReadableSpan>({
      signal: 'traces',
      exporter,
      capacity: setting(env.OTEL_BSP_MAX_QUEUE_SIZE, 16_384),
      batchSize: setting(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, 512),
      delayMs: setting(env.OTEL_BSP_SCHEDULE_DELAY, 500),
      timeoutMs: setting(env.OTEL_BSP_EXPORT_TIMEOUT, 30_000),
    })
  const listed = listedBaggage(env.SIGHTLINE_BAGGAGE_KEYS)
  return {
    onStart(span, parent) {
      span.setAttributes(ownBaggage(parent))
      // What the span says of itself is not the caller's to say.
      const added = listed(parent)
      for (const key in added) if (!Object.hasOwn(span.attributes, key)) span.setAttribute(key, added[key]!)
    },
    onEnd(span) {
      if (batcher === undefined || (span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return
      if (!showPersonalData) maskSpan(span)
      batcher.add(span)
    },
    forceFlush: async () => batcher?.flush(),
    shutdown: async () => batcher?.shutdown(),
  }
}

/** Copies the listed baggage to log records, masked as the appender has masked all else, and queues them. */
export function logProcessor(
  exporter: LogRecordExporter & Measured,
  env: NodeJS.ProcessEnv,
  showPersonalData = false,
): LogRecordProcessor {
  const batcher = createBatcher<ReadableLogRecord>({
    signal: 'logs',
    exporter,
    capacity: setting(env.OTEL_BLRP_MAX_QUEUE_SIZE, 16_384),
    batchSize: setting(env.OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, 512),
    delayMs: setting(env.OTEL_BLRP_SCHEDULE_DELAY, 500),
    timeoutMs: setting(env.OTEL_BLRP_EXPORT_TIMEOUT, 30_000),
  })
  const listed = listedBaggage(env.SIGHTLINE_BAGGAGE_KEYS)
  return {
    onEmit(record, carrier = context.active()) {
      const attributes = { ...listed(carrier) }
      if (!showPersonalData) maskAttributes(attributes)
      for (const [key, value] of Object.entries(attributes)) {
        if (!Object.hasOwn(record.attributes, key)) record.setAttribute(key, value)
      }
      batcher.add(record)
    },
    forceFlush: () => batcher.flush(),
    shutdown: () => batcher.shutdown(),
  }
}

/** A finished span refuses setters, but its attributes are the object that will be encoded. */
function maskSpan(span: ReadableSpan): void {
  maskAttributes(span.attributes)
  for (const event of span.events) if (event.attributes) maskAttributes(event.attributes)
  const { status } = span
  if (status.code !== SpanStatusCode.ERROR || !status.message) return
  // PostgreSQL quotes values in its messages: `invalid input syntax for type integer: "John"`, `Key (email)=(x)`.
  const text = span.instrumentationScope.name === DATABASE_SCOPE ? withoutQuotedValues(status.message) : status.message
  ;(status as { message: string }).message = maskText(text)
}

function withoutQuotedValues(message: string): string {
  return message.replace(/: ".*$/s, ': ?').replace(/=\(.*?\)/gs, '=(?)')
}

function setting(value: string | undefined, fallback: number): number {
  const number = Number(value)
  return Number.isInteger(number) && number > 0 ? number : fallback
}
