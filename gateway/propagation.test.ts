/**
 * A caller's trace is continued by whatever OTEL_PROPAGATORS lists, and the services are told the same; so is the caller, by
 * every answer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runGateway } from './test/running-gateway.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SHORT = `${'0'.repeat(16)}8448eb211c80319c`
const SPAN = 'b7ad6b7169203331'
const multi = { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN }

/** What of a caller's header is continued: trace, parent span and whether it is sampled; null where a trace begins. */
type Continued = [traceId: string, parentSpanId: string, sampled: boolean] | null
const cases: Record<string, [headers: Record<string, string>, continued: Continued][]> = {
  b3: [
    [{ b3: `${TRACE}-${SPAN}-1` }, [TRACE, SPAN, true]],
    [{ b3: `${TRACE}-${SPAN}-0-00f067aa0ba902b7` }, [TRACE, SPAN, false]],
    [{ b3: `${TRACE}-${SPAN}-d` }, [TRACE, SPAN, true]],
    // Not decided: the gateway's sampler is asked.
    [{ b3: `${TRACE}-${SPAN}` }, [TRACE, SPAN, true]],
    [{ b3: `8448eb211c80319c-${SPAN}-1` }, [SHORT, SPAN, true]],
    [{ ...multi, 'x-b3-sampled': '1' }, [TRACE, SPAN, true]],
    [{ ...multi, 'x-b3-sampled': '0' }, [TRACE, SPAN, false]],
    [{ ...multi, 'x-b3-sampled': 'false' }, [TRACE, SPAN, false]],
    [{ ...multi, 'x-b3-flags': '1', 'x-b3-sampled': '0' }, [TRACE, SPAN, true]],
    [{ ...multi, 'x-b3-parentspanid': '00f067aa0ba902b7' }, [TRACE, SPAN, true]],
    [{ ...multi, 'x-b3-traceid': '8448eb211c80319c' }, [SHORT, SPAN, true]],
    [{ b3: `${'0'.repeat(32)}-${SPAN}-1` }, null],
    [{ b3: `${TRACE}-${'0'.repeat(16)}-1` }, null],
    [{ b3: `${TRACE}0-${SPAN}-1` }, null],
    [{ b3: `${TRACE}-${SPAN}-1-x` }, null],
    [{ b3: `${'0'.repeat(16)}-${SPAN}` }, null],
    [{ b3: '1' }, null],
    [{ 'x-b3-traceid': TRACE }, null],
    [{ traceparent: `00-${TRACE}-${SPAN}-01` }, null],
    [{ 'uber-trace-id': `${TRACE}:${SPAN}:0:1` }, null],
  ],
  'b3multi,baggage': [
    [multi, [TRACE, SPAN, true]],
    [{ b3: `${TRACE}-${SPAN}-1` }, [TRACE, SPAN, true]],
  ],
  jaeger: [
    [{ 'uber-trace-id': `${TRACE}:${SPAN}:0:1` }, [TRACE, SPAN, true]],
    [{ 'uber-trace-id': `${TRACE.slice(1)}%3A${SPAN}%3A0%3A00` }, [TRACE, SPAN, false]],
    [{ 'uber-trace-id': '8448eb211c80319c:7ad6b7169203331:0:3' }, [SHORT, '07ad6b7169203331', true]],
    [{ 'uber-trace-id': `0:${SPAN}:0:1` }, null],
    [{ 'uber-trace-id': `${TRACE}:0:0:1` }, null],
    [{ b3: `${TRACE}-${SPAN}-1` }, null],
  ],
  ' tracecontext, b3 ': [
    [{ traceparent: `00-${TRACE}-${SPAN}-00`, b3: `${SHORT}-${SPAN}-1` }, [TRACE, SPAN, false]],
    [{ b3: `${TRACE}-${SPAN}-1` }, [TRACE, SPAN, true]],
  ],
  'tracecontext,baggage': [
    [{ traceparent: `00-${TRACE}-${SPAN}-01` }, [TRACE, SPAN, true]],
    [{ b3: `${TRACE}-${SPAN}-1`, ...multi, 'uber-trace-id': `${TRACE}:${SPAN}:0:1` }, null],
  ],
  none: [[{ traceparent: `00-${TRACE}-${SPAN}-01`, b3: `${TRACE}-${SPAN}-1` }, null]],
}
for (const [OTEL_PROPAGATORS, list] of Object.entries(cases)) {
  test(`OTEL_PROPAGATORS=${OTEL_PROPAGATORS} at the gateway`, async () => {
    await using gateway = await runGateway({ OTEL_PROPAGATORS })
    for (const [n, [headers, continued]] of list.entries()) {
      const told = await gateway.told('/api/v1/users', { ...headers, 'x-request-id': `r${n}` })
      const { traceId, parentSpanId, sampled, spanId } = await gateway.recordOf(`r${n}`)
      const named = JSON.stringify(headers)
      if (continued) assert.deepEqual([traceId, parentSpanId, sampled], continued, named)
      else assert.deepEqual([traceId.includes(TRACE.slice(16)), parentSpanId, sampled], [false, '', true], named)
      const { traceparent, b3, 'uber-trace-id': jaeger } = told.headers
      const flag = sampled ? 1 : 0
      assert.deepEqual(
        [traceparent, b3, jaeger],
        [`00-${traceId}-${spanId}-0${flag}`, `${traceId}-${spanId}-${flag}`, `${traceId}:${spanId}:0:${flag}`],
        named,
      )
      assert.equal(told.headers['x-b3-traceid'], undefined)
    }
  })
}

/** What a service says of its own is not passed on. */
const SAID = { traceresponse: `00-${TRACE}-${SPAN}-01`, 'server-timing': 'db;dur=5' }
for (const variant of ['stock', 'otel'] as const) {
  test(`every answer tells its span, as traceresponse and Server-Timing (${variant})`, async () => {
    await using gateway = await runGateway({}, variant, SAID)
    const cases: [path: string, status: number, init?: RequestInit][] = [
      ['/api/v1/users', 200],
      ['/api/v1/users', 200, { headers: { traceparent: `00-${TRACE}-${SPAN}-01` } }],
      ['/api/v1/users', 200, { headers: { traceparent: `00-${TRACE}-${SPAN}-00` } }],
      ['/', 200],
      ['/problems/not-published', 200],
      ['/nowhere', 404],
      ['/', 405, { method: 'DELETE' }],
      ['/api/v1/users', 403, { headers: { origin: 'https://evil.example' } }],
      ['/api/v1/audit', 502],
      ['/api/v1/process', 413, { method: 'POST', body: 'x'.repeat(65_537) }],
    ]
    for (const [n, [path, status, init]] of cases.entries()) {
      const named = `${init?.method ?? 'GET'} ${path} ${JSON.stringify(init?.headers ?? {})}`
      const answer = await fetch(gateway.url + path, {
        ...init,
        headers: { ...init?.headers, 'x-request-id': `r${n}` },
      })
      await answer.arrayBuffer()
      assert.equal(answer.status, status, named)
      const { traceId, spanId, sampled } = await gateway.recordOf(`r${n}`)
      const context = `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`
      assert.equal(answer.headers.get('traceresponse'), context, named)
      assert.equal(answer.headers.get('server-timing'), `traceparent;desc="${context}"`, named)
    }
    // No record is written of it, and no trace begun.
    const { headers } = await fetch(`${gateway.url}/health`)
    assert.match(headers.get('traceresponse')!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  })
}
