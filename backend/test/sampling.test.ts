/**
 * TRACES_SAMPLE, from the bytes of a batch to what is told and what is stored: the store decides, the metrics are made of all
 * that was accepted, exemplars name what is there. One seeded load, with and without.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { leastBits, otOf, surelyKept, thresholdOf } from '@sightline/service-kit/consistent-sampling'
import { seededRandom } from '@sightline/service-kit/seeded-random'
import { Registry } from 'prom-client'
import { readTraces } from '../otlp/traces.ts'
import { wantedNames } from '../otlp/wire.ts'
import {
  createKeptTraces,
  createServiceGraph,
  GRAPH_ATTRIBUTES,
  type GraphSpan,
  graphSpan,
} from '../service-graph/index.ts'
import { createCache } from '../store/cache.ts'
import { createSpanStore } from '../store/span-store.ts'
import { createTraceSampler } from '../store/trace-sampler.ts'
import { type TestSpan, traceBytes } from './otlp.ts'

const SHARE = 0.1
const SERVER = 2
const CLIENT = 3
const START = 1_700_000_000_000
const folder = mkdtempSync(join(tmpdir(), 'sampling-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** What a run of the backend consists of, without its threads and ports. */
function newBackend(name: string, share?: number) {
  const dir = join(folder, name)
  mkdirSync(join(dir, 'blocks'), { recursive: true })
  const sampler = share === undefined ? undefined : createTraceSampler(share)
  const kept = share === undefined ? undefined : createKeptTraces(share)
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const graph = createServiceGraph(registry, { kept })
  const store = createSpanStore({
    dir,
    blocksDir: join(dir, 'blocks'),
    epoch: 'e1',
    cache: createCache(1 << 24),
    retentionMs: 1e12,
    maxBytes: 1 << 30,
    log: () => {},
    sampler,
  })
  let batch = 0
  return {
    store,
    sampler,
    take(spans: readonly TestSpan[], receivedMs: number) {
      const bytes = traceBytes(spans)
      const staged: GraphSpan[] = []
      readTraces(bytes, (span) => staged.push(graphSpan(span)), { wanted: wantedNames(GRAPH_ATTRIBUTES) })
      graph.add(staged, receivedMs)
      store.add({ id: ++batch, receivedMs, bytes }, false)
      kept?.tell(sampler!.kept())
      while (store.seal(receivedMs));
      graph.expire(receivedMs)
    },
    /** The text of a scrape. */
    scrape: () => registry.metrics(),
    /** Spans of each stored trace, by id. */
    traces() {
      const found = new Map<string, number>()
      for (const table of store.tables({})) {
        for (let t = 0; t < table.traces; t++)
          found.set(table.traceId(t), table.traceStart[t + 1]! - table.traceStart[t]!)
      }
      return found
    },
  }
}

interface Trace {
  readonly id: string
  readonly spans: TestSpan[]
  readonly failed: boolean
  readonly slow: boolean
  readonly rare: boolean
}

/** A minute of requests with a fixed random seed: 2 % fail deep in the chain, some are slow, one route is rare. */
function seededLoad(count: number): Trace[] {
  const random = seededRandom(7)
  const digits = (n: number) => Array.from({ length: n }, () => Math.floor(random() * 16).toString(16)).join('')
  return Array.from({ length: count }, (_, n) => {
    const id = `1${digits(31)}`
    const failed = random() < 0.02
    const rare = n % 200 === 0
    // Exponential, so that few are slow.
    const ms = 2 - 55 * Math.log(1 - random())
    const route = rare ? '/api/v1/audit/verify' : '/api/v1/process'
    const startMs = START + n * 20
    const common = { trace: id, startMs }
    const spans = [
      {
        ...common,
        id: '1',
        service: 'gateway',
        kind: SERVER,
        name: `POST ${route}`,
        ms,
        attributes: { 'http.route': route },
      },
      { ...common, id: '2', parent: '1', service: 'user-service', kind: SERVER, name: 'POST /process', ms: ms * 0.9 },
      { ...common, id: '3', parent: '2', service: 'user-service', kind: CLIENT, name: 'POST', ms: ms * 0.7 },
      {
        ...common,
        id: '4',
        parent: '3',
        service: 'order-service',
        kind: SERVER,
        name: 'POST /process',
        ms: ms * 0.6,
        status: failed ? 2 : 0,
      },
    ]
    return { id, spans, failed, slow: ms > 250, rare }
  })
}

const LOAD = seededLoad(3000)

/** Each service sends its spans on its own, half a second late at most. */
function send(backend: ReturnType<typeof newBackend>): void {
  for (let from = 0; from < LOAD.length; from += 25) {
    const traces = LOAD.slice(from, from + 25)
    const now = START + (from + 25) * 20
    for (const [n, service] of ['order-service', 'gateway', 'user-service'].entries()) {
      backend.take(
        traces.flatMap(({ spans }) => spans.filter((span) => span.service === service)),
        now + n * 100,
      )
    }
  }
}

const backends = { all: newBackend('all'), tenth: newBackend('tenth', SHARE) }
for (const backend of Object.values(backends)) {
  await backend.scrape()
  send(backend)
}
/** Quiet for longer than a decision takes. */
const LATER = START + LOAD.length * 20 + 60_000

