/** Spans of browsers: what the gateway lets through, and what it answers to all else. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type RunningGateway, runGateway, type Told } from './test/running-gateway.ts'

const PATH = '/otlp/v1/traces'
const JSON_TYPE = { 'content-type': 'application/json' }
const said = { 'access-control-allow-origin': '*', 'access-control-allow-credentials': 'true' }

for (const variant of ['stock', 'otel'] as const) {
  test(`what is no OTLP from a page of the gateway is refused by name (${variant})`, async () => {
    const limits = { GATEWAY_BROWSER_RATE_LIMIT: '1r/m', GATEWAY_BROWSER_RATE_BURST: '9' }
    await using gateway = await runGateway({ ...limits, GATEWAY_TRACE_VIEW: 'grafana' }, variant, said)
    const here = new URL(gateway.url).host

    // Taken: from a page that came from here, and from programs.
    const ours: Record<string, string>[] = [
      JSON_TYPE,
      { 'content-type': 'application/json; charset=utf-8', origin: `http://${here}`, 'sec-fetch-site': 'same-origin' },
      { 'content-type': 'Application/X-Protobuf', origin: `https://${here}` },
    ]
    for (const headers of ours) {
      const taken = await post(gateway, headers)
      assert.equal(taken.status, 200, JSON.stringify(headers))
      assert.equal(((await taken.json()) as Told).url, '/browser/v1/traces')
      assert.equal(taken.headers.get('access-control-allow-origin'), null)
      assert.equal(taken.headers.get('access-control-allow-credentials'), null)
      // It is about other traces, and begins none.
      assert.match(taken.headers.get('traceresponse')!, /-00$/)
    }

    const refused: [init: RequestInit, status: number, kind: string, detail: RegExp][] = [
      [{ headers: { ...JSON_TYPE, 'sec-fetch-site': 'cross-site' } }, 403, 'foreign-origin', /may not send telemetry/],
      [{ headers: { ...JSON_TYPE, 'sec-fetch-site': 'same-site' } }, 403, 'foreign-origin', /may not send telemetry/],
      // A page of this machine may ask the API; what it tells of itself goes to port 4318.
      [{ headers: { ...JSON_TYPE, origin: 'http://localhost:3000' } }, 403, 'foreign-origin', /may not send telemetry/],
      [{ headers: { ...JSON_TYPE, origin: 'https://evil.example' } }, 403, 'foreign-origin', /ALLOWED_HOSTS/],
      [{ headers: { ...JSON_TYPE, origin: 'null' } }, 403, 'foreign-origin', /ALLOWED_HOSTS/],
      [{ headers: { 'content-type': 'text/plain' } }, 415, 'unsupported-media-type', /application\/x-protobuf/],
      [{ headers: { 'content-type': 'application/jsonp' } }, 415, 'unsupported-media-type', /not compressed/],
      [{ headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } }, 415, 'unsupported-media-type', /not compressed/],
      [{ headers: JSON_TYPE, body: 'x'.repeat(65_537) }, 413, 'body-too-large', /64k/],
      [{ method: 'GET', body: null }, 405, 'method-not-allowed', /method/],
      [{ method: 'OPTIONS', body: null }, 405, 'method-not-allowed', /method/],
    ]
    for (const [init, status, kind, detail] of refused) {
      const answer = await post(gateway, {}, init)
      const { type, detail: words } = await problem(answer, status)
      assert.deepEqual([type, detail.test(words)], [`/problems/${kind}`, true], `${JSON.stringify(init)}: ${words}`)
      if (status === 405) assert.equal(answer.headers.get('allow'), 'POST')
    }
    for (const path of [`${PATH}/`, '/otlp/v1/logs', '/otlp/v1/metrics', '/browser/v1/traces', '/v1/traces']) {
      assert.equal((await problem(await post(gateway, JSON_TYPE, {}, path), 404)).type, '/problems/not-published')
    }

    // Grafana shows a trace by what its address says.
    const traceId = 'ab'.repeat(16)
    const shown = await fetch(`${gateway.url}/shop/trace/${traceId}`, { redirect: 'manual' })
    const panes = new URL(shown.headers.get('location')!).searchParams.get('panes')!
    const [query] = JSON.parse(panes).t.queries
    assert.deepEqual([query.queryType, query.query], ['traceql', traceId])

    // What is under the limits arrives, the rest is told to wait; what was taken is no line in the log.
    const many = await Promise.all(Array.from({ length: 12 }, () => post(gateway, { ...JSON_TYPE })))
    const [late] = many.filter(({ status }) => status === 429)
    assert.ok(late, 'one is over the limit')
    assert.equal(late.headers.get('retry-after'), '1')
    assert.match((await problem(late, 429)).detail, /gone over 1r\/m/)
    assert.equal((await fetch(`${gateway.url}/api/v1/users`)).status, 200, 'which is no limit of other routes')
    await gateway.recordOf(late.headers.get('x-request-id')!)
    const records = readFileSync(gateway.accessLog, 'utf8').split('\n')
    assert.equal(records.filter((line) => line.includes(PATH) && line.includes('"status":"200"')).length, 0)
  })
}

function post(gateway: RunningGateway, headers: Record<string, string>, init: RequestInit = {}, path = PATH) {
  return fetch(gateway.url + path, { method: 'POST', headers, body: '{}', ...init })
}

async function problem(answer: Response, status: number): Promise<{ type: string; detail: string }> {
  const body = (await answer.json()) as { type: string; detail: string; status: number; trace_id: string }
  assert.deepEqual([answer.status, body.status], [status, status], JSON.stringify(body))
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  assert.equal(body.trace_id, answer.headers.get('x-trace-id'))
  return body
}
