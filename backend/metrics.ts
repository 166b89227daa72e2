/** The backend's own metrics. All are declared here; Prometheus reads them with the service graph's from one registry. */
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type OpenMetricsContentType,
  openMetricsContentType,
  Registry,
} from 'prom-client'
import type { ReadCounts } from './otlp/traces.ts'
import type { Api } from './query/worker-protocol.ts'
import type { Signal, SignalStats } from './store/signal-store.ts'
import type { SamplingStats } from './store/trace-sampler.ts'
import type { Wal } from './store/wal.ts'
import type { StoreStats } from './store/worker-store.ts'

export interface BackendMetrics {
  readonly registry: Registry<OpenMetricsContentType>
  received(signal: string, status: number, bytes: number): void
  accepted(signal: Signal | 'metrics', counts: ReadCounts): void
  answered(api: Api, status: number, seconds: number): void
}

/**
 * Declares the metrics in a registry of their own. `wal` and `store` are asked at every scrape; `store` is undefined
 * before the worker has told of itself.
 */
export function createMetrics(wal: Wal, store: () => StoreStats | undefined): BackendMetrics {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(openMetricsContentType)
  const registers = [registry]
  collectDefaultMetrics({ register: registry as unknown as Registry })
  const requests = new Counter({
    name: 'embedded_otlp_requests_total',
    help: 'Requests that bring OTLP, by signal, or spans of Zipkin, by status of the answer.',
    labelNames: ['signal', 'status'],
    registers,
  })
  const bytes = new Counter({
    name: 'embedded_otlp_received_bytes_total',
    help: 'Bytes of these requests, decompressed.',
    labelNames: ['signal'],
    registers,
  })
  const accepted = new Counter({
    name: 'embedded_accepted_items_total',
    help: 'Spans and log records that are safe on disk, and data points that Prometheus has taken.',
    labelNames: ['signal'],
    registers,
  })
  const rejected = new Counter({
    name: 'embedded_rejected_items_total',
    help: 'Spans, log records and data points that were refused as unusable, e.g. without an id or with delta temporality.',
    labelNames: ['signal'],
    registers,
  })
  const queries = new Histogram({
    name: 'embedded_query_duration_seconds',
    help: 'Time to answer a query, by API and status.',
    labelNames: ['api', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 5, 30],
    registers,
  })
  new Gauge({
    name: 'embedded_wal_bytes',
    help: 'Bytes accepted that are in no block yet: the queue of the query worker.',
    labelNames: ['signal'],
    registers,
    collect() {
      for (const [signal, value] of Object.entries(wal.stats().bytes)) this.set({ signal }, value)
    },
  })
  const sampled = (
    name: string,
    help: string,
    read: (stats: SamplingStats) => Readonly<Record<string, number>>,
    label: string,
  ) =>
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset()
        const sampling = store()?.sampling
        if (sampling !== undefined)
          for (const [key, value] of Object.entries(read(sampling))) this.inc({ [label]: key }, value)
      },
    })
  sampled(
    'embedded_sampled_traces_total',
    'Traces by why they are kept, or left_out, with TRACES_SAMPLE.',
    (stats) => stats.traces,
    'why',
  )
  sampled(
    'embedded_sampled_spans_total',
    'Spans of traces that are kept or left_out.',
    (stats) => stats.spans,
    'decision',
  )
  sampled(
    'embedded_sampled_span_bytes_total',
    'Bytes of these spans, as they were sent.',
    (stats) => stats.bytes,
    'decision',
  )
  const perSignal = (name: string, help: string, read: (stats: SignalStats) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['signal'],
      registers,
      collect() {
        const stats = store()
        if (stats === undefined) return
        this.set({ signal: 'traces' }, read(stats.traces))
        this.set({ signal: 'logs' }, read(stats.logs))
      },
    })
  perSignal('embedded_blocks', 'Blocks on disk.', (stats) => stats.blocks)
  perSignal('embedded_block_bytes', 'Bytes of blocks on disk.', (stats) => stats.blockBytes)
  perSignal('embedded_block_rows', 'Spans or log lines in blocks.', (stats) => stats.blockRows)
  perSignal('embedded_head_rows', 'Spans or log lines in no block yet.', (stats) => stats.headRows)
  perSignal(
    'embedded_damaged_blocks',
    'Blocks set aside since the start because their file was damaged.',
    (stats) => stats.damagedBlocks,
  )
  const ofWorker = (name: string, help: string, read: (stats: StoreStats) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const stats = store()
        if (stats !== undefined) this.set(read(stats))
      },
    })
  ofWorker('embedded_cache_bytes', 'Bytes of decoded blocks kept in memory.', (stats) => stats.cacheBytes)
  ofWorker('embedded_worker_heap_bytes', "The query worker's JavaScript heap.", (stats) => stats.heapBytes)
  ofWorker('embedded_worker_buffer_bytes', "The query worker's buffers.", (stats) => stats.bufferBytes)
  return {
    registry,
    received(signal, status, size) {
      requests.inc({ signal, status: String(status) })
      bytes.inc({ signal }, size)
    },
    accepted(signal, counts) {
      accepted.inc({ signal }, counts.accepted)
      if (counts.rejected > 0) rejected.inc({ signal }, counts.rejected)
    },
    answered: (api, status, seconds) => queries.observe({ api, status: String(status) }, seconds),
  }
}