const exemplarsOf = (text: string) => [...text.matchAll(/# \{traceID="([0-9a-f]{32})"\}/g)].map(([, id]) => id!)
const withoutExemplars = (text: string) => text.replace(/ # \{.*$/gm, '')

test('rates, errors, durations and the map are those of all requests', async () => {
  for (const backend of Object.values(backends)) await backend.scrape()
  const [all, tenth] = await Promise.all([backends.all.scrape(), backends.tenth.scrape()])
  assert.equal(withoutExemplars(tenth), withoutExemplars(all))
  assert.match(all, /traces_spanmetrics_calls_total\{service="gateway",span_name="POST \/api\/v1\/process".*\} 2985/)
  assert.match(all, /traces_service_graph_request_total\{client="gateway",server="user-service".*\} 3000/)
})

test('what failed, was slow, is rare or of the share is there, whole; nothing else is', () => {
  const found = backends.tenth.traces()
  const least = leastBits(SHARE)
  for (const { id, failed, slow, rare } of LOAD) {
    const ofShare = Number.parseInt(id.slice(18, 26), 16) >= least
    assert.equal(found.get(id), failed || slow || rare || ofShare ? 4 : undefined, id)
  }
  assert.equal(backends.all.traces().size, LOAD.length)
  const share = found.size / LOAD.length
  assert.ok(share > 0.1 && share < 0.2, `${share} of the traces`)
})

test('exemplars name traces that are there, in every bucket that has one without sampling', async () => {
  const [all, tenth] = await Promise.all([backends.all.scrape(), backends.tenth.scrape()])
  const found = backends.tenth.traces()
  const named = exemplarsOf(tenth)
  for (const id of named) assert.ok(found.has(id), id)
  assert.ok(named.length > exemplarsOf(all).length / 2, `${named.length} of ${exemplarsOf(all).length}`)
})

test('a span that comes late goes where its trace went', async () => {
  const { tenth } = backends
  const before = tenth.traces()
  const kept = LOAD.find(({ failed }) => failed)!
  const left = LOAD.find(({ id }) => !before.has(id))!
  tenth.take([{ trace: 'f00', id: '1', startMs: LATER }], LATER)
  // Enough that the decision is due.
  for (let n = 0; n < 5; n++) {
    const filler = Array.from({ length: 2500 }, (_, i) => ({
      trace: `f${n}${i}00000000000000`,
      id: '1',
      startMs: LATER,
    }))
    tenth.take(filler, LATER + n)
  }
  tenth.take([{ trace: 'f01', id: '1', startMs: LATER }], LATER + 60_000)
  for (const { id } of [kept, left]) {
    tenth.take(
      [{ trace: id, id: '9', parent: '4', service: 'order-service', name: 'late', status: 2, ms: 900, startMs: LATER }],
      LATER + 61_000,
    )
  }
  const found = tenth.traces()
  assert.deepEqual([found.get(kept.id), found.get(left.id)], [5, undefined])
  await tenth.scrape()
  const text = await tenth.scrape()
  assert.ok(/span_name="late".*\} 2/.test(text), 'both are counted')
  assert.ok(!exemplarsOf(text).includes(left.id))
})

test('traces, spans and bytes are counted by what became of them', () => {
  const { traces, spans, bytes } = backends.tenth.sampler!.stats()
  assert.equal(traces.failed, LOAD.filter(({ failed }) => failed).length)
  assert.ok(traces.rare_route > 0 && traces.slow > 0 && traces.share > 200, JSON.stringify(traces))
  const { store } = backends.tenth
  const waiting = store.stats().headRows
  assert.ok(spans.kept + spans.left_out >= LOAD.length * 4 && waiting < 15_000, JSON.stringify({ spans, waiting }))
  assert.ok(bytes.left_out > bytes.kept)
})

test('who wants to see one trace says so in tracestate', () => {
  const backend = newBackend('asked', 0)
  const span = { id: '1', startMs: START }
  backend.take(
    [
      { ...span, trace: 'a1', traceState: 'a=b, sightline=keep' },
      { ...span, trace: 'a2', traceState: 'sightline=kept' },
    ],
    START,
  )
  assert.deepEqual([...backend.traces().keys()], ['a1'.padStart(32, '0')])
  backend.store.close()
})

test('a caller that kept a tenth by itself is reckoned up: within what chance allows', async () => {
  const backend = newBackend('head')
  await backend.scrape()
  const threshold = thresholdOf(SHARE)
  const sent = LOAD.filter(({ id }) => Number.parseInt(id.slice(18, 26), 16) >= leastBits(SHARE))
  for (const { spans } of sent) {
    backend.take(
      spans.map((span) => ({ ...span, traceState: `ot=th:${threshold}` })),
      START,
    )
  }
  await backend.scrape()
  const [, calls] = /traces_spanmetrics_calls_total\{service="user-service",span_name="POST \/process".*\} (\S+)/.exec(
    await backend.scrape(),
  )!
  assert.ok(Math.abs(Number(calls) - sent.length * 10) < 0.01, calls)
  // Four standard deviations of a binomial distribution.
  assert.ok(Math.abs(Number(calls) / LOAD.length - 1) < 4 * Math.sqrt(0.9 / SHARE / LOAD.length), calls)
  backend.store.close()
})

test('a service names a trace as an exemplar only where the backend is sure to have it', () => {
  const { id } = LOAD.find(({ id }) => Number.parseInt(id.slice(18, 26), 16) < leastBits(SHARE))!
  const fast = { seconds: 0.01, failed: false }
  assert.equal(surelyKept(id, undefined, fast, SHARE), false)
  assert.equal(surelyKept(id, undefined, fast, undefined), true)
  assert.equal(surelyKept(id, otOf('a=b,ot=rv:ffffffffffffff'), fast, SHARE), true)
  assert.equal(surelyKept(id, undefined, { seconds: 0.4, failed: false }, SHARE), true)
  assert.equal(surelyKept(id, undefined, { seconds: 0.01, failed: true }, SHARE), true)
})
