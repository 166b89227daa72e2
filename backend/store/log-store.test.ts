import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '@sightline/otlp-messages'
import { createLokiApi } from '../query/loki-api/index.ts'
import { anyValue, keyValues, logBytes, type TestLine } from '../test/otlp.ts'
import { blockPath, writeBlock } from './block-file.ts'
import { createCache } from './cache.ts'
import { packNumbers } from './encoding.ts'
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

type ResourceLogs = NonNullable<MessageInitShape<typeof ExportLogsServiceRequestSchema>['resourceLogs']>

function addRequest(store: LogStore, id: number, resourceLogs: ResourceLogs): void {
  const message = create(ExportLogsServiceRequestSchema, { resourceLogs })
  store.add({ id, receivedMs: T0, bytes: Buffer.from(toBinary(ExportLogsServiceRequestSchema, message)) }, false)
}

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
  assert.deepEqual(table!.streams[table!.stream[1]!], { service_name: 'order', level: 'error', job: 'order' })
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

test('a line whose sender states no severity has no label level, and the detected_level that is found', () => {
  const store = openStore()
  const sent: [Partial<TestLine>, string | undefined, string][] = [
    [{ body: 'x' }, undefined, 'unknown'],
    [{ body: '{"level":"warning"}' }, undefined, 'warn'],
    [{ body: 'level=critical' }, undefined, 'critical'],
    [{ body: '[error] x', attributes: { level: 'debug' } }, undefined, 'debug'],
    [{ body: '[error] x', attributes: { level: 'odd' } }, undefined, 'error'],
    [{ body: '[error] x', severity: 9 }, 'info', 'info'],
    [{ body: 'x', severityText: 'WARNING' }, 'warn', 'warn'],
    [{ body: 'x', severityText: 'odd' }, undefined, 'unknown'],
  ]
  add(
    store,
    1,
    sent.map(([line], i) => ({ ms: T0 + i, service: 's', severity: 0, body: '', ...line })),
  )
  const [table] = [...store.tables(ALL, 'forward')]
  const detected = table!.metadata('detected_level')!
  assert.deepEqual(
    [...table!.stream].map((ordinal, row) => [table!.streams[ordinal]!.level, detected.values[detected.codes[row]!]]),
    sent.map(([, ...levels]) => levels),
  )
})

test('what scope and record say besides is metadata', () => {
  const store = openStore()
  const time = BigInt(T0) * 1_000_000n
  const scope = { name: 'orders', version: '1.2', attributes: keyValues({ 'lib.tier': 'core' }) }
  const logRecords = [
    { timeUnixNano: time, observedTimeUnixNano: time + 5n, flags: 1, body: anyValue('both times') },
    { observedTimeUnixNano: time + 6n, body: anyValue('one time') },
  ]
  addRequest(store, 1, [{ scopeLogs: [{ scope, logRecords }] }])
  const [table] = [...store.tables(ALL, 'forward')]
  const [first, second] = [0, 1].map((row) =>
    Object.fromEntries(
      [...table!.metadataNames()].map((name) => [
        name,
        table!.metadata(name)!.values[table!.metadata(name)!.codes[row]!],
      ]),
    ),
  )
  assert.partialDeepStrictEqual(first, {
    scope_name: 'orders',
    scope_version: '1.2',
    lib_tier: 'core',
    observed_timestamp: String(time + 5n),
    flags: '1',
  })
  assert.partialDeepStrictEqual(second, { scope_version: '1.2', observed_timestamp: '', flags: '' })
})

test('a record that is sent twice is there once, in the head, in a block and merged', () => {
  const store = openStore()
  const record = { body: 'same', ms: T0, attributes: { k: 'v', n: 1 } }
  const others = [
    { ...record, body: 'sane' },
    { ...record, ms: T0 + 1 },
    { ...record, attributes: { k: 'v', n: 2 } },
    { ...record, attributes: { n: 1 } },
    { ...record, service: 'other' },
    { ...record, severity: 17 },
  ]
  add(store, 1, [record, ...others, record])
  add(store, 2, [others[0]!, record, { body: 'new', ms: T0 + 2 }])
  const count = () => lines(store).toSorted().join(' ')
  assert.equal(count(), 'new same same same same same same sane')
  store.seal(T0 + 60 * MINUTE)
  assert.equal(count(), 'new same same same same same same sane')
  add(store, 3, [record, { body: 'newer', ms: T0 }])
  store.seal(T0 + 60 * MINUTE)
  while (store.compact());
  assert.equal(store.stats().blocks, 1)
  assert.equal(count(), 'new newer same same same same same same sane')
})

