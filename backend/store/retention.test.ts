import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { logBytes } from '../test/otlp.ts'
import { createCache } from './cache.ts'
import { createLogStore, type LogStore } from './log-store.ts'
import { createRetention } from './retention.ts'
import { openWal } from './wal.ts'
import { createWorkerStore } from './worker-store.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const WEEK = 7 * DAY
const BLOCKS = 24

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'retention-'))
  folders.push(dir)
  mkdirSync(join(dir, 'blocks'))
  return dir
}

/** A store of 24 blocks, spread over the six days before `nowMs`. */
function filledStore(nowMs: number, dir = folder()) {
  const logged: string[] = []
  const log = (_level: string, message: string): void => void logged.push(message)
  const store = openLogs(dir, log)
  for (let i = 0; i < BLOCKS; i++) {
    const ms = nowMs - Math.round(((BLOCKS - i) * 6 * DAY) / BLOCKS)
    store.add({ id: i + 1, receivedMs: ms, bytes: logBytes([{ body: `line ${i}`, ms }]) }, false)
    store.seal(ms + HOUR)
  }
  return { store, logged, log, dir }
}

const openLogs = (dir: string, log: (level: string, message: string) => void): LogStore =>
  createLogStore({
    blocksDir: join(dir, 'blocks'),
    epoch: 'e1',
    cache: createCache(1 << 20),
    retentionMs: WEEK,
    maxBytes: 1e12,
    log,
  })

/** Runs retention on the logs every half minute of `[fromMs, toMs)` of steady time, the clock being `aheadMs` ahead. */
function retentionOf(store: LogStore, log: (level: string, message: string) => void) {
  const none = { forgetExpired: () => 0, stats: store.stats }
  const run = createRetention({
    stores: { traces: none, logs: store },
    retentionMs: { traces: WEEK, logs: WEEK },
    log,
  })
  return (startMs: number, fromMs: number, toMs: number, aheadMs = 0): void => {
    for (let steady = fromMs; steady < toMs; steady += 30_000) run(startMs + steady + aheadMs, steady)
  }
}

test('a clock that jumps ahead for a minute removes nothing, and the jump is told', () => {
  const now = Date.now()
  const { store, logged, log } = filledStore(now)
  const run = retentionOf(store, log)
  run(now, 0, DAY / 2)
  run(now, DAY / 2, DAY / 2 + MINUTE, 365 * DAY)
  run(now, DAY / 2 + MINUTE, DAY / 2 + HOUR)
  assert.equal(store.stats().blocks, BLOCKS)
  assert.deepEqual(logged.length, 1)
  assert.match(logged[0]!, /8760 hours ahead.*removed slowly.*Set the clock right/s)
})

test('a clock that stays ahead takes hours to remove everything, and each removal is told', () => {
  const now = Date.now()
  const { store, logged, log } = filledStore(now)
  const run = retentionOf(store, log)
  run(now, 0, HOUR)
  run(now, HOUR, 2 * HOUR, 365 * DAY)
  const left = store.stats().blocks
  assert.ok(left >= (BLOCKS * 5) / 6 && left < BLOCKS, String(left))
  run(now, 2 * HOUR, 2 * DAY, 365 * DAY)
  assert.equal(store.stats().blocks, 0)
  const removals = logged.filter((message) => message.startsWith('Retention removed 1 block of logs: 1 line, '))
  assert.equal(removals.length, BLOCKS)
  assert.match(removals[0]!, /bytes, from \d{4}-.*Z to .*Z\. They were older than 168 hours\./)
})

test('a restart while the clock is ahead removes nothing at once', (t) => {
  const now = Date.now()
  const { dir } = filledStore(now)
  const wal = openWal(dir, assert.fail)
  t.mock.timers.enable({ apis: ['Date'], now: now + 365 * DAY })
  const settings = {
    dataDir: dir,
    epoch: wal.epoch,
    retentionMs: { traces: WEEK, logs: WEEK },
    maxBytes: { traces: 1e12, logs: 1e12 },
    cacheBytes: 1 << 20,
    queryTimeoutMs: 1000,
  }
  let blocks = 0
  const store = createWorkerStore(settings, {
    log() {},
    sealed() {},
    stats: ({ logs }) => (blocks = logs.blockRows),
  })
  store.work()
  assert.equal(blocks, BLOCKS)
  store.close()
  return wal.close()
})

test('in the usual course blocks go when their time has come', () => {
  const now = Date.now()
  const { store, log } = filledStore(now)
  const run = retentionOf(store, log)
  run(now, 0, 4 * DAY)
  const left = store.stats().blocks
  // Six days were filled evenly; three of them are older than a week now, the last few hours may wait.
  assert.ok(left >= BLOCKS / 2 - 1 && left <= BLOCKS / 2 + 2, String(left))
})
