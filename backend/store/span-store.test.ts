import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, test } from 'node:test'
import { create, toBinary, toJson } from '@bufbuild/protobuf'
import { ExportTraceServiceRequestSchema, TraceSchema } from '@sightline/otlp-messages'
import fc from 'fast-check'
import { check, parse, search } from '../query/traceql/index.ts'
import type { TableOrder } from '../query/traceql/span-table.ts'
import { type TestSpan, traceBytes } from '../test/otlp.ts'
import { isDamagedBlock } from './block-file.ts'
import { createCache, type TableCache } from './cache.ts'
import type { HeadTrace } from './span-builder.ts'
import { createSpanStore, type SpanStore } from './span-store.ts'
import type { StoredSpans } from './stored-spans.ts'
import { toOtlp } from './to-otlp.ts'
import { createTraceSampler } from './trace-sampler.ts'

const folders: string[] = []
const open: SpanStore[] = []
afterEach(() => {
  for (const store of open.splice(0)) store.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const MINUTE = 60_000
const DAY = 86_400_000

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'spans-'))
  mkdirSync(join(dir, 'blocks'))
  folders.push(dir)
  return dir
}

function openStore(
  dir: string,
  more: Partial<Parameters<typeof createSpanStore>[0]> = {},
): SpanStore & { logged: string[] } {
  const logged: string[] = []
  const store = createSpanStore({
    dir,
    blocksDir: join(dir, 'blocks'),
    epoch: 'e1',
    cache: createCache(1 << 24),
    retentionMs: 7 * DAY,
    maxBytes: 1 << 30,
    log: (_level, message) => logged.push(message),
    ...more,
  })
  open.push(store)
  return Object.assign(store, { logged })
}

/** A store that tells which blocks are asked for. */
function openWatched(): { store: SpanStore; read: string[] } {
  const cache = createCache(1 << 24)
  const read: string[] = []
  const get: TableCache['get'] = (key, load) => {
    read.push(key)
    return cache.get(key, load)
  }
  return { store: openStore(folder(), { cache: { ...cache, get } }), read }
}

let batchId = 1
const add = (store: SpanStore, spans: readonly TestSpan[], receivedMs: number, replay = false, id = batchId++) =>
  store.add({ id, receivedMs, bytes: traceBytes(spans) }, replay)

/** trace -> ids of its spans, from all tables; fails when a trace is in two tables. */
function content(store: SpanStore, range = {}): Record<string, string[]> {
  const traces: Record<string, string[]> = {}
  for (const table of store.tables(range)) {
    for (let t = 0; t < table.traces; t++) {
      const id = table.traceId(t).replace(/^0+/, '')
      assert.ok(!(id in traces), `trace ${id} is in two tables`)
      traces[id] = rows(table, t).map((row) => table.spanId(row).replace(/^0+/, ''))
    }
  }
  return traces
}

function rows(table: StoredSpans, t: number): number[] {
  return Array.from({ length: table.traceStart[t + 1]! - table.traceStart[t]! }, (_, i) => table.traceStart[t]! + i)
}

/** Seals whatever there is: nothing has come for long. */
const sealAll = (store: SpanStore, nowMs: number) => store.seal(nowMs + 60 * MINUTE)

test('a trace is found at once, in order of start, its parents linked', () => {
  const store = openStore(folder())
  add(
    store,
    [
      { trace: 'a', id: '2', parent: '1', startMs: 1005 },
      { trace: 'a', id: '1', startMs: 1000 },
      { trace: 'a', id: '3', parent: '99', startMs: 1001 },
    ],
    0,
  )
  const [table] = [...store.tables({})]
  assert.deepEqual(content(store), { a: ['1', '3', '2'] })
  assert.deepEqual([...table!.parent], [-1, -1, 0])
  assert.deepEqual([table!.parentSpanId(0), table!.parentSpanId(1).replace(/^0+/, '')], ['', '99'])
})

test('a trace of the head is there once when another with its key was joined', () => {
  const store = openStore(folder())
  add(store, [{ trace: 'a1', id: '1', startMs: 1000 }], 0)
  sealAll(store, 0)
  add(store, [{ trace: 'a1', id: '2', startMs: 2000 }], 0)
  store.forgetExpired(Date.now())
  add(store, [{ trace: 'a5', id: '3', startMs: 3000 }], 0)
  assert.deepEqual(content(store), { a1: ['2'], a5: ['3'] })
})