test('a line without any time is there as often as it is sent', () => {
  const store = openStore()
  const scopeLogs = [{ logRecords: [{ body: anyValue('tick') }, { body: anyValue('tick') }] }]
  for (const id of [1, 2]) addRequest(store, id, [{ scopeLogs }])
  assert.deepEqual(lines(store), ['tick', 'tick', 'tick', 'tick'])
  // In blocks of their own, too, and when these become one.
  store.seal(T0 + 60 * MINUTE)
  addRequest(store, 3, [{ scopeLogs }])
  store.seal(T0 + 60 * MINUTE)
  while (store.compact());
  assert.equal(store.stats().blocks, 1)
  assert.equal(lines(store).length, 6)
})

test('records whose metadata was left out are equal to none; the later value of a name counts', () => {
  const store = openStore()
  const record = (attributes: Record<string, number>) => ({ body: 'a', ms: T0, attributes })
  const names = (from: number) => Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`n${from + i}`, i]))
  add(
    store,
    1,
    [0, 2_000, 4_000].map((from) => record(names(from))),
  )
  add(store, 2, [record({ x: 1 }), record({ y: 1 }), record({ z: 1 })])
  assert.equal(lines(store).length, 6)
  const other = openStore()
  add(other, 1, [record({ 'a.b': 1, a_b: 2 }), record({ a_b: 2 })])
  assert.deepEqual(lines(other), ['a'])
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

