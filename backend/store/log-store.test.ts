import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { logBytes, type TestLine } from '../test/otlp.ts'
import { createCache } from './cache.ts'
import { createLogStore, type LogStore } from './log-store.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const MINUTE = 60_000
const T0 = 1_700_000_000_000
const ALL = { startNs: 0n, endNs: 1n << 62n }

function openStore(blocksDir = folder(), retentionMs = 1e12): LogStore & { blocksDir: string; logged: string[] } {
  const logged: string[] = []
  const log = (_level: string, message: string) => logged.push(message)
  const store = createLogStore({
    blocksDir,
    epoch: 'e1',
    cache: createCache(1 << 20),
    retentionMs,
    maxBytes: 1e12,
    log,
  })
  return Object.assign(store, { blocksDir, logged })
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'logs-'))
  folders.push(dir)
  return dir
}

const add = (store: LogStore, id: number, lines: readonly TestLine[], receivedMs = T0, replay = false) =>
  store.add({ id, receivedMs, bytes: logBytes(lines) }, replay)

function lines(store: LogStore, range = ALL, direction: 'forward' | 'backward' = 'forward'): string[] {
  return [...store.tables(range, direction)].flatMap((table) =>
    Array.from({ length: table.rows }, (_, row) =>
      table.text.toString('utf8', row === 0 ? 0 : table.end[row - 1], table.end[row]),
    ),
  )
}

test('lines are served in order of time, with Loki labels and metadata', () => {
  const store = openStore()
  add(store, 1, [
    {
      body: 'second é',
      ms: T0 + 2,
      service: 'order',
      severity: 17,
      trace: 'abc',
      attributes: { 'request.id': 'r1', n: 5 },
    },
    { body: 'first', ms: T0 + 1, service: 'order' },
  ])
  assert.deepEqual(lines(store), ['first', 'second é'])
  const [table] = [...store.tables(ALL, 'forward')]
  assert.deepEqual(table!.streams[table!.stream[1]!], { service_name: 'order', level: 'error', job: 'sightline/order' })
  const metadata = (name: string) => table!.metadata(name)?.values[table!.metadata(name)!.codes[1]!]
  assert.deepEqual(['trace_id', 'request_id', 'n', 'service_namespace', 'detected_level'].map(metadata), [
    'abc'.padStart(32, '0'),
    'r1',
    '5',
    'sightline',
    'error',
  ])
  assert.equal(table!.metadata('nothing'), undefined)
})

test('a block gives back what the head had', () => {
  const store = openStore()
  add(store, 1, [
    { body: 'a', ms: T0, attributes: { k: 'v' } },
    { body: '', ms: T0 + 1 },
    { body: 'ü'.repeat(100), ms: T0 + 2, trace: 'f' },
  ])
  const flat = (from: LogStore) =>
    [...from.tables(ALL, 'forward')].map((table) => ({
      lines: lines(from),
      times: [...table.timeOffset].map((time) => table.baseNs + BigInt(time)),
      streams: [...table.stream].map((ordinal) => table.streams[ordinal]),
      metadata: [...table.metadataNames()]
        .sort()
        .map((name) => [name, [...table.metadata(name)!.codes].map((code) => table.metadata(name)!.values[code])]),
    }))
  const before = flat(store)
  assert.ok(store.seal(T0 + 60 * MINUTE))
  assert.equal(store.stats().headRows, 0)
  assert.deepEqual(flat(store), before)
  assert.deepEqual(flat(openStore(store.blocksDir)), before)
})

test('a replay after a crash leaves out what is in blocks, and the log is kept from the first batch in the head', () => {
  const store = openStore()
  add(store, 5, [{ body: 'sealed' }])
  assert.equal(store.sealedBelow(5), 5)
  store.seal(T0 + 60 * MINUTE)
  assert.equal(store.sealedBelow(5), 6)
  const again = openStore(store.blocksDir)
  add(again, 5, [{ body: 'sealed' }], T0, true)
  add(again, 6, [{ body: 'new' }], T0, true)
  assert.deepEqual(lines(again), ['sealed', 'new'])
})

test('blocks outside the range are not read, the order follows the direction', () => {
  const store = openStore()
  for (const [i, body] of ['a', 'b', 'c'].entries()) {
    add(store, i + 1, [{ body, ms: T0 + i * MINUTE }])
    store.seal(T0 + 60 * MINUTE)
  }
  assert.deepEqual(lines(store, ALL, 'backward'), ['c', 'b', 'a'])
  const middle = { startNs: BigInt(T0 + MINUTE) * 1_000_000n, endNs: BigInt(T0 + MINUTE + 1) * 1_000_000n }
  assert.deepEqual(lines(store, middle), ['b'])
  assert.ok(store.compact())
  assert.equal(store.stats().blocks, 2)
  assert.deepEqual(lines(store), ['a', 'b', 'c'])
})

test('a damaged file costs its block', () => {
  const store = openStore()
  add(store, 1, [{ body: 'lost' }])
  store.seal(T0 + 60 * MINUTE)
  add(store, 2, [{ body: 'kept' }])
  store.seal(T0 + 60 * MINUTE)
  truncateSync(join(store.blocksDir, readdirSync(store.blocksDir).sort()[0]!), 30)
  const again = openStore(store.blocksDir)
  assert.deepEqual(lines(again), ['kept'])
  assert.match(again.logged.join(), /damaged/)
})

test('blocks of one line a day are merged no further than retention needs', () => {
  const day = 24 * 60 * MINUTE
  const store = openStore(folder(), 7 * day)
  const end = Date.now()
  for (let i = 30; i >= 0; i--) {
    const now = end - i * day
    add(store, 31 - i, [{ body: `line ${i}`, ms: now }], now)
    store.seal(now + 60 * MINUTE)
    while (store.compact());
    store.forgetExpired(now)
  }
  assert.ok(store.stats().blockRows <= 8, String(store.stats().blockRows))
})
