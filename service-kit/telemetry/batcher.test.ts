/** The export queue: its bounds, and that nothing is lost without being counted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { until } from '../testing/index.ts'
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
