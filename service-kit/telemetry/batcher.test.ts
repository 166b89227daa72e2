/** The export queue: its bounds, and that nothing is lost without being counted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { context } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode, isTracingSuppressed } from '@opentelemetry/core'
import { until } from '../poll.ts'
import { currentRequest, requestContextFrom, runInRequest } from '../request-context.ts'
import { startMemoryTelemetry } from '../test/memory-telemetry.ts'
import { createBatcher } from './batcher.ts'
import { telemetry } from './state.ts'

test('a queue is bounded, and what does not fit is counted', async () => {
  let release: (result: ExportResult) => void = () => {}
  const exporter = {
    export: (_: unknown[], done: (result: ExportResult) => void) => (release = done),
    shutdown: async () => {},
  }
  const batcher = createBatcher<object>({
    signal: 'logs',
    exporter,
    capacity: 10,
    batchSize: 4,
    delayMs: 5,
    timeoutMs: 10_000,
  })
  for (let i = 0; i < 25; i++) batcher.add({})
  const counts = telemetry.queues.get('logs')!
  assert.deepEqual([counts.size, counts.dropped.queue_full], [10, 11], 'four are under way, ten wait')
  const flushed = batcher.flush()
  await until('everything is sent', 15, () => {
    release({ code: ExportResultCode.SUCCESS })
    return counts.size === 0 && counts.exported === 14
  })
  await flushed
  await batcher.shutdown()
  batcher.add({})
  assert.equal(counts.dropped.shutdown, 1)
})

test('an export that fails, throws or hangs is counted and ends', async () => {
  const ways: Array<(done: (result: ExportResult) => void) => void> = [
    (done) => done({ code: ExportResultCode.FAILED, error: new Error('no') }),
    () => {
      throw new Error('broken')
    },
    () => {},
  ]
  for (const way of ways) {
    const exporter = {
      export: (_: unknown[], done: (result: ExportResult) => void) => way(done),
      shutdown: async () => {},
    }
    const batcher = createBatcher<object>({
      signal: 'logs',
      exporter,
      capacity: 10,
      batchSize: 4,
      delayMs: 5,
      timeoutMs: 50,
    })
    for (let i = 0; i < 6; i++) batcher.add({})
    await batcher.flush()
    assert.equal(telemetry.queues.get('logs')!.dropped.export_failed, 6)
  }
})

/** A queue before an exporter that answers only when it is told to, and what the exporter has got. */
function held(
  options: { capacity: number; batchSize: number; delayMs?: number; timeoutMs?: number },
  lastBytes?: () => number,
) {
  const batches: number[][] = []
  const waiting: Array<(result: ExportResult) => void> = []
  let most = 0
  const exporter = {
    export(items: Array<{ n: number }>, done: (result: ExportResult) => void) {
      batches.push(items.map(({ n }) => n))
      waiting.push(done)
      most = Math.max(most, waiting.length)
    },
    shutdown: async () => {},
    ...(lastBytes && { lastBytes }),
  }
  const batcher = createBatcher<{ n: number; resource?: unknown }>({
    signal: 'logs',
    exporter,
    delayMs: 5,
    timeoutMs: 60_000,
    ...options,
  })
  let made = 0
  return {
    batcher,
    batches,
    counts: telemetry.queues.get('logs')!,
    atOnce: () => most,
    add(count: number) {
      for (let i = 0; i < count; i++) batcher.add({ n: made++ })
    },
    answer: (result: ExportResult = { code: ExportResultCode.SUCCESS }) => waiting.shift()?.(result),
  }
}

test('one export at a time, in order and in whole batches, also while a flush is under way and more comes in', async () => {
  const queue = held({ capacity: 100, batchSize: 4 })
  queue.add(10)
  const flushed = Promise.all([queue.batcher.flush(), queue.batcher.flush()])
  queue.add(3)
  await until('everything is sent', 15, () => {
    queue.answer()
    return queue.counts.exported === 13
  })
  await flushed
  assert.equal(queue.atOnce(), 1)
  assert.deepEqual(
    queue.batches.flat(),
    Array.from({ length: 13 }, (_, n) => n),
  )
  assert.deepEqual(
    queue.batches.map(({ length }) => length),
    [4, 4, 4, 1],
  )
  assert.equal(queue.counts.size, 0)
})

