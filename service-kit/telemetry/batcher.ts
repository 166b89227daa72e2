/**
 * A bounded queue in front of an exporter: one export at a time, and every lost span or log line counted by reason.
 *
 * The SDK's batch processors (sdk-trace and sdk-logs 3.0.0) cost the same per item and count too, through
 * `selfObsMeterProvider`, but not all of it: items of an export that throws or never answers, and items that come after
 * the shutdown, are not counted at all, and a failure without an error is counted as sent. At a stop the span processor
 * starts all its batches at once, and its shutdown rejects with the first that the OTLP exporter refuses (it takes 30):
 * what is still under way goes with the process. While the log processor flushes, it holds twice its capacity.
 * `bench/export-queue/bench.ts` shows both side by side.
 */
import { context, diag, ROOT_CONTEXT } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode, suppressTracing } from '@opentelemetry/core'
import { outsideRequests } from '../request-context.ts'
import { type DropReason, type QueueCounts, type Signal, telemetry } from './state.ts'

/** What is queued, for whom, and how much of it. */
export interface BatcherOptions<Item> {
  signal: Signal
  /** A FAILED result, a throw and silence are the same to the queue: the batch is lost and counted. */
  exporter: {
    export(items: Item[], done: (result: ExportResult) => void): void
    shutdown(): Promise<void>
    /** How many bytes `export` has just written; absent where it writes none. */
    lastBytes?(): number
  }
  /** Most items that may wait; further ones are dropped and counted. */
  capacity: number
  batchSize: number
  /** Longest time an item waits for company, milliseconds. */
  delayMs: number
  /**
   * An export that takes longer counts as failed, milliseconds. Longer than the exporter's own limit (10 s for OTLP), or
   * the next request starts while the last one is still under way.
   */
  timeoutMs: number
}

/** A queue that sends by itself. */
export interface Batcher<Item> {
  /** Takes an item, or counts it as lost; never throws and never waits. */
  add(item: Item): void
  /** Resolves when nothing waits and nothing is under way; what could not be sent is counted. */
  flush(): Promise<void>
  /** A flush, after which items are counted as lost and the exporter is closed; rejects when the exporter's own end does. */
  shutdown(): Promise<void>
}

/** Its counts are in `telemetry.queues` under the signal from now on. */
export function createBatcher<Item extends { resource?: unknown }>(options: BatcherOptions<Item>): Batcher<Item> {
  const { signal, exporter, capacity, batchSize, delayMs, timeoutMs } = options
  const counts: QueueCounts = {
    size: 0,
    capacity,
    exported: 0,
    // From the first scrape on: of a series that begins with a value, a rate knows nothing.
    ...(exporter.lastBytes && { exportedBytes: 0 }),
    dropped: { queue_full: 0, export_failed: 0, shutdown: 0 },
  }
  telemetry.queues.set(signal, counts)
  let queue: Item[] = []
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let closed = false
  /** Of the export under way. */
  let bytes = 0

  function drop(reason: DropReason, count: number) {
    counts.dropped[reason] += count
  }

  function add(item: Item) {
    if (closed) return drop('shutdown', 1)
    if (queue.length >= counts.capacity) return drop('queue_full', 1)
    queue.push(item)
    counts.size = queue.length
    if (running !== undefined) return
    if (queue.length >= batchSize) start(batchSize)
    else timer ??= setTimeout(start, delayMs, batchSize).unref()
  }

  /** Sends what waits: one batch, and further ones until fewer than `least` items are left. */
  function start(least: number) {
    clearTimeout(timer)
    timer = undefined
    // Set off by whichever span came last: a complaint about the backend is not that request's.
    running = outsideRequests(() => drain(least)).finally(() => {
      running = undefined
      if (queue.length > 0 && !closed) timer ??= setTimeout(start, delayMs, batchSize).unref()
    })
  }

  async function drain(least: number) {
    do {
      const batch = queue.length <= batchSize ? queue : queue.slice(0, batchSize)
      queue = batch === queue ? [] : queue.slice(batchSize)
      counts.size = queue.length
      await send(batch)
    } while (queue.length >= least)
  }

  async function send(batch: Item[]) {
    const started = performance.now()
    const result = await inTime(exportOnce(batch))
    telemetry.onExport?.(signal, (performance.now() - started) / 1000)
    if (result.code === ExportResultCode.SUCCESS) {
      counts.exported += batch.length
      if (counts.exportedBytes !== undefined) counts.exportedBytes += bytes
    } else {
      drop('export_failed', batch.length)
      diag.warn(`${signal}: export failed, items dropped: ${result.error?.message ?? 'no reason given'}`)
    }
  }

  async function exportOnce(batch: Item[]): Promise<ExportResult> {
    const resource = batch[0]?.resource as {
      asyncAttributesPending?: boolean
      waitForAsyncAttributes?(): Promise<void>
    }
    try {
      if (resource?.asyncAttributesPending) await resource.waitForAsyncAttributes?.()
      // The exporter's own request must not become a span.
      return await context.with(
        suppressTracing(ROOT_CONTEXT),
        () =>
          new Promise<ExportResult>((done) => {
            exporter.export(batch, done)
            // At once: others may send by the same exporter.
            bytes = exporter.lastBytes?.() ?? 0
          }),
      )
    } catch (error) {
      return { code: ExportResultCode.FAILED, error: error as Error }
    }
  }

  /** The exporter's answer, or a failure when it takes too long; one that comes later changes nothing. */
  async function inTime(answer: Promise<ExportResult>): Promise<ExportResult> {
    let limit: NodeJS.Timeout | undefined
    const late = new Promise<ExportResult>((resolve) => {
      const error = new Error(`no answer within ${timeoutMs} ms`)
      limit = setTimeout(resolve, timeoutMs, { code: ExportResultCode.FAILED, error }).unref()
    })
    try {
      return await Promise.race([answer, late])
    } finally {
      clearTimeout(limit)
    }
  }

  async function flush() {
    while (running !== undefined || queue.length > 0) {
      if (running === undefined) start(1)
      await running
    }
  }

  async function shutdown() {
    await flush()
    closed = true
    await exporter.shutdown()
  }

  return { add, flush, shutdown }
}
