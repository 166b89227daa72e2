/**
 * The two queues in front of an exporter that are compared: the kit's own, and the SDK's batch processors with a small
 * meter that feeds prom-client. Both look the same from here: what waits, what was sent, what was lost and why.
 */
import { createNoopMeter, type MeterProvider, TraceFlags } from '@opentelemetry/api'
import {
  BatchLogRecordProcessor,
  type LogRecordExporter,
  type LogRecordProcessor,
  type ReadableLogRecord,
} from '@opentelemetry/sdk-logs'
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace'
import { Counter, Registry } from 'prom-client'
import { createBatcher } from '../../service-kit/telemetry/batcher.ts'
import { telemetry } from '../../service-kit/telemetry/state.ts'

export type Signal = 'traces' | 'logs'
export type Kind = 'own' | 'sdk'

export interface Settings {
  capacity: number
  batchSize: number
  delayMs: number
  timeoutMs: number
}

/** The settings the services run with. */
export const SERVICE_SETTINGS: Settings = { capacity: 16_384, batchSize: 512, delayMs: 500, timeoutMs: 30_000 }

export interface Counts {
  waiting: number
  exported: number
  /** By reason, zeros left out. */
  lost: Record<string, number>
}

export interface Queue<Processor> {
  processor: Processor
  counts(): Promise<Counts>
}

export function spanQueue(kind: Kind, exporter: SpanExporter, settings: Settings): Queue<SpanProcessor> {
  if (kind === 'sdk') {
    const meter = promClientMeter()
    const processor = new BatchSpanProcessor({ exporter, ...sdkOptions(settings, meter.provider) })
    return { processor, counts: meter.counts }
  }
  const batcher = createBatcher<ReadableSpan>({ signal: 'traces', exporter, ...settings })
  const processor = {
    onStart() {},
    onEnd(span: ReadableSpan) {
      if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0) batcher.add(span)
    },
    forceFlush: batcher.flush,
    shutdown: batcher.shutdown,
  }
  return { processor, counts: countsOf('traces') }
}

export function logQueue(kind: Kind, exporter: LogRecordExporter, settings: Settings): Queue<LogRecordProcessor> {
  if (kind === 'sdk') {
    const meter = promClientMeter()
    const processor = new BatchLogRecordProcessor({ exporter, ...sdkOptions(settings, meter.provider) })
    return { processor, counts: meter.counts }
  }
  const batcher = createBatcher<ReadableLogRecord>({ signal: 'logs', exporter, ...settings })
  const processor = { onEmit: batcher.add, forceFlush: batcher.flush, shutdown: batcher.shutdown }
  return { processor, counts: countsOf('logs') }
}

function countsOf(signal: Signal): () => Promise<Counts> {
  const queue = telemetry.queues.get(signal)!
  return async () => ({ waiting: queue.size, exported: queue.exported, lost: withoutZeros(queue.dropped) })
}

function sdkOptions(settings: Settings, selfObsMeterProvider: MeterProvider) {
  return {
    maxQueueSize: settings.capacity,
    maxExportBatchSize: settings.batchSize,
    scheduledDelayMillis: settings.delayMs,
    exportTimeoutMillis: settings.timeoutMs,
    selfObsMeterProvider,
  }
}

/** As much of a meter as the batch processors use: their counter becomes prom-client's, their queue size is asked for. */
function promClientMeter(): { provider: MeterProvider; counts(): Promise<Counts> } {
  const processed = new Counter({
    name: 'processed_total',
    help: 'Spans or log records by outcome.',
    labelNames: ['error_type'],
    registers: [new Registry()],
  })
  let size: ((result: { observe(value: number): void }) => void) | undefined
  const meter = Object.assign(Object.create(createNoopMeter()), {
    createCounter: () => ({
      add: (count: number, attributes: Record<string, string>) =>
        processed.inc({ error_type: attributes['error.type'] ?? '' }, count),
    }),
    createObservableUpDownCounter: () => ({
      addCallback: (callback: typeof size) => {
        size = callback
      },
      removeCallback() {},
    }),
  })
  async function counts(): Promise<Counts> {
    let waiting = 0
    size?.({ observe: (value) => (waiting = value) })
    const { values } = await processed.get()
    const count = (type: unknown) => values.find(({ labels }) => labels.error_type === type)?.value ?? 0
    const lost = values.filter(({ labels }) => labels.error_type !== '')
    return {
      waiting,
      exported: count(''),
      lost: withoutZeros(Object.fromEntries(lost.map(({ labels, value }) => [String(labels.error_type), value]))),
    }
  }
  return { provider: { getMeter: () => meter }, counts }
}

function withoutZeros(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}