test('a block answers as the head did, and reads no line for a text that it surely lacks', async () => {
  const store = openStore()
  const traces = ['a1b2c3d4e5f60718', '00112233445566ff']
  add(store, 1, [
    { body: `{"at":"${traces[0]}","n":1}`, ms: T0, trace: traces[0]! },
    { body: `order ${traces[1]} placed`, ms: T0 + 1, trace: traces[1]! },
    { body: `{"trace_id":"${traces[1]}"}`, ms: T0 + 2, attributes: { order_id: 'no. 7' } },
  ])
  const loki = createLokiApi({ logs: store })
  const ask = async (stages: string) => {
    const query = new URLSearchParams({
      query: `{service_name="svc"} ${stages}`,
      start: `${T0}000000`,
      end: `${T0 + 9}000000`,
    })
    const response = await loki({ method: 'GET', path: '/loki/api/v1/query_range', query, headers: {} })
    const { data } = JSON.parse(String(response.body)) as {
      data: { result: { values: [string, string][] }[]; stats: { summary: { totalLinesProcessed: number } } }
    }
    const found = data.result.flatMap(({ values }) => values.map(([ns]) => Number(ns.slice(10, 13)))).sort()
    return { found, read: data.stats.summary.totalLinesProcessed }
  }
  const id = (trace: string) => trace.padStart(32, '0')
  const expected: [string, number[], number][] = [
    [`|= "${traces[1]}"`, [1, 2], 3],
    ['|= "ffeeddccbbaa99887766"', [], 0],
    ['|= "ffeeddccbbaa99887766" or "order"', [1], 3],
    ['!= "ffeeddccbbaa99887766"', [0, 1, 2], 3],
    ['|~ "ffeeddccbbaa99887766|placed once upon a"', [], 0],
    [`| trace_id="${id(traces[0]!)}"`, [0], 3],
    ['| trace_id="of nobody"', [], 0],
    ['| order_id="no. 7" or trace_id="of nobody"', [2], 3],
    [`| json | trace_id="${traces[1]}"`, [2], 3],
    ['| json | n="1"', [0], 3],
  ]
  for (const [stages, found] of expected) assert.deepEqual((await ask(stages)).found, found, stages)
  assert.ok(store.seal(T0 + 60 * MINUTE))
  for (const [stages, found, read] of expected) assert.deepEqual(await ask(stages), { found, read }, stages)
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

const T0_NS = BigInt(T0) * 1_000_000n

const addAt = (store: LogStore, id: number, times: readonly bigint[]) => {
  const scopeLogs = [
    {
      logRecords: times.map((time) => ({
        timeUnixNano: time,
        body: anyValue(String(time)),
        severityNumber: 9 as const,
      })),
    },
  ]
  addRequest(store, id, [{ scopeLogs }])
}

/** Each line is its own time; what the store says of it stands beside it. */
const timesOf = (store: LogStore) =>
  [...store.tables({ startNs: 0n, endNs: 1n << 64n }, 'forward')].flatMap((table) =>
    Array.from({ length: table.rows }, (_, row) => {
      const line = table.text.toString('utf8', row === 0 ? 0 : table.end[row - 1], table.end[row])
      return [line, String(table.baseNs + BigInt(table.timeOffset[row]!))]
    }),
  )

// A time in milliseconds that was taken for nanoseconds, one of the year 2554, and one in between.
const FAR = [BigInt(T0), 2n ** 64n - 1n, T0_NS - 40_000_000_000_000_001n]

test('times stay exact to the nanosecond beside lines of other centuries, in the head, in blocks and merged', () => {
  const store = openStore(folder(), 1e15)
  const near = Array.from({ length: 50 }, (_, i) => T0_NS + BigInt(i))
  const expected = [...near, ...FAR].sort((a, b) => (a < b ? -1 : 1)).map((time) => [String(time), String(time)])
  addAt(store, 1, [...near.slice(0, 20), ...FAR])
  addAt(store, 2, near.slice(20))
  assert.deepEqual(timesOf(store), expected)
  assert.ok(store.seal(T0 + 60 * MINUTE))
  assert.deepEqual(timesOf(store), expected)
  assert.deepEqual(timesOf(openStore(store.blocksDir, 1e15)), expected)
  addAt(store, 3, [T0_NS + 50n])
  assert.ok(store.seal(T0 + 60 * MINUTE))
  while (store.compact());
  assert.equal(store.stats().blocks, 1)
  const merged = [...expected.slice(0, -1), [String(T0_NS + 50n), String(T0_NS + 50n)], expected.at(-1)]
  assert.deepEqual(timesOf(openStore(store.blocksDir, 1e15)), merged)
})

test('a block written before there were farTimes is read, exact where it was', () => {
  const dir = folder()
  const header = {
    rows: 3,
    groups: 1,
    minNs: `${T0_NS}`,
    maxNs: `${T0_NS + 300n}`,
    sealedMs: T0,
    epoch: 'e0',
    walMax: 1,
    replaces: [],
  }
  const sections = new Map([
    ['streams', Buffer.from('[{"a":"b"}]')],
    ['streamOf', Buffer.alloc(3)],
    ['times', packNumbers([0, 1, 299])],
    ['lengths', packNumbers([1, 1, 1])],
    ['text', Buffer.from('xyz')],
  ])
  writeBlock(blockPath(dir, 'logs', 1), header, sections)
  assert.deepEqual(timesOf(openStore(dir)), [
    ['x', `${T0_NS}`],
    ['y', `${T0_NS + 1n}`],
    ['z', `${T0_NS + 300n}`],
  ])
})

for (const direction of ['forward', 'backward'] as const) {
  test(`paging ${direction} finds every line once although one lies in 1970`, async () => {
    const store = openStore(folder(), 1e15)
    const count = 728
    addAt(store, 1, [...Array.from({ length: count }, (_, i) => T0_NS + BigInt(i)), BigInt(T0)])
    store.seal(T0 + 60 * MINUTE)
    const loki = createLokiApi({ logs: store })
    const got: string[] = []
    let [start, end] = [T0_NS, T0_NS + BigInt(count)]
    for (let page = 0; page <= count; page++) {
      const query = new URLSearchParams({
        query: '{level="info"}',
        start: `${start}`,
        end: `${end}`,
        limit: '91',
        direction,
      })
      const response = await loki({ method: 'GET', path: '/loki/api/v1/query_range', query, headers: {} })
      const { data } = JSON.parse(String(response.body)) as { data: { result: { values: [string, string][] }[] } }
      const values = data.result.flatMap((stream) => stream.values)
      if (values.length === 0) break
      for (const [time, line] of values) {
        assert.equal(time, line)
        got.push(line)
      }
      const times = values.map(([time]) => BigInt(time)).sort((a, b) => (a < b ? -1 : 1))
      if (direction === 'forward') start = times.at(-1)! + 1n
      else end = times[0]!
      if (start >= end) break
    }
    assert.equal(got.length, count)
    assert.equal(new Set(got).size, count)
  })
}

test('lines of other centuries come in their own place, in both directions', () => {
  const store = openStore(folder(), 1e15)
  addAt(store, 1, [T0_NS + 5n, ...FAR])
  store.seal(T0 + 60 * MINUTE)
  addAt(store, 2, [T0_NS])
  const all = { startNs: 0n, endNs: 1n << 64n }
  const sorted = [T0_NS, T0_NS + 5n, ...FAR].sort((a, b) => (a < b ? -1 : 1)).map(String)
  assert.deepEqual(lines(store, all), sorted)
  assert.deepEqual(lines(store, all, 'backward'), sorted.toReversed())
  assert.deepEqual(lines(store, { startNs: T0_NS, endNs: T0_NS + 5n }), [String(T0_NS)])
})

test('metadata hides no label of the stream: its name gets a suffix', () => {
  const store = openStore()
  add(store, 1, [{ body: 'x', ms: T0, severity: 17, attributes: { level: 'fatal', job: 'j', code: 'c' } }])
  const [table] = store.tables(ALL, 'forward')
  const value = (name: string) => table!.metadata(name)?.values[table!.metadata(name)!.codes[0]!]
  assert.deepEqual(table!.streams[0], { service_name: 'svc', level: 'error', job: 'svc' })
  assert.deepEqual(['level', 'level_extracted', 'job_extracted', 'code'].map(value), [undefined, 'fatal', 'j', 'c'])
})