test('head, block and joined block give back the same OTLP', () => {
  const dir = folder()
  const store = openStore(dir)
  const spans: TestSpan[] = [
    {
      trace: 'a',
      id: '1',
      kind: 2,
      status: 2,
      service: 'one',
      attributes: { s: 'x', i: 7, big: 1n << 60n, f: 0.5, b: true },
      events: [{ name: 'e', attributes: { k: 'v' } }],
      links: [{ trace: 'b', id: '9' }],
    },
    { trace: 'a', id: '2', parent: '1', startMs: 1_700_000_000_001, service: 'two', attributes: { s: 'y' } },
  ]
  add(store, spans, 0)
  const fromHead = toOtlp(store.trace('a'.padStart(32, '0'))!)
  assert.ok(sealAll(store, 0))
  const reopened = openStore(dir)
  assert.deepEqual(toOtlp(reopened.trace('a'.padStart(32, '0'))!), fromHead)
  assert.equal(fromHead.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.attributes.length, 5)
  assert.equal(reopened.stats().headRows, 0)
})

test('what comes after its trace was sealed is joined, and compaction makes it whole', () => {
  const store = openStore(folder())
  const t0 = 1_700_000_000_000
  add(
    store,
    [
      { trace: 'a', id: '1', startMs: t0 },
      { trace: 'b', id: '5', startMs: t0 },
    ],
    t0,
  )
  sealAll(store, t0)
  add(store, [{ trace: 'a', id: '2', parent: '1', startMs: t0 + 1 }], t0 + 60 * MINUTE)
  assert.deepEqual(content(store), { a: ['1', '2'], b: ['5'] })
  sealAll(store, t0 + 60 * MINUTE)
  assert.equal(store.stats().blocks, 2)
  assert.deepEqual(content(store), { a: ['1', '2'], b: ['5'] })
  assert.deepEqual(
    Object.keys(content(store, { startNs: BigInt(t0 + 1) * 1_000_000n, endNs: BigInt(t0 + 2) * 1_000_000n })).includes(
      'a',
    ),
    true,
  )
  assert.ok(store.compact())
  assert.equal(store.stats().blocks, 1)
  assert.deepEqual(content(store), { a: ['1', '2'], b: ['5'] })
  assert.equal(store.trace('a'.padStart(32, '0'))!.rows, 2)
})

test('a span that was sent twice is served once, wherever its copies lie', () => {
  const store = openStore(folder())
  const span = { trace: 'a', id: '1', startMs: 1000, name: 'n' }
  add(store, [span, span], 0)
  assert.deepEqual(content(store), { a: ['1'] })
  sealAll(store, 0)
  add(store, [span], 60 * MINUTE)
  assert.deepEqual(content(store), { a: ['1'] })
  sealAll(store, 60 * MINUTE)
  assert.deepEqual(content(store), { a: ['1'] })
  store.compact()
  assert.equal(store.stats().blockRows, 1)
  // Another kind under the same id is another span (client and server of one call share it in Zipkin's style).
  add(store, [{ ...span, kind: 3 }], 120 * MINUTE)
  assert.deepEqual(content(store), { a: ['1', '1'] })
})

test('replaying a log that was not trimmed after a crash brings nothing twice', () => {
  const dir = folder()
  const t0 = 1_700_000_000_000
  const first = openStore(dir)
  const a = [{ trace: 'a', id: '1', startMs: 1000 }]
  const b = [{ trace: 'b', id: '2', startMs: 1000 }]
  add(first, a, t0, false, 1)
  sealAll(first, t0)
  const second = openStore(dir)
  add(second, a, t0, true, 1)
  add(second, b, t0, true, 2)
  assert.equal(second.stats().headRows, 1)
  assert.equal(second.sealedBelow(2), 2)
  assert.deepEqual(content(second), { a: ['1'], b: ['2'] })
})

test('the log is kept from the first batch that has a span in the head', () => {
  const store = openStore(folder())
  const t0 = 1_700_000_000_000
  add(store, [{ trace: 'a', id: '1' }], t0, false, 10)
  add(store, [{ trace: 'b', id: '2' }], t0 + 20 * MINUTE, false, 11)
  assert.equal(store.sealedBelow(11), 10)
  assert.ok(store.seal(t0 + 20 * MINUTE))
  assert.equal(store.stats().headRows, 1)
  assert.equal(store.sealedBelow(11), 11)
})

