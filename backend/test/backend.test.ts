/** The backend as its clients meet it: one process, its ports, its answers. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { Client, credentials } from '@grpc/grpc-js'
import {
  ExportTraceServiceResponseSchema,
  RpcStatusSchema,
  TraceByIdResponseSchema,
  TraceSchema,
} from '@sightline/otlp-messages'
import { until } from '@sightline/service-kit/poll'
import { post, startBackend, type TestBackend } from './backend.ts'
import { pushBytes, snappyOf } from './loki-push.ts'
import { logBytes, traceBytes } from './otlp.ts'

describe('the embedded backend', { concurrency: false }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'backend-'))
  let backend: TestBackend
  before(async () => {
    backend = await startBackend(dir)
  })
  after(async () => {
    await backend?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const now = Date.now()
  const id = (short: string) => short.padStart(32, '0')
  const ask = async (path: string, headers = {}) => fetch(backend.tempo + path, { headers })
  const search = async (q: string, more = '') =>
    (
      (await (await ask(`/api/search?q=${encodeURIComponent(q)}${more}`)).json()) as {
        traces: Record<string, unknown>[]
      }
    ).traces

  test('a span is found right after 200, by id and by TraceQL', async () => {
    const bytes = traceBytes([
      {
        trace: 'a1',
        id: '1',
        service: 'gateway',
        name: 'GET /x',
        kind: 2,
        startMs: now,
        ms: 12,
        attributes: { 'http.route': '/x' },
      },
      {
        trace: 'a1',
        id: '2',
        parent: '1',
        service: 'user',
        name: 'SELECT',
        kind: 3,
        status: 2,
        startMs: now + 1,
        ms: 3,
      },
    ])
    assert.equal((await post(`${backend.otlp}/v1/traces`, bytes)).status, 200)
    const [found] = await search('{ resource.service.name = "gateway" } >> { status = error }')
    assert.equal(found?.traceID, 'a1')
    assert.deepEqual([found?.rootServiceName, found?.rootTraceName, found?.durationMs], ['gateway', 'GET /x', 12])
    assert.deepEqual(found?.serviceStats, { gateway: { spanCount: 1 }, user: { spanCount: 1, errorCount: 1 } })
    assert.deepEqual(found?.spanSet, (found?.spanSets as unknown[] | undefined)?.[0])
    const v1 = (await (await ask('/api/traces/a1')).json()) as {
      batches: { scopeSpans: { spans: { name: string; kind: string }[] }[] }[]
    }
    assert.deepEqual(
      v1.batches.map((batch) => batch.scopeSpans[0]?.spans[0]?.kind),
      ['SPAN_KIND_SERVER', 'SPAN_KIND_CLIENT'],
    )
    const binary = { accept: 'application/protobuf' }
    const trace = fromBinary(TraceSchema, new Uint8Array(await (await ask('/api/traces/a1', binary)).arrayBuffer()))
    assert.equal(trace.resourceSpans.length, 2)
    const v2 = fromBinary(
      TraceByIdResponseSchema,
      new Uint8Array(await (await ask('/api/v2/traces/a1', binary)).arrayBuffer()),
    )
    assert.deepEqual(v2.trace, trace)
  })

  test('JSON with hex ids, gzip and zstd are the same as plain protobuf', async () => {
    const json = (trace: string) =>
      JSON.stringify({
        resourceSpans: [
          {
            scopeSpans: [
              {
                spans: [
                  {
                    traceId: id(trace),
                    spanId: 'abcdef0123456789',
                    name: 'j',
                    startTimeUnixNano: `${now}000000`,
                    endTimeUnixNano: `${now}000000`,
                    unknownField: 1,
                  },
                ],
              },
            ],
          },
        ],
      })
    const type = { 'content-type': 'application/json' }
    const response = await post(`${backend.otlp}/v1/traces`, Buffer.from(json('b1')), type)
    assert.deepEqual(
      [response.status, response.headers.get('content-type'), await response.text()],
      [200, 'application/json', '{}'],
    )
    await post(`${backend.otlp}/v1/traces`, gzipSync(json('b2')), { ...type, 'content-encoding': 'gzip' })
    const packed = zstdCompressSync(traceBytes([{ trace: 'b3', id: '1', startMs: now }]))
    await post(`${backend.otlp}/v1/traces`, packed, { 'content-encoding': 'zstd' })
    for (const trace of ['b1', 'b2', 'b3']) assert.equal((await ask(`/api/traces/${trace}`)).status, 200, trace)
  })

  test('a wrong id costs its span: partial success in the encoding of the request', async () => {
    const response = await post(
      `${backend.otlp}/v1/traces`,
      traceBytes([
        { trace: '0', id: '1' },
        { trace: 'c1', id: '1' },
      ]),
    )
    const { partialSuccess } = fromBinary(
      ExportTraceServiceResponseSchema,
      new Uint8Array(await response.arrayBuffer()),
    )
    assert.deepEqual([response.status, partialSuccess?.rejectedSpans], [200, 1n])
    assert.match(partialSuccess?.errorMessage ?? '', /trace_id/)
    assert.equal((await ask('/api/traces/c1')).status, 200)
  })

  for (const [what, path, body, headers, status, message] of [
    ['bytes that are no protobuf', '/v1/traces', Buffer.from([0x0a, 0xff, 0x01]), {}, 400, /not an OTLP request/],
    ['text that is no JSON', '/v1/logs', Buffer.from('{'), { 'content-type': 'application/json' }, 400, /not JSON/],
    [
      'an id that is no hex',
      '/v1/traces',
      Buffer.from('{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}'),
      { 'content-type': 'application/json' },
      400,
      /hex/,
    ],
    ['another content type', '/v1/traces', Buffer.from('x'), { 'content-type': 'text/plain' }, 415, /Content-Type/],
    ['another encoding', '/v1/traces', Buffer.from('x'), { 'content-encoding': 'lzma' }, 415, /lzma/],
    ['what is not gzip', '/v1/traces', Buffer.from('x'), { 'content-encoding': 'gzip' }, 400, /decompressed/],
    ['another path', '/v2/traces', Buffer.from('x'), {}, 404, /v1\/traces/],
  ] as const) {
    test(`${what}: ${status} with a google.rpc.Status that says why`, async () => {
      const response = await post(backend.otlp + path, body, headers)
      assert.equal(response.status, status)
      const bytes = new Uint8Array(await response.arrayBuffer())
      const json = response.headers.get('content-type') === 'application/json'
      const error = json
        ? (JSON.parse(Buffer.from(bytes).toString()) as { message: string })
        : fromBinary(RpcStatusSchema, bytes)
      assert.match(error.message, message)
    })
  }

  test('metrics are taken politely, and not stored', async () => {
    const response = await post(`${backend.otlp}/v1/metrics`, Buffer.from('{}'), { 'content-type': 'application/json' })
    assert.equal(response.status, 200)
    assert.match(await response.text(), /rejectedDataPoints.*Prometheus/)
    await until('the log tells it', 20, () => backend.output().includes('Refused metrics: Metrics are not stored here'))
  })

  test('unknown ids: 404 in v1, an empty trace in v2; ids that are none: 400', async () => {
    assert.equal((await ask('/api/traces/404')).status, 404)
    assert.deepEqual(await (await ask('/api/v2/traces/404')).json(), { trace: {}, metrics: {} })
    const empty = await (await ask('/api/v2/traces/404', { accept: 'application/protobuf' })).arrayBuffer()
    assert.ok(fromBinary(TraceByIdResponseSchema, new Uint8Array(empty)).trace, 'trace is present')
    for (const path of ['/api/traces/xyz', '/api/v2/traces/%zz']) assert.equal((await ask(path)).status, 400)
  })

  test('tags by scope, and values, typed and filtered', async () => {
    await post(
      `${backend.otlp}/v1/traces`,
      traceBytes([
        {
          trace: 'd1',
          id: '1',
          service: 'tagged',
          startMs: now,
          attributes: { 'tag.one': 'x', count: 3 },
          events: [{ name: 'e', attributes: { 'in.event': true } }],
        },
      ]),
    )
    const { scopes } = (await (await ask('/api/v2/search/tags')).json()) as {
      scopes: { name: string; tags: string[] }[]
    }
    const tags = Object.fromEntries(scopes.map((scope) => [scope.name, scope.tags]))
    assert.ok(
      tags.span?.includes('tag.one') && tags.event?.includes('in.event') && tags.resource?.includes('service.name'),
    )
    assert.ok(tags.intrinsic?.includes('trace:rootName'))
    assert.deepEqual(((await (await ask('/api/v2/search/tags?scope=event')).json()) as { scopes: unknown }).scopes, [
      { name: 'event', tags: ['in.event'] },
    ])
    const values = async (tag: string, more = '') =>
      ((await (await ask(`/api/v2/search/tag/${tag}/values${more}`)).json()) as { tagValues: unknown }).tagValues
    assert.deepEqual(await values('span.count'), [{ type: 'int', value: '3' }])
    assert.deepEqual(await values('.tag.one'), [{ type: 'string', value: 'x' }])
    assert.deepEqual(await values('resource.service.name', `?q=${encodeURIComponent('{ span.count = 3 }')}`), [
      { type: 'string', value: 'tagged' },
    ])
    assert.deepEqual(
      await values('status'),
      ['error', 'ok', 'unset'].map((value) => ({ type: 'keyword', value })),
    )
    assert.ok(
      ((await (await ask('/api/search/tag/service.name/values')).json()) as { tagValues: string[] }).tagValues.includes(
        'tagged',
      ),
    )
    assert.deepEqual(await values('rootName', '?start=9999999999'), [])
    for (const path of [
      '/api/v2/search/tags?scope=nope',
      '/api/v2/search/tag/nope/values',
      '/api/v2/search/tag/constructor/values',
      `/api/metrics/query?q={}|rate()&since=${'9'.repeat(400)}`,
      `/api/metrics/query_range?q={}|rate()&step=${'9'.repeat(400)}`,
    ])
      assert.equal((await ask(path)).status, 400, path)
  })

  test('metrics: ranges and instants, strict shapes', async () => {
    const q = encodeURIComponent('{ resource.service.name = "gateway" } | count_over_time() by (name)')
    const end = Math.ceil(now / 1000) + 5
    const range = (await (
      await ask(`/api/metrics/query_range?q=${q}&start=${end - 60}&end=${end}&step=10s&exemplars=1`)
    ).json()) as {
      series: { labels: unknown; samples: { timestampMs: string; value?: number }[]; exemplars: unknown[] }[]
    }
    assert.equal(range.series.length, 1)
    assert.deepEqual(range.series[0]?.labels, [{ key: 'name', value: { stringValue: 'GET /x' } }])
    assert.equal(
      range.series[0]?.samples.reduce((sum, { value = 0 }) => sum + value, 0),
      1,
    )
    assert.equal(range.series[0]?.exemplars.length, 1)
    const instant = (await (await ask(`/api/metrics/query?q=${q}&since=1h`)).json()) as { series: { value: number }[] }
    assert.equal(instant.series[0]?.value, 1)
    for (const bad of ['', 'q=%7B%7D', `q=${q}&step=x`, `q=${q}&start=20&end=10`])
      assert.equal((await ask(`/api/metrics/query_range?${bad}`)).status, 400, bad)
  })

  test('search by tags and duration, as before TraceQL; limits; errors as text', async () => {
    const byTags = (await (
      await ask(`/api/search?tags=${encodeURIComponent('tag.one=x count=3')}&minDuration=1us`)
    ).json()) as { traces: Record<string, unknown>[] }
    assert.deepEqual(
      byTags.traces.map((trace) => [trace.traceID, trace.spanSet]),
      [['d1', undefined]],
    )
    assert.equal((await search('{}', '&limit=1')).length, 1)
    for (const bad of [
      'limit=x',
      'limit=0',
      'spss=-1',
      'start=9&end=3',
      'start=abc',
      'q=%7B',
      'q=%7Bservice.name%3D%22x%22%7D',
    ]) {
      const response = await ask(`/api/search?${bad}`)
      assert.deepEqual([response.status, response.headers.get('content-type')], [400, 'text/plain; charset=utf-8'], bad)
    }
  })

  test('what editors and Grafana ask first', async () => {
    assert.equal((await (await ask('/api/echo')).text()).trim(), 'echo')
    assert.equal(((await (await ask('/api/status/buildinfo')).json()) as { version: string }).version, '3.0.3')
    assert.equal((await ask('/ready')).status, 200)
    assert.equal((await ask('/nothing')).status, 404)
    assert.equal((await fetch(`${backend.tempo}/api/search`, { method: 'DELETE' })).status, 405)
    // A series is 0 when it is first read.
    await (await ask('/metrics')).text()
    const metrics = await (await ask('/metrics')).text()
    assert.match(metrics, /^embedded_accepted_items_total\{signal="traces"\} \d+$/m)
    assert.match(
      metrics,
      /traces_service_graph_request_total\{client="user",server="gateway",connection_type="virtual_node"\} 1/,
    )
  })

  test("log lines are found by Loki's API, those that were pushed too", async () => {
    await post(`${backend.otlp}/v1/logs`, logBytes([{ body: 'hello', service: 'shop', ms: now, trace: 'a1' }]))
    const asLoki = `${backend.loki}/otlp/v1/logs`
    const taken = await post(asLoki, logBytes([{ body: 'by OTLP', service: 'collector', ms: now }]))
    assert.deepEqual([taken.status, taken.headers.get('content-type')], [200, 'application/x-protobuf'])
    assert.equal((await fetch(asLoki)).status, 405)
    const broken = await post(asLoki, Buffer.from('{"resourceLogs": 1}'), { 'content-type': 'application/json' })
    assert.equal(broken.status, 400)
    assert.match(((await broken.json()) as { message: string }).message, /resourceLogs should be a list/)
    const push = { streams: [{ stream: { app: 'pushed' }, values: [[`${now}000000`, 'by push']] }] }
    const pushed = await post(`${backend.loki}/loki/api/v1/push`, Buffer.from(JSON.stringify(push)), {
      'content-type': 'application/json',
    })
    assert.equal(pushed.status, 204)
    const agent = pushBytes([
      {
        labels: '{app="agent"}',
        entries: [{ timeNs: BigInt(now) * 1_000_000n, line: 'by an agent', metadata: { pod: 'p1' } }],
      },
    ])
    assert.equal((await post(`${backend.loki}/loki/api/v1/push`, snappyOf(agent))).status, 204)
    for (const [query, line] of [
      [`{service_name="shop"} | trace_id="${id('a1')}"`, 'hello'],
      ['{service_name="collector"}', 'by OTLP'],
      ['{app="pushed"}', 'by push'],
      ['{app="agent"} | pod="p1"', 'by an agent'],
    ] as const) {
      const found = (await (
        await fetch(`${backend.loki}/loki/api/v1/query_range?query=${encodeURIComponent(query)}`)
      ).json()) as { data: { result: { values: [string, string][] }[] } }
      assert.equal(found.data.result[0]?.values[0]?.[1], line)
    }
  })

  test('a line that came over gRPC is found like any other', async () => {
    const client = new Client(backend.grpc, credentials.createInsecure())
    try {
      const same = (bytes: Buffer) => bytes
      const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
      const line = logBytes([{ body: 'by gRPC', service: 'caller', ms: now }])
      await new Promise<void>((resolve, reject) => {
        client.makeUnaryRequest(path, same, same, line, (error) => (error ? reject(error) : resolve()))
      })
    } finally {
      client.close()
    }
    const query = encodeURIComponent('{service_name="caller"}')
    const found = (await (await fetch(`${backend.loki}/loki/api/v1/query_range?query=${query}`)).json()) as {
      data: { result: { values: [string, string][] }[] }
    }
    assert.equal(found.data.result[0]?.values[0]?.[1], 'by gRPC')
  })

  test('the folder is for one process; a folder of a newer version is left alone', async () => {
    await assert.rejects(startBackend(dir), /in use by another process/)
    const newer = mkdtempSync(join(tmpdir(), 'newer-'))
    writeFileSync(join(newer, 'FORMAT'), '99\n')
    await assert.rejects(startBackend(newer), /newer version/)
    rmSync(newer, { recursive: true })
    await assert.rejects(startBackend(dir, { TRACES_RETENTION: 'soon' }), /TRACES_RETENTION.*7d/s)
  })

  test('stopped and started again it has everything', async () => {
    await backend.stop()
    backend = await startBackend(dir)
    assert.equal((await search('{ name = "GET /x" }')).length, 1)
    await until('the log lines', 20, async () =>
      (await (await ask('/metrics')).text()).includes('embedded_head_rows{signal="logs"} 5'),
    )
  })
})
