/** Flags about the process: its clock, its queues, what it traces; and all of it back when they are off. */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Logger } from '../logging.ts'
import { until } from '../poll.ts'
import { telemetry } from '../telemetry/state.ts'
import { openFlags } from './index.ts'
import { applyToProcess } from './process-flags.ts'

const ofService = (on: object, service: string) => ({
  state: 'ENABLED',
  variants: { on, off: {} },
  defaultVariant: 'off',
  targeting: { if: [{ '==': [{ var: 'service.name' }, service] }, 'on', 'off'] },
})
const definitions = (service: string) =>
  JSON.stringify({
    flags: {
      'platform.time-source': ofService({ offset_ms: -3_600_000 }, service),
      'telemetry.export-queue': ofService({ capacity: 3 }, service),
      'telemetry.sampling-rules': ofService({ drop_path: '^/inventory/[^/]+$' }, service),
    },
  })
/** Hours by which the wall clock is off; monotonic time is right. */
const hoursOff = () => Math.round((Date.now() - performance.timeOrigin - performance.now()) / 3_600_000) || 0

test('clock, queues and sampling follow the flags of this service, and of no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-flags-'))
  const file = join(folder, 'flags.json')
  const define = (text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  const counts = { size: 0, capacity: 100, exported: 0, dropped: { queue_full: 0, export_failed: 0, shutdown: 0 } }
  telemetry.queues.set('traces', counts)
  const RightDate = Date
  const flags = openFlags(file, 'order-service', { warn: assert.fail } as unknown as Logger)
  applyToProcess(flags)
  try {
    define(definitions('user-service'))
    await flags.start()
    assert.ok(flags.enabled?.has('platform.time-source'))
    assert.deepEqual([hoursOff(), counts.capacity, telemetry.untraced], [0, 100, undefined])

    define(definitions('order-service'))
    await until('all is taken over', 5, () => telemetry.untraced !== undefined)
    assert.deepEqual([hoursOff(), counts.capacity], [-1, 3])
    const made = new Date()
    assert.ok(Math.abs(made.getTime() - Date.now()) < 5_000)
    assert.equal(new Date(5).getTime(), 5)
    assert.ok(new Date() instanceof Date)
    assert.ok(telemetry.untraced!.test('/inventory/laptop-001') && !telemetry.untraced!.test('/inventory'))

    rmSync(file)
    await until('all is back', 5, () => telemetry.untraced === undefined)
    assert.deepEqual([hoursOff(), counts.capacity, Date], [0, 100, RightDate])
  } finally {
    await flags.stop()
    telemetry.queues.clear()
    rmSync(folder, { recursive: true })
  }
})