test('a large head is sealed before its traces are quiet, the longest quiet ones first', () => {
  const store = openStore(folder())
  const t0 = Date.now()
  const spans = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ trace: (from + i).toString(16), id: '1', startMs: t0 }))
  add(store, spans(1, 40_000), t0)
  assert.equal(store.seal(t0 + 1), false)
  add(store, spans(40_001, 21_000), t0 + 2)
  assert.equal(store.seal(t0 + 3), true)
  assert.ok(store.stats().headRows < 25_000, String(store.stats().headRows))
  assert.equal(store.trace('1'.padStart(32, '0'))?.rows, 1)
  assert.equal(store.stats().headRows + store.stats().blockRows, 61_000)
})

for (const [what, damage] of [
  ['a flipped bit', (path: string, size: number) => flip(path, Math.floor(size / 2))],
  ['a flipped bit in the directory', (path: string, size: number) => flip(path, size - 20)],
  ['a cut end', (path: string, size: number) => truncateSync(path, size - 5)],
  ['a file of nothing', (path: string) => truncateSync(path, 0)],
] as const) {
  test(`${what} costs one block and is told`, () => {
    const dir = folder()
    const store = openStore(dir)
    add(store, [{ trace: 'a', id: '1', attributes: { k: 'v'.repeat(500) } }], 0)
    sealAll(store, 0)
    add(store, [{ trace: 'b', id: '2' }], 60 * MINUTE)
    sealAll(store, 60 * MINUTE)
    const path = join(dir, 'blocks', readdirSync(join(dir, 'blocks')).sort()[0]!)
    damage(path, readFileSync(path).length)
    const reopened = openStore(dir)
    const served = readAllColumns(reopened)
    assert.ok(!served.includes('a') || what === 'a flipped bit', served.join())
    assert.ok(served.includes('b'))
    if (reopened.stats().damagedBlocks > 0) {
      assert.match(reopened.logged.join('\n'), /damaged.*kept as/s)
      assert.ok(readdirSync(join(dir, 'blocks')).some((name) => name.endsWith('.damaged')))
    }
    assert.equal(reopened.stats().damagedBlocks, 1)
  })
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 0x10
  writeFileSync(path, bytes)
}

/** As the worker's store does it: a block that turns out damaged is set aside and the question is asked again. */
function readAllColumns(store: SpanStore): string[] {
  for (;;) {
    try {
      const traces: string[] = []
      for (const table of store.tables({})) {
        for (const name of table.columnNames('span')) assert.ok(table.column('span', name))
        for (let t = 0; t < table.traces; t++) {
          const found = store.trace(table.traceId(t))
          traces.push(table.traceId(t).replace(/^0+/, ''))
          assert.ok(toOtlp(found!))
        }
      }
      return traces
    } catch (error) {
      assert.ok(isDamagedBlock(error), String(error))
      assert.ok(store.setAside(error.damagedBlock, error.message))
    }
  }
}

test('blocks that are in memory come first where the order is of no matter, and none is left out', () => {
  // Too small for two tables: only the one that was read last stays.
  const store = openStore(folder(), { cache: createCache(1) })
  const now = 1_700_000_000_000
  for (let i = 0; i < 3; i++) {
    add(store, [{ trace: `${i + 1}`.repeat(32), id: '1', startMs: now + i * MINUTE }], now + i * MINUTE)
    sealAll(store, now + i * MINUTE)
  }
  const read = (order?: TableOrder) => [...store.tables({}, order)].map((table) => Number(table.traceId(0)[0]))
  assert.deepEqual(read(), [3, 2, 1])
  assert.deepEqual(read('as it suits'), [1, 3, 2])
  assert.deepEqual(read('as it suits'), [2, 3, 1])
  assert.deepEqual(read('newest first'), [3, 2, 1])
})

test('a search for the most recent traces reads no block that ended before the oldest of them began', () => {
  const { store, read } = openWatched()
  const now = 1_700_000_000_000
  // Each a block: its trace begins at a minute, and lasts so many.
  for (const [trace, minute, minutes] of [
    ['d', 1, 0],
    ['c', 3, 0],
    ['b', 4, 0],
    ['a', 0, 5],
  ] as const) {
    add(store, [{ trace: trace.repeat(32), id: '1', startMs: now + minute * MINUTE, ms: minutes * MINUTE + 1 }], now)
    sealAll(store, now)
  }
  const found = (limit: number, hints = ' with(most_recent=true)') => {
    read.length = 0
    const traces = search(check(parse(`{ }${hints}`)), store, { limit })
    return [traces.map(({ traceId }) => traceId.at(-1)).join(''), read.join(' ')]
  }
  assert.deepEqual(found(1, ''), ['a', 'spans/4'])
  assert.deepEqual(found(1), ['b', 'spans/4 spans/3'])
  assert.deepEqual(found(2), ['bc', 'spans/4 spans/3 spans/2'])
  assert.deepEqual(found(3), ['bcd', 'spans/4 spans/3 spans/2 spans/1'])
})

