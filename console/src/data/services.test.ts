import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { newClient } from './http.ts'
import type { Series } from './series.ts'
import { buildServices, loadServices, rangeText, spansHref, surelyExceeded } from './services.ts'

const series = (service: string, name: string, kind: string, values: (number | null)[], le?: string): Series => ({
  labels: { service, span_name: name, span_kind: `SPAN_KIND_${kind}`, ...(le && { le }) },
  times: values.map((_value, i) => i * 1000),
  values,
})

test('operations by service with rate, shares and quantiles; a service sums only what it was asked for', () => {
  const { services, operations } = buildServices(
    {
      totals: [
        series('orders', 'GET /orders', 'SERVER', [1]),
        series('orders', 'POST /process', 'SERVER', [3]),
        series('orders', 'INSERT', 'CLIENT', [30]),
        series('orders', 'no more', 'SERVER', [0]),
        series('gateway', 'GET /', 'SERVER', [8]),
      ],
      failures: [series('orders', 'POST /process', 'SERVER', [0.6]), series('orders', 'INSERT', 'CLIENT', [30])],
      refusals: [series('orders', 'GET /orders', 'SERVER', [0.5])],
      buckets: [
        series('orders', 'GET /orders', 'SERVER', [1], '0.1'),
        series('orders', 'GET /orders', 'SERVER', [1], '0.2'),
        series('orders', 'GET /orders', 'SERVER', [1], '+Inf'),
        series('orders', 'POST /process', 'SERVER', [0], '0.1'),
        series('orders', 'POST /process', 'SERVER', [3], '0.2'),
        series('orders', 'POST /process', 'SERVER', [3], '+Inf'),
      ],
      past: [
        series('orders', 'GET /orders', 'SERVER', [1, null, 2]),
        series('orders', 'POST /process', 'SERVER', [2, null, 1]),
      ],
    },
    2,
  )
  assert.deepEqual(
    operations.map(({ service, name, kind, rate }) => [service, name, kind, rate]),
    [
      ['gateway', 'GET /', 'server', 16],
      ['orders', 'INSERT', 'client', 60],
      ['orders', 'POST /process', 'server', 6],
      ['orders', 'GET /orders', 'server', 2],
    ],
  )
  const [gateway, orders] = services
  assert.deepEqual([gateway!.service, gateway!.p95], ['gateway', null])
  assert.equal(orders!.rate, 8)
  assert.ok(Math.abs(orders!.errorRatio - 0.15) < 1e-12)
  assert.equal(orders!.refusedRatio, 0.125)
  assert.deepEqual(orders!.past, [3, null, 3])
  // A quarter lies below 0.1: the half is a third of the way through what lies above.
  assert.ok(Math.abs(orders!.p50! - (0.1 + 0.1 / 3)) < 1e-12)
  assert.ok(Math.abs(operations[3]!.p50! - 0.05) < 1e-12)
})

test('a number leads to the spans it counts, names quoted', () => {
  const range = { from: 'now-1h', to: 'now' }
  const query = (...asked: Parameters<typeof spansHref>) =>
    new URL(spansHref(...asked), 'http://console').searchParams.get('query')
  const operation = { service: 'a "b"', name: 'GET \\x', kind: 'server' }
  assert.equal(
    query(operation, 'failed', range),
    String.raw`{ resource.service.name = "a \"b\"" && name = "GET \\x" && kind = server && status = error }`,
  )
  assert.match(query(operation, { slowerThan: surelyExceeded(0.0367) }, range)!, /&& duration > 25ms }$/)
  assert.match(query({ service: 'a' }, { slowerThan: surelyExceeded(3) }, range)!, /"a" && duration > 2500ms }$/)
  assert.equal(surelyExceeded(0.001), 0)
})

test('of a system that is younger than the range the picture is of its own time, and that is told', async (t) => {
  const MINUTE = 60_000
  const range = { from: 1_800_000_000_000, to: 1_800_000_000_000 + 60 * MINUTE }
  /** Answers as Prometheus does for a counter that has been there since then. */
  const loaded = async (began: number) => {
    const server = createServer(async (request, response) => {
      const form = new URLSearchParams(await text(request))
      const metric = { service: 'orders', span_name: 'GET /', span_kind: 'SPAN_KIND_SERVER' }
      const [start, end, step] = ['start', 'end', 'step'].map((name) => Number(form.get(name)))
      const steps = Array.from({ length: (end! - start!) / step! + 1 }, (_, n) => start! + n * step!)
      const values = steps.filter((at) => at * 1000 > began + 10_000).map((at) => [at, '2'])
      const samples = String((range.to - Math.max(began, range.from)) / 5_000)
      const value = [range.to / 1000, form.get('query')!.startsWith('max(') ? samples : '2']
      const result = request.url!.endsWith('query_range')
        ? { resultType: 'matrix', result: values.length > 0 ? [{ metric, values }] : [] }
        : { resultType: 'vector', result: [{ metric, value }] }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ status: 'success', data: result }))
    }).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const client = newClient(undefined, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const { services, since } = await loadServices(client, range, false)
    return { since, points: services[0]!.past.filter((value) => value !== null).length }
  }
  const young = await loaded(range.to - 3 * MINUTE)
  assert.equal(young.since, range.to - 3 * MINUTE)
  assert.ok(young.points > 20, `${young.points} points`)
  assert.match(rangeText(young.since, range), /^Over the last 3m of the chosen range, as nothing was measured before$/)
  const justStarted = await loaded(range.to - 30_000)
  assert.ok(justStarted.points >= 3, `${justStarted.points} points`)
  const unmeasured = await loaded(range.to)
  assert.equal(rangeText(unmeasured.since, range), 'Over the chosen range')
  const old = await loaded(range.from - 60 * MINUTE)
  assert.equal(rangeText(old.since, range), 'Over the chosen range')
})
