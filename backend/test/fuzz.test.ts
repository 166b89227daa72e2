/**
 * Mutations of valid input: every query is answered or refused with the language's own error, printing what was parsed
 * parses again, every message is read or refused with a WireError, and every request over HTTP has an answer that is no
 * failure of the server, all in bounded time.
 *
 * One second each by default; FUZZ_SECONDS=300 for a long run, FUZZ_SEED to repeat one. A failure prints its input.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { seededRandom } from '@sightline/service-kit/seeded-random'
import { isHttpError } from '../http.ts'
import { readLogs } from '../otlp/logs.ts'
import { readTraces } from '../otlp/traces.ts'
import { isWireError } from '../otlp/wire.ts'
import { verdictQueries } from '../query/language/test/verdicts.ts'
import * as logql from '../query/logql/index.ts'
import { exampleLines, exampleStartNs } from '../query/logql/test/data.ts'
import { buildLogTable, sourceOf } from '../query/logql/test/lines.ts'
import * as traceql from '../query/traceql/index.ts'
import { exampleSpans } from '../query/traceql/test/data.ts'
import { plainSource } from '../query/traceql/test/spans.ts'
import { decodeMetrics } from '../receive/metrics/decode.ts'
import { translated } from '../receive/metrics/translate.ts'
import { zipkinToProtobuf } from '../receive/zipkin.ts'
import { post, startBackend } from './backend.ts'
import { pushBytes, snappyOf } from './loki-push.ts'
import { keyValues, logBytes, metricBytes, traceBytes } from './otlp.ts'

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 1)
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
const PUSH = pushBytes([
  { labels: '{app="shop", level="warn"}', entries: [{ timeNs: 1n, line: 'low stock', metadata: { pod: 'p1' } }] },
])
/** Far more CPU time than any of these short inputs takes. */
const PATIENCE_MS = 5000

/** Numbers below another, the same on every machine. */
function randomFrom(seed: number): (below: number) => number {
  const random = seededRandom(seed)
  return (below) => Math.floor(random() * below)
}

/** Characters that mean something; words that every object knows, and numbers without end, are taken for granted too often. */
const pieces = [
  ...'{}()[]|&!=~<>+-*/%^.,:"`\\ \n#0159eE_smh\u0000\u202eß𝄞',
  'constructor',
  '__proto__',
  '9'.repeat(400),
]

/** Cuts, doubles, swaps and joins pieces of the seeds, and puts in some of these. */
function mutateText(seeds: readonly string[], random: (below: number) => number): string {
  let text = seeds[random(seeds.length)]!
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(text.length + 1)
    const to = at + random(8)
    const other = seeds[random(seeds.length)]!
    const from = random(other.length + 1)
    const edits = [
      () => text.slice(0, at) + text.slice(to),
      () => text.slice(0, to) + text.slice(at),
      () => text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at),
      () => text.slice(0, at) + other.slice(from, from + 1 + random(30)) + text.slice(to),
      () => `${text} ${['|', '&&', '||', '>>', '+', 'and', 'or', '/'][random(8)]} ${other}`,
    ]
    text = edits[random(edits.length)]!().slice(0, 2000)
  }
  return text
}

function mutateBytes(seeds: readonly Uint8Array[], random: (below: number) => number): Uint8Array {
  const bytes = Uint8Array.from(seeds[random(seeds.length)]!)
  for (let times = 1 + random(6); times > 0; times--) {
    bytes[random(bytes.length)] = [random(256), 0, 0xff, 0x80, 0x7f][random(5)]!
  }
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
}

/** Runs `once` on new inputs until the time is over; what it throws is told with the input and the seed. */
async function fuzz<Input>(
  make: (random: (below: number) => number) => Input,
  once: (input: Input) => void | Promise<void>,
): Promise<void> {
  const random = randomFrom(SEED)
  const end = performance.now() + SECONDS * 1000
  let inputs = 0
  while (performance.now() < end) {
    const input = make(random)
    const before = process.cpuUsage()
    try {
      await once(input)
      const { user, system } = process.cpuUsage(before)
      assert.ok((user + system) / 1000 < PATIENCE_MS, `took ${(user + system) / 1000} ms of CPU`)
    } catch (cause) {
      const shown = input instanceof Uint8Array ? Buffer.from(input).toString('hex') : JSON.stringify(input)
      throw new Error(`FUZZ_SEED=${SEED}, input ${shown}: ${(cause as Error).message}`, { cause })
    }
    inputs++
  }
  assert.ok(inputs > 0)
}

const traceqlSeeds = verdictQueries(new URL('../query/traceql/test/verdicts/', import.meta.url))
const baseNs = 1_700_000_000_000_000_000n
const spans = plainSource(exampleSpans(baseNs))