test('a query that names its trace reads the blocks of that trace alone', () => {
  const { store, read } = openWatched()
  const now = 1_700_000_000_000
  for (const trace of ['a', 'b', 'c']) {
    add(store, [{ trace: trace.repeat(32), id: '1', startMs: now }], now)
    sealAll(store, now)
  }
  const found = (where: string, range = {}) => {
    read.length = 0
    const traces = search(check(parse(where)), store, { range })
    return [traces.map(({ traceId }) => traceId.at(-1)).join(''), [...new Set(read)].sort().join(' ')]
  }
  const [a, b] = ['a', 'b'].map((trace) => `trace:id = "${trace.repeat(32)}"`)
  assert.deepEqual(found(`{ ${b} }`), ['b', 'spans/2'])
  assert.deepEqual(found(`{ ${b} && kind = server || ${a} }`), ['a', 'spans/1 spans/2'])
  assert.deepEqual(found(`{ ${a} } || { ${b} }`)[1], 'spans/1 spans/2')
  assert.deepEqual(found(`{ } !>> { ${a} } | count() > 0`), ['a', 'spans/1'])
  assert.deepEqual(found(`{ ${b} }`, { startNs: BigInt(now + MINUTE) * 1_000_000n }), ['', 'spans/2'])
  assert.deepEqual(found(`{ trace:id = "no id" }`), ['', ''])
  assert.deepEqual(found(`{ !(${b}) }`)[1], 'spans/1 spans/2 spans/3')
})

test('what is kept of a block is no longer used once one of its traces has a late span', () => {
  const store = openStore(folder())
  const source = { ...store, answers: createCache(1 << 20) }
  const now = 1_700_000_000_000
  const spans = (trace: string, id: string): TestSpan => ({ trace: trace.repeat(32), id, startMs: now })
  add(store, [spans('a', '1'), spans('b', '1')], now)
  sealAll(store, now)
  const counted = () => search(check(parse('{ } | count() > 1')), source).map(({ traceId }) => traceId[0])
  assert.deepEqual([counted(), counted()], [[], []])
  add(store, [spans('b', '2')], now)
  assert.deepEqual([counted(), counted()], [['b'], ['b']])
  sealAll(store, now)
  assert.deepEqual([counted(), counted()], [['b'], ['b']])
  add(store, [spans('a', '2')], now)
  assert.deepEqual(counted().sort(), ['a', 'b'])
})

test('blocks leave by age and by size, the oldest first', () => {
  const dir = folder()
  const now = Date.now()
  const store = openStore(dir, { retentionMs: 2 * DAY })
  for (const [trace, days] of [
    ['a', 3],
    ['b', 1],
  ] as const) {
    add(store, [{ trace, id: '1', startMs: now - days * DAY }], now - days * DAY)
    sealAll(store, now)
  }
  store.forgetExpired(now)
  assert.deepEqual(Object.keys(content(store)), ['b'])
  const small = openStore(dir, { maxBytes: 10 })
  small.forgetExpired(now)
  assert.deepEqual(content(small), {})
  assert.equal(small.trace('b'.padStart(32, '0')), undefined)
})

test('blocks of one span a day are merged no further than retention needs', () => {
  const store = openStore(folder(), { retentionMs: 7 * DAY })
  const end = Date.now()
  for (let day = 30; day >= 0; day--) {
    const now = end - day * DAY
    add(store, [{ trace: (day + 1).toString(16), id: '1', startMs: now }], now)
    sealAll(store, now)
    while (store.compact());
    store.forgetExpired(now)
  }
  assert.ok(store.stats().blockRows <= 8, String(store.stats().blockRows))
})

