/** What happens to each span and log record on its way out: business context in, personal data out, into the queue. */
import { context, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import type { LogRecordExporter, LogRecordProcessor, ReadableLogRecord } from '@opentelemetry/sdk-logs'
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import { maskAttributes, maskText } from '../masking.ts'
import { listedBaggage, ownBaggage } from './baggage.ts'
import { type Batcher, type BatcherOptions, createBatcher } from './batcher.ts'
import type { Measured } from './exporters.ts'
import { type QueueCounts, type Signal, telemetry } from './state.ts'

const DATABASE_SCOPE = '@opentelemetry/instrumentation-pg'

/** Where spans or log records go, and by which queue. */
export interface Way<Exporter> {
  exporter: Exporter & Measured
  queue: QueueSettings
}
export type QueueSettings = Pick<BatcherOptions<never>, 'capacity' | 'batchSize' | 'delayMs' | 'timeoutMs'>

/** What OTEL_BSP_* or OTEL_BLRP_* say of the one way to `exporter`; no way without one. */
export function waysFromEnvironment<Exporter>(
  exporter: (Exporter & Measured) | undefined,
  prefix: 'OTEL_BSP' | 'OTEL_BLRP',
  env: NodeJS.ProcessEnv,
): Way<Exporter>[] {
  if (exporter === undefined) return []
  const queue = {
    capacity: setting(env[`${prefix}_MAX_QUEUE_SIZE`], 16_384),
    batchSize: setting(env[`${prefix}_MAX_EXPORT_BATCH_SIZE`], 512),
    delayMs: setting(env[`${prefix}_SCHEDULE_DELAY`], 500),
    timeoutMs: setting(env[`${prefix}_EXPORT_TIMEOUT`], 30_000),
  }
  return [{ exporter, queue }]
}

/** Copies baggage to spans at their start, masks them at their end, queues the sampled ones on each of `ways`. */
export function spanProcessor(
  ways: readonly Way<SpanExporter>[],
  env: NodeJS.ProcessEnv,
  showPersonalData: boolean,
): SpanProcessor {
  const queues = queuesOf<ReadableSpan>('traces', ways)
  const listed = listedBaggage(env.SIGHTLINE_BAGGAGE_KEYS)
  return {
    onStart(span, parent) {
      span.setAttributes(ownBaggage(parent))
      // What the span says of itself is not the caller's to say.
      const added = listed(parent)
      for (const key in added) if (!Object.hasOwn(span.attributes, key)) span.setAttribute(key, added[key]!)
    },
    onEnd(span) {
      if (queues.length === 0 || (span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return
      if (!showPersonalData) maskSpan(span)
      for (const queue of queues) queue.add(span)
    },
    ...together(queues),
  }
}

/** Copies the listed baggage to log records, masked as the appender has masked all else, and queues them on each of `ways`. */
export function logProcessor(
  ways: readonly Way<LogRecordExporter>[],
  env: NodeJS.ProcessEnv,
  showPersonalData = false,
): LogRecordProcessor {
  const queues = queuesOf<ReadableLogRecord>('logs', ways)
  const listed = listedBaggage(env.SIGHTLINE_BAGGAGE_KEYS)
  return {
    onEmit(record, carrier = context.active()) {
      const attributes = { ...listed(carrier) }
      if (!showPersonalData) maskAttributes(attributes)
      for (const [key, value] of Object.entries(attributes)) {
        if (!Object.hasOwn(record.attributes, key)) record.setAttribute(key, value)
      }
      for (const queue of queues) queue.add(record)
    },
    ...together(queues),
  }
}

/** The queues of a signal. Where there are several, `telemetry.queues` has what they hold and lost together. */
function queuesOf<Item extends { resource?: unknown }>(
  signal: Signal,
  ways: readonly Way<BatcherOptions<Item>['exporter']>[],
): Batcher<Item>[] {
  const counts: QueueCounts[] = []
  const queues = ways.map(({ exporter, queue }) => {
    const made = createBatcher<Item>({ signal, exporter, ...queue })
    counts.push(telemetry.queues.get(signal)!)
    return made
  })
  if (counts.length > 1) telemetry.queues.set(signal, sumOf(counts))
  return queues
}

function sumOf(counts: readonly QueueCounts[]): QueueCounts {
  const sum = (read: (one: QueueCounts) => number) => counts.reduce((total, one) => total + read(one), 0)
  return {
    get size() {
      return sum(({ size }) => size)
    },
    get capacity() {
      return sum(({ capacity }) => capacity)
    },
    // Who makes the queue smaller makes each of them as small.
    set capacity(capacity) {
      for (const one of counts) one.capacity = Math.ceil(capacity / counts.length)
    },
    get exported() {
      return sum(({ exported }) => exported)
    },
    get exportedBytes() {
      return sum(({ exportedBytes = 0 }) => exportedBytes)
    },
    get dropped() {
      return {
        queue_full: sum(({ dropped }) => dropped.queue_full),
        export_failed: sum(({ dropped }) => dropped.export_failed),
        shutdown: sum(({ dropped }) => dropped.shutdown),
      }
    },
  }
}

function together(queues: readonly Batcher<never>[]) {
  return {
    forceFlush: async () => void (await Promise.all(queues.map((queue) => queue.flush()))),
    shutdown: async () => void (await Promise.all(queues.map((queue) => queue.shutdown()))),
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