test('TraceQL', async () => {
  await fuzz(
    (random) => mutateText(traceqlSeeds, random),
    (text) => {
      let query: traceql.Query
      try {
        query = traceql.check(traceql.parse(text))
      } catch (error) {
        assert.ok(error instanceof traceql.TraceQLError, String(error))
        return
      }
      assert.deepEqual(traceql.print(traceql.parse(traceql.print(query))), traceql.print(query))
      const range = { startNs: baseNs, endNs: baseNs + 60_000_000_000n }
      const runs = [
        () => traceql.search(query, spans, { range }),
        () => traceql.metricsRange(query, spans, { range, stepNs: 5_000_000_000n }),
      ]
      for (const run of runs) {
        try {
          run()
        } catch (error) {
          assert.ok(error instanceof traceql.TraceQLError, String((error as Error).stack))
        }
      }
    },
  )
})

const lines = sourceOf(buildLogTable(exampleLines))

test('LogQL', async () => {
  const seeds = verdictQueries(new URL('../query/logql/test/verdicts/', import.meta.url))
  const range = { startNs: exampleStartNs, endNs: exampleStartNs + 600_000_000_000n }
  await fuzz(
    (random) => mutateText(seeds, random),
    (text) => {
      try {
        const query = logql.parse(text)
        assert.equal(logql.print(logql.parse(logql.print(query))), logql.print(query))
        const budget = logql.createBudget(PATIENCE_MS)
        if (query.kind === 'log') logql.select(query, lines, { range, limit: 10, direction: 'backward', budget })
        else logql.metricsInstant(query, lines, { timeNs: range.endNs, budget })
      } catch (error) {
        if (!(error instanceof logql.LogQLError)) throw error
      }
    },
  )
})

const id = 'ab'.repeat(16)
const attributes = { text: 'ü', flag: true, count: 5, ratio: 0.5 }
const messages = [
  traceBytes([{ trace: id, id: '1', startMs: 1_700_000_000_000, attributes }]),
  logBytes([{ body: 'hello', attributes }]),
]

test('OTLP protobuf', async () => {
  await fuzz(
    (random) => mutateBytes(messages, random),
    (bytes) => {
      for (const read of [readTraces, readLogs]) {
        try {
          read(bytes, () => undefined)
        } catch (error) {
          if (!isWireError(error)) throw error
        }
      }
    },
  )
})

const point = {
  timeUnixNano: 1_700_000_000_000_000_000n,
  attributes: keyValues({ 'a.b': 'x', 'a-b': 5, '1': true, __name__: 'y' }),
}
const exemplars = [
  {
    traceId: Buffer.from(id, 'hex'),
    value: { case: 'asInt' as const, value: 1n },
    filteredAttributes: point.attributes,
  },
]
const measured = [
  metricBytes(
    [
      {
        name: 'a.sum',
        unit: 'By/s',
        data: {
          case: 'sum',
          value: {
            isMonotonic: true,
            aggregationTemporality: 2,
            dataPoints: [{ ...point, exemplars, value: { case: 'asDouble', value: 2.5 } }],
          },
        },
      },
      {
        name: '2.gauge',
        unit: '1',
        data: { case: 'gauge', value: { dataPoints: [{ ...point, value: { case: 'asInt', value: -1n } }] } },
      },
    ],
    { 'service.name': 's', 'service.instance.id': 'i', 'host.name': 'h' },
  ),
  metricBytes([
    {
      name: 'a.histogram',
      unit: '{x}',
      data: {
        case: 'histogram',
        value: {
          aggregationTemporality: 2,
          dataPoints: [{ ...point, exemplars, count: 3n, sum: 2, bucketCounts: [1n, 2n], explicitBounds: [0.5] }],
        },
      },
    },
    {
      name: 'a.summary',
      data: {
        case: 'summary',
        value: { dataPoints: [{ ...point, count: 3n, quantileValues: [{ quantile: 0.5, value: 1 }] }] },
      },
    },
  ]),
]

test('OTLP metrics: every series is one that Prometheus takes', async () => {
  await fuzz(
    (random) => mutateBytes(measured, random),
    (bytes) => {
      try {
        for (const { series } of translated(decodeMetrics(bytes), Date.now(), () => undefined)) {
          for (const { labels, ms } of series) {
            for (const [i, [name, value]] of labels.entries()) {
              assert.match(name, /^[a-zA-Z_][a-zA-Z0-9_]*$/)
              assert.ok(value !== '' && (i === 0 || name > labels[i - 1]![0]), JSON.stringify(labels))
            }
            const [, name] = labels.find(([label]) => label === '__name__')!
            assert.match(name, /^[a-zA-Z_:][a-zA-Z0-9_:]*$/)
            assert.ok(Number.isSafeInteger(ms) && ms >= 0)
          }
        }
      } catch (error) {
        if (!isWireError(error)) throw error
      }
    },
  )
})