test('while a backend hangs, capacity and one batch are held, whatever comes in or is flushed', async () => {
  const queue = held({ capacity: 20, batchSize: 5 })
  queue.add(25)
  void queue.batcher.flush()
  queue.add(30)
  assert.deepEqual([queue.counts.size, queue.counts.dropped.queue_full, queue.atOnce()], [20, 30, 1])
  const stopped = queue.batcher.shutdown()
  await until('the end of it', 15, () => {
    queue.answer({ code: ExportResultCode.FAILED })
    return queue.counts.dropped.export_failed === 25
  })
  await stopped
})

test('full batches do not wait: the next one leaves with the answer to the last', async () => {
  const queue = held({ capacity: 100, batchSize: 4, delayMs: 60_000 })
  queue.add(8)
  assert.equal(queue.batches.length, 1)
  queue.answer()
  await until('the second batch leaves', 15, () => queue.batches.length === 2)
  queue.answer()
  await queue.batcher.shutdown()
})

test('an item waits for company no longer than the delay, also when it came during an export', async () => {
  const queue = held({ capacity: 100, batchSize: 4 })
  queue.add(1)
  assert.equal(queue.batches.length, 0)
  await until('the single item leaves', 15, () => queue.batches.length === 1)
  queue.add(1)
  queue.answer()
  await until('the next one leaves too', 15, () => queue.batches.length === 2)
  queue.answer()
  await queue.batcher.shutdown()
})

test('bytes are counted of what was taken, and not of what somebody else has sent meanwhile', async () => {
  let written = 0
  const queue = held({ capacity: 100, batchSize: 4, delayMs: 60_000 }, () => written)
  written = 100
  queue.add(4)
  written = 7
  queue.answer()
  await until('it is taken', 15, () => queue.counts.exported === 4)
  written = 50
  queue.add(4)
  queue.answer({ code: ExportResultCode.FAILED })
  await until('it is refused', 15, () => queue.counts.dropped.export_failed === 4)
  assert.equal(queue.counts.exportedBytes, 100)
  await queue.batcher.shutdown()
})

test('an answer that comes after the time limit changes no count, and each export is timed', async () => {
  const durations: number[] = []
  telemetry.onExport = (_, seconds) => durations.push(seconds)
  try {
    const queue = held({ capacity: 100, batchSize: 4, timeoutMs: 30 })
    queue.add(4)
    await until('the time limit', 15, () => queue.counts.dropped.export_failed === 4)
    queue.answer()
    await queue.batcher.shutdown()
    assert.deepEqual([queue.counts.exported, queue.counts.dropped.export_failed], [0, 4])
    assert.equal(durations.length, 1)
    assert.ok(durations[0]! >= 0.025 && durations[0]! < 10)
  } finally {
    telemetry.onExport = undefined
  }
})

test('an export belongs to no request, and its own request becomes no span', async () => {
  const seen: unknown[] = []
  const exporter = {
    export(_: unknown[], done: (result: ExportResult) => void) {
      seen.push(currentRequest(), isTracingSuppressed(context.active()))
      done({ code: ExportResultCode.SUCCESS })
    },
    shutdown: async () => {},
  }
  await using _telemetry = startMemoryTelemetry()
  const batcher = createBatcher<object>({
    signal: 'logs',
    exporter,
    capacity: 9,
    batchSize: 1,
    delayMs: 5,
    timeoutMs: 99,
  })
  runInRequest(requestContextFrom({}, 1_000), () => batcher.add({}))
  await batcher.shutdown()
  assert.deepEqual(seen, [undefined, true])
})
