/**
 * A bounded queue in front of an exporter. It exists because the SDK's own batch processors keep their drop counts to
 * themselves: here every lost span or log line is counted by reason, and a backend that hangs costs one request in
 * flight and a full queue, never memory without end.
 */
import { context, diag, ROOT_CONTEXT } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode, suppressTracing } from '@opentelemetry/core'
import { outsideRequests } from '../request-context.ts'
import { type DropReason, type QueueCounts, type Signal, telemetry } from './state.ts'

export interface BatcherOptions<Item> {
  signal: Signal
  exporter: { export(items: Item[], done: (result: ExportResult) => void): void; shutdown(): Promise<void> }
  /** Most items that may wait; further ones are dropped and counted. */
  capacity: number
  batchSize: number
  /** Longest time an item waits for company, milliseconds. */
  delayMs: number
  /** An export that takes longer counts as failed, milliseconds. */
  timeoutMs: number
}

export interface Batcher<Item> {
  add(item: Item): void
  flush(): Promise<void>
  shutdown(): Promise<void>
}

export function createBatcher<Item extends { resource?: unknown }>(options: BatcherOptions<Item>): Batcher<Item> {
  const { signal, exporter, capacity, batchSize, delayMs, timeoutMs } = options
  const counts: QueueCounts = {
    size: 0,
    capacity,
    exported: 0,
    dropped: { queue_full: 0, export_failed: 0, shutdown: 0 },
  }
  telemetry.queues.set(signal, counts)
  let queue: Item[] = []
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let closed = false

  function drop(reason: DropReason, count: number) {
    counts.dropped[reason] += count
  }

  function add(item: Item) {
    if (closed) return drop('shutdown', 1)
    if (queue.length >= capacity) return drop('queue_full', 1)
    queue.push(item)
    counts.size = queue.length
    if (running !== undefined) return
    if (queue.length >= batchSize) start()
    else timer ??= setTimeout(start, delayMs).unref()
  }

  function start() {
    clearTimeout(timer)
    timer = undefined
    // Set off by whichever span came last: a complaint about the backend is not that request's.
    running = outsideRequests(drain).finally(() => {
      running = undefined
      if (queue.length > 0 && !closed) timer ??= setTimeout(start, delayMs).unref()
    })
  }

  async function drain() {
    do {
      const batch = queue.length <= batchSize ? queue : queue.slice(0, batchSize)
      queue = batch === queue ? [] : queue.slice(batchSize)
      counts.size = queue.length
      await send(batch)
    } while (queue.length >= batchSize)
  }

  async function send(batch: Item[]) {
    if (batch.length === 0) return
    const started = performance.now()
    const result = await Promise.race([exportOnce(batch), expiry()])
    telemetry.onExport?.(signal, (performance.now() - started) / 1000)
    if (result.code === ExportResultCode.SUCCESS) {
      counts.exported += batch.length
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
        () => new Promise<ExportResult>((done) => exporter.export(batch, done)),
      )
    } catch (error) {
      return { code: ExportResultCode.FAILED, error: error as Error }
    }
  }

  function expiry(): Promise<ExportResult> {
    return new Promise((resolve) => {
      const error = new Error(`no answer within ${timeoutMs} ms`)
      setTimeout(() => resolve({ code: ExportResultCode.FAILED, error }), timeoutMs).unref()
    })
  }

  async function flush() {
    clearTimeout(timer)
    timer = undefined
    await running
    while (queue.length > 0) await send(queue.splice(0, batchSize))
    counts.size = 0
  }

  async function shutdown() {
    await flush()
    closed = true
    await exporter.shutdown()
  }

  return { add, flush, shutdown }
}