const nowNs = `${Date.now()}000000`
const bodies = [
  `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeSpans":[{"spans":[{"traceId":"${id}","spanId":"${id.slice(16)}","name":"n","kind":2,"startTimeUnixNano":"${nowNs}","endTimeUnixNano":"${nowNs}","status":{"code":2}}]}]}]}`,
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"${nowNs}","body":{"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":{"values":[{"intValue":"1"}]}}}]}}}]}]}]}`,
  `{"streams":[{"stream":{"service_name":"a"},"values":[["${nowNs}","line",{"trace_id":"${id}"}]]}]}`,
]
const zipkin = [
  `[{"traceId":"${id}","parentId":"${id.slice(16)}","id":"${id.slice(0, 16)}","name":"n","kind":"CLIENT","timestamp":1700000000000000,"duration":5,"localEndpoint":{"serviceName":"a","ipv4":"10.0.0.1","port":80},"remoteEndpoint":{"serviceName":"b"},"annotations":[{"timestamp":1700000000000001,"value":"\\"e\\": {\\"k\\":1}"}],"tags":{"error":"x","otel.scope.name":"l"}},{"traceId":"${id}","id":"${id.slice(0, 16)}","kind":"SERVER","timestamp":1,"shared":true,"localEndpoint":{"serviceName":"b"}}]`,
]

test('Zipkin spans: each is read, or refused with what is wrong', async () => {
  await fuzz(
    (random) => mutateText(zipkin, random),
    (text) => {
      try {
        const { bytes, problem } = zipkinToProtobuf(Buffer.from(text))
        const { rejected } = readTraces(bytes, () => {})
        assert.equal(rejected > 0, problem !== '')
      } catch (error) {
        if (!isHttpError(error)) throw error
      }
    },
  )
})

const questions = [
  '/api/search?q={}&limit=5&spss=3&start=1700000000&end=1700000100',
  '/api/metrics/query_range?q={}|rate()&step=5s&start=1700000000&end=1700000100&exemplars=3',
  '/api/metrics/query?q={}|count_over_time()&since=1h',
  '/api/v2/search/tags?scope=span&limit=3',
  '/api/v2/search/tag/span.http.route/values?q={}',
  `/api/v2/traces/${id}?start=1&end=2`,
  '/loki/api/v1/query_range?query={job=~".%2B"}&limit=10&direction=forward&start=0&end=2&step=1&interval=1',
  '/loki/api/v1/query?query=sum(count_over_time({job="a"}[1m]))&time=1700000000',
  '/loki/api/v1/label/job/values?since=1h&query={a="b"}',
  '/loki/api/v1/series?match[]={job="a"}',
  '/loki/api/v1/index/volume_range?query={job="a"}&step=1m&targetLabels=job&aggregateBy=labels',
  '/loki/api/v1/detected_fields?query={job="a"}&line_limit=5',
]

test('HTTP', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fuzz-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const backend = await startBackend(dir, { QUERY_TIMEOUT: '3s' })
  t.after(() => backend.stop())
  const texts = bodies.map((body) => Buffer.from(body))
  const ask = (random: (below: number) => number) => {
    const at = mutateText(questions, random)
    return { url: `${at.startsWith('/loki') ? backend.loki : backend.tempo}/${at.replace(/^\//, '')}` }
  }
  const send = (random: (below: number) => number) => {
    const json = random(2) === 0
    const text = () => Buffer.from(mutateText(bodies, random))
    const bytes = json ? [text, () => mutateBytes(texts, random)][random(2)]!() : mutateBytes(messages, random)
    const headers = {
      'content-type': json ? 'application/json' : 'application/x-protobuf',
      ...(random(3) === 0 && { 'content-encoding': 'gzip' }),
    }
    const path = ['/v1/traces', '/v1/logs', '/loki/api/v1/push'][random(3)]!
    if (path.startsWith('/loki') && !json) {
      // Either what is inside is broken, or the block around it.
      const block = random(2) === 0 ? snappyOf(mutateBytes([PUSH], random)) : mutateBytes([snappyOf(PUSH)], random)
      return {
        url: backend.loki + path,
        method: 'POST',
        headers: { 'content-type': headers['content-type'] },
        body: block,
      }
    }
    const body = 'content-encoding' in headers && random(4) > 0 ? gzipSync(bytes) : bytes
    return { url: (path.startsWith('/loki') ? backend.loki : backend.otlp) + path, method: 'POST', headers, body }
  }
  await fuzz<{ url: string } & RequestInit>(
    (random) => (random(2) === 0 ? ask(random) : send(random)),
    async ({ url, ...init }) => {
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(60_000) })
      await response.arrayBuffer()
      const wanted = response.status < 500 || response.status === 503
      assert.ok(wanted, `${url} answered ${response.status}`)
    },
  )
  assert.equal((await post(`${backend.otlp}/v1/traces`, messages[0]!)).status, 200)
  assert.equal((await fetch(`${backend.tempo}/api/search?q={}`)).status, 200)
})