test('blocks of one stretch of time are merged, and what they share with others stays joined', () => {
  const store = openStore(folder(), { retentionMs: 7 * DAY })
  const t0 = 100 * DAY
  for (const at of [t0, t0 + MINUTE, t0 + 2 * DAY]) {
    add(store, [{ trace: 'a', id: String(at), startMs: at }], at)
    sealAll(store, at)
  }
  while (store.compact());
  assert.equal(store.stats().blocks, 2)
  assert.equal(content(store).a!.length, 3)
})

test('a merged block is as old as what it holds, whenever it was written', (t) => {
  const now = 1000 * DAY
  t.mock.timers.enable({ apis: ['Date'], now })
  const store = openStore(folder(), { retentionMs: 7 * DAY })
  const future = now + 365 * DAY
  for (const trace of ['a', 'b']) {
    add(store, [{ trace, id: '1', startMs: future }], now)
    sealAll(store, now)
  }
  t.mock.timers.setTime(now + DAY)
  assert.ok(store.compact())
  store.forgetExpired(now + 7 * DAY + 1)
  assert.equal(store.stats().blocks, 0)
})

test('a block that could not be written leaves nothing behind, and its number to the next attempt', () => {
  const dir = folder()
  const store = openStore(dir)
  add(store, [{ trace: 'a', id: '1' }], 0)
  const name = join(dir, 'blocks', 'spans-0000000001.block')
  mkdirSync(name)
  for (let attempt = 0; attempt < 3; attempt++) assert.throws(() => sealAll(store, 0))
  assert.deepEqual(readdirSync(join(dir, 'blocks')), ['spans-0000000001.block'])
  rmSync(name, { recursive: true })
  assert.ok(sealAll(store, 0))
  assert.deepEqual(readdirSync(join(dir, 'blocks')), ['spans-0000000001.block'])
})

test('a trace is found while the index can not be written, and through the index afterwards', () => {
  const dir = folder()
  const store = openStore(dir)
  const other = new DatabaseSync(join(dir, 'index.db'))
  const rowsOfA = () => store.trace('a'.padStart(32, '0'))?.rows
  const indexed = () => other.prepare('SELECT count(*) AS n FROM indexed').get()!.n
  other.exec("CREATE TRIGGER full BEFORE INSERT ON indexed BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
  add(store, [{ trace: 'a', id: '1' }], 0)
  assert.ok(sealAll(store, 0))
  assert.equal(rowsOfA(), 1)
  assert.deepEqual(content(store), { a: ['1'] })
  assert.match(store.logged.join(), /index can't be written.*disk is full/)
  store.forgetExpired(0)
  assert.deepEqual([rowsOfA(), indexed()], [1, 0])
  add(store, [{ trace: 'a', id: '2', startMs: 1_700_000_000_001 }], 0)
  other.exec('DROP TRIGGER full')
  store.forgetExpired(0)
  assert.deepEqual([rowsOfA(), indexed()], [2, 1])
  assert.deepEqual(content(store), { a: ['1', '2'] })
  assert.ok(sealAll(store, 0))
  assert.deepEqual(content(store), { a: ['1', '2'] })
  other.close()
})

test('a span without a start leaves those beside it every nanosecond', () => {
  const dir = folder()
  const t0 = 1_700_000_000_000
  const startNs = BigInt(t0) * 1_000_000n + 1n
  const span = (id: string, startTimeUnixNano: bigint, endTimeUnixNano = startTimeUnixNano) => ({
    traceId: Buffer.from('a'.padStart(32, '0'), 'hex'),
    spanId: Buffer.from(id.padStart(16, '0'), 'hex'),
    startTimeUnixNano,
    endTimeUnixNano,
  })
  const send = (to: SpanStore, id: number, spans: ReturnType<typeof span>[]) => {
    const request = create(ExportTraceServiceRequestSchema, { resourceSpans: [{ scopeSpans: [{ spans }] }] })
    const bytes = Buffer.from(toBinary(ExportTraceServiceRequestSchema, request))
    to.add({ id, receivedMs: t0, bytes }, false)
  }
  const starts = (from: SpanStore) => {
    const trace = toOtlp(from.trace('a'.padStart(32, '0'))!)
    assert.ok(toBinary(TraceSchema, trace))
    return trace.resourceSpans[0]!.scopeSpans[0]!.spans.map(({ startTimeUnixNano }) => startTimeUnixNano)
  }
  let store = openStore(dir)
  send(store, 1, [span('1', 0n), span('2', startNs), span('3', startNs + 2n, (1n << 64n) - 1n)])
  assert.deepEqual(starts(store), [0n, startNs, startNs + 2n])
  sealAll(store, t0)
  store = openStore(dir)
  send(store, 2, [span('4', 0n, startNs), span('5', startNs + 1n)])
  const all = [0n, 0n, startNs, startNs + 1n, startNs + 2n]
  assert.deepEqual(starts(store), all)
  sealAll(store, t0)
  assert.deepEqual(starts(openStore(dir)), all)
  while (store.compact());
  assert.deepEqual(starts(openStore(dir)), all)
})

test('old spans that are sent late keep every nanosecond, too', () => {
  const dir = folder()
  const store = openStore(dir)
  const now = 1_700_000_000_000
  add(store, [{ trace: 'a', id: '1', startMs: now - 1000 * DAY, ms: 0.000_001 }], now)
  const [table] = [...store.tables({})]
  assert.equal(table!.baseNs + BigInt(table!.startOffset[0]!), BigInt(now - 1000 * DAY) * 1_000_000n)
  sealAll(store, now)
  const [sealed] = [...openStore(dir).tables({})]
  assert.equal(sealed!.baseNs + BigInt(sealed!.startOffset[0]!), BigInt(now - 1000 * DAY) * 1_000_000n)
})

test('shared traces that are too many for one table come in several, each whole', () => {
  const store = openStore(folder(), { maxJoinedRows: 5 })
  const traces = ['a', 'b', 'c', 'd'].map((digit) => `${digit}00000000`)
  for (const at of [0, 60 * MINUTE]) {
    const spans = traces.map((trace) => ({ trace, id: `${at + 1}`, startMs: at }))
    add(store, spans, at)
    sealAll(store, at)
  }
  assert.deepEqual(Object.keys(content(store)).sort(), traces)
  for (const ids of Object.values(content(store))) assert.equal(ids.length, 2)
  assert.deepEqual(store.logged, [])
})

test('a trace with more spans than are joined is found, whole where it lies in one place, else from its first part on', () => {
  const dir = folder()
  const store = openStore(dir, { maxJoinedRows: 5 })
  const query = check(parse(`{ trace:id = "${'a'.padStart(32, '0')}" }`))
  const matched = (of: SpanStore) =>
    search(query, of, { range: { startNs: 0n, endNs: BigInt(DAY) * 1_000_000n }, limit: 1, spansPerSpanset: 3 }).map(
      ({ spanSets }) => spanSets[0]!.matched,
    )
  const part = (ids: number, at: number) =>
    Array.from({ length: ids }, (_, i) => ({ trace: 'a', id: `${at + i + 1}`, startMs: at }))
  add(store, [...part(8, 0), { trace: 'b', id: '1', startMs: 1 }], 0)
  assert.deepEqual(matched(store), [8])
  assert.equal(toOtlp(store.trace('a'.padStart(32, '0'))!).resourceSpans[0]!.scopeSpans[0]!.spans.length, 8)
  sealAll(store, 0)
  assert.deepEqual(matched(store), [8])
  assert.equal(toOtlp(store.trace('a'.padStart(32, '0'))!).resourceSpans[0]!.scopeSpans[0]!.spans.length, 8)
  assert.deepEqual(store.logged, [])
  add(store, part(2, 60 * MINUTE), 60 * MINUTE)
  assert.deepEqual(matched(store), [8])
  assert.equal(store.logged.length, 1)
  assert.match(store.logged[0]!, /served in part/)
  sealAll(store, 60 * MINUTE)
  assert.deepEqual(matched(store), [8])
})

test('a joined trace is joined anew when the head has as many changes again, since others left it for nowhere', () => {
  const sampler = {
    ...createTraceSampler(1),
    late: () => false,
    keeps: (trace: HeadTrace) => trace.id.endsWith('\x0a'),
  }
  const store = openStore(folder(), { sampler })
  const ofA = (id: string, at: number) => add(store, [{ trace: 'a', id, startMs: at }], at)
  ofA('1', 0)
  sealAll(store, 0)
  const later = 61 * MINUTE
  add(
    store,
    [1, 2].map((id) => ({ trace: 'c', id: `c${id}`, startMs: later })),
    later,
  )
  ofA('2', later + 5_000)
  assert.deepEqual(content(store), { a: ['1', '2'] })
  store.seal(later + 12_000)
  assert.equal(store.stats().headRows, 1)
  for (const id of ['3', '4', '5']) ofA(id, later + 12_000)
  assert.deepEqual(content(store), { a: ['1', '2', '3', '4', '5'] })
})

test('many spans of one trace that differ in nothing but their ids are put in order in good time', () => {
  const store = openStore(folder())
  const spans = Array.from({ length: 30_000 }, (_, i) => ({ trace: 'a', id: (i + 1).toString(16), startMs: 1000 }))
  add(store, [...spans, ...spans.slice(0, 100)], 0)
  const before = process.cpuUsage()
  assert.equal(content(store).a!.length, 30_000)
  const { user, system } = process.cpuUsage(before)
  assert.ok((user + system) / 1e6 < 5)
})

test('an event without a time happened when its span began, one of another age keeps its sign', () => {
  const dir = folder()
  const store = openStore(dir)
  const startNs = 1_700_000_000_000_000_000n
  const event = (name: string, timeUnixNano: bigint) => ({ name, timeUnixNano })
  const events = [event('none', 0n), event('early', 1n), event('late', 1n << 62n), event('before', startNs - 5n)]
  const span = {
    traceId: Buffer.from('a'.padStart(32, '0'), 'hex'),
    spanId: Buffer.from('1'.padStart(16, '0'), 'hex'),
    startTimeUnixNano: startNs,
    endTimeUnixNano: startNs,
    events,
  }
  const request = create(ExportTraceServiceRequestSchema, { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
  store.add({ id: 1, receivedMs: 0, bytes: Buffer.from(toBinary(ExportTraceServiceRequestSchema, request)) }, false)
  const times = (from: SpanStore) => {
    const trace = toOtlp(from.trace('a'.padStart(32, '0'))!)
    assert.ok(toBinary(TraceSchema, trace))
    return trace.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.events.map(({ timeUnixNano }) => timeUnixNano - startNs)
  }
  const expected = [0n, -(1n << 51n), 1n << 51n, -5n]
  assert.deepEqual(times(store), expected)
  sealAll(store, 0)
  assert.deepEqual(times(openStore(dir)), expected)
})

test('an index that is lost or broken is made anew', () => {
  const dir = folder()
  const store = openStore(dir)
  add(store, [{ trace: 'a', id: '1' }], 0)
  sealAll(store, 0)
  store.close()
  open.length = 0
  for (const suffix of ['-wal', '-shm']) rmSync(join(dir, `index.db${suffix}`), { force: true })
  writeFileSync(
    join(dir, 'index.db'),
    'not a database at all, and long enough to be read as a header of one'.repeat(40),
  )
  const reopened = openStore(dir)
  assert.equal(reopened.trace('a'.padStart(32, '0'))?.rows, 1)
  assert.match(reopened.logged.join(), /made anew/)
})

test('a block that turns out damaged while the index is made anew costs that block', () => {
  const dir = folder()
  const store = openStore(dir)
  for (const [i, trace] of ['a', 'b'].entries()) {
    add(store, [{ trace, id: '1' }], i * 60 * MINUTE)
    sealAll(store, i * 60 * MINUTE)
  }
  store.close()
  open.length = 0
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(dir, `index.db${suffix}`), { force: true })
  // The ids of its traces come first in a block, behind eight bytes.
  flip(join(dir, 'blocks', 'spans-0000000001.block'), 9)
  const reopened = openStore(dir)
  assert.equal(reopened.stats().damagedBlocks, 1)
  assert.deepEqual(Object.keys(content(reopened)), ['b'])
})

test('an array of doubles is one when it comes out of a block, too', () => {
  const dir = folder()
  const store = openStore(dir)
  const values = [2, 3].map((value) => ({ value: { case: 'doubleValue' as const, value } }))
  const value = { value: { case: 'arrayValue' as const, value: { values } } }
  const span = {
    traceId: Buffer.from('a'.padStart(32, '0'), 'hex'),
    spanId: Buffer.from('1'.padStart(16, '0'), 'hex'),
    attributes: [{ key: 'list', value }],
  }
  const resource = { attributes: [{ key: 'list', value }] }
  const request = create(ExportTraceServiceRequestSchema, {
    resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }],
  })
  store.add({ id: 1, receivedMs: 0, bytes: Buffer.from(toBinary(ExportTraceServiceRequestSchema, request)) }, false)
  const trace = (from: SpanStore) => toJson(TraceSchema, toOtlp(from.trace('a'.padStart(32, '0'))!))
  const inHead = trace(store)
  assert.equal(JSON.stringify(inHead).split('{"doubleValue":2}').length, 3)
  sealAll(store, 0)
  assert.deepEqual(trace(openStore(dir)), inHead)
})

test("spans that claim to be each other's parents do not make a circle", () => {
  const store = openStore(folder())
  add(
    store,
    [
      { trace: 'a', id: '1', parent: '2' },
      { trace: 'a', id: '2', parent: '1' },
      { trace: 'a', id: '3', parent: '3' },
    ],
    0,
  )
  const [table] = [...store.tables({})]
  for (let row = 0; row < 3; row++) {
    let steps = 0
    for (let up = row; up >= 0; up = table!.parent[up]!) assert.ok(steps++ < 5, 'endless')
  }
})

test('the id of a parent is what was sent, whether that span is there or not; head and block say the same', () => {
  const dir = folder()
  const store = openStore(dir)
  const parents = { 1: '', 2: '1', 3: 'ff', 4: '5', 5: '4', 6: '6', 7: '2', 8: 'ee' }
  const spans = Object.entries(parents).map(([id, parent]) => ({ trace: 'a', id, ...(parent && { parent }) }))
  add(store, spans, 0)
  const bare = (id: string) => id.replace(/^0+/, '')
  const read = (from: SpanStore, idOf: (table: StoredSpans, row: number) => string) =>
    [...from.tables({})].flatMap((table) =>
      rows(table, 0).map((row) => [bare(table.spanId(row)), bare(idOf(table, row))] as const),
    )
  const one = (table: StoredSpans, row: number) => table.parentSpanId(row)
  const inAll = ({ parentIds }: StoredSpans, row: number) => parentIds.toString('hex', row * 8, row * 8 + 8)
  for (const sealed of [false, true]) {
    if (sealed) assert.ok(sealAll(store, 0))
    const from = sealed ? openStore(dir) : store
    assert.deepEqual(Object.fromEntries(read(from, one)), parents)
    assert.deepEqual(Object.fromEntries(read(from, inAll)), parents)
  }
})

test('whatever is sealed, joined and compacted in whatever order, every span is served exactly once', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.array(
        fc.record({
          trace: fc.integer({ min: 1, max: 6 }),
          id: fc.integer({ min: 1, max: 12 }),
          value: fc.integer({ min: 0, max: 3 }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
    },
    { weight: 2, arbitrary: fc.constant('seal' as const) },
    { weight: 1, arbitrary: fc.constant('compact' as const) },
    { weight: 1, arbitrary: fc.constant('reopen' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const dir = folder()
      let store = openStore(dir)
      let nowMs = 1_700_000_000_000
      const expected: Record<string, Set<string>> = {}
      let pending: { spans: TestSpan[]; id: number }[] = []
      for (const action of steps) {
        nowMs += MINUTE
        if (action === 'seal') {
          if (sealAll(store, nowMs)) pending = []
        } else if (action === 'compact') store.compact()
        else if (action === 'reopen') {
          store.close()
          open.splice(open.indexOf(store), 1)
          store = openStore(dir)
          for (const { spans, id } of pending) add(store, spans, nowMs, true, id)
        } else {
          const spans = action.map(({ trace, id, value }) => ({
            trace: trace.toString(16),
            id: id.toString(16),
            startMs: nowMs - id,
            name: `n${id}`,
            attributes: { value },
          }))
          for (const { trace, id, startMs } of spans) {
            expected[trace] ??= new Set()
            expected[trace].add(`${id}@${startMs}`)
          }
          const id = batchId++
          add(store, spans, nowMs, false, id)
          pending.push({ spans, id })
        }
        const served: Record<string, Set<string>> = {}
        let count = 0
        for (const table of store.tables({})) {
          for (let t = 0; t < table.traces; t++) {
            const trace = table.traceId(t).replace(/^0+/, '')
            assert.ok(!(trace in served), 'a trace is in one table only')
            served[trace] = new Set(
              rows(table, t).map(
                (row) =>
                  `${table.spanId(row).replace(/^0+/, '')}@${(table.baseNs + BigInt(table.startOffset[row]!)) / 1_000_000n}`,
              ),
            )
            count += rows(table, t).length
            assert.equal(store.trace(table.traceId(t))?.rows, rows(table, t).length)
          }
        }
        assert.deepEqual(served, expected)
        assert.equal(
          count,
          Object.values(expected).reduce((sum, set) => sum + set.size, 0),
        )
      }
    }),
    { numRuns: 25 },
  )
})
