/** What the headers of a request decide, and where it is known. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from './problems.ts'
import {
  checkDeadline,
  currentRequest,
  outsideRequests,
  remainingMs,
  requestContextFrom,
  runInRequest,
} from './request-context.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/
const TRACE = '0af7651916cd43dd8448eb211c80319c'

test('a usable request id is kept, anything else replaced', () => {
  const idOf = (id: string | string[] | undefined) => requestContextFrom({ 'x-request-id': id }, 1_000).requestId
  for (const good of ['r-1', 'a.B_c-9', 'x'.repeat(128)]) assert.equal(idOf(good), good)
  for (const bad of [undefined, '', 'two words', 'x'.repeat(129), 'a\nb', 'ä', ['a', 'b']])
    assert.match(idOf(bad), UUID)
})

test('without telemetry the trace id is the one of the caller, else a random one', () => {
  const traceOf = (traceparent?: string) => requestContextFrom({ traceparent }, 1_000).traceId
  assert.equal(traceOf(`00-${TRACE}-b7ad6b7169203331-01`), TRACE)
  const useless = [
    undefined,
    'nonsense',
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-b7ad6b7169203331-01`,
    `00-${TRACE.toUpperCase()}-b7ad6b7169203331-01`,
  ]
  const made = useless.map(traceOf)
  for (const id of made) assert.match(id, /^(?!0af7)[0-9a-f]{32}$/)
  assert.equal(new Set(made).size, useless.length)
})

test('a caller may ask for less time than the budget, never for more', () => {
  const budgetOf = (header: string | undefined) => {
    const { startedAt, deadlineAt } = requestContextFrom({ 'x-request-deadline': header }, 1_000)
    return Math.round(deadlineAt - startedAt)
  }
  for (const [header, ms] of [
    ['250', 250],
    ['5000', 1_000],
    ['-3', -3],
    [undefined, 1_000],
    ['soon', 1_000],
    ['Infinity', 1_000],
  ] as const) {
    assert.equal(budgetOf(header), ms, String(header))
  }
})

test('the request is known across waits, and not in work that it only set off', async () => {
  const request = requestContextFrom({}, 1_000)
  const seen = await runInRequest(request, async () => {
    await delay(1)
    return [currentRequest(), outsideRequests(currentRequest), currentRequest()]
  })
  assert.deepEqual(seen, [request, undefined, request])
  assert.equal(currentRequest(), undefined)
})

test('a spent time budget is 504 before anything durable; outside of a request there is time without end', () => {
  assert.equal(remainingMs(), Number.POSITIVE_INFINITY)
  checkDeadline()
  runInRequest(requestContextFrom({ 'x-request-deadline': '200' }, 1_000), () => {
    assert.ok(remainingMs() > 0 && remainingMs() <= 200)
    checkDeadline()
  })
  runInRequest(requestContextFrom({ 'x-request-deadline': '0' }, 1_000), () => {
    assert.ok(remainingMs() <= 0)
    assert.throws(checkDeadline, (error) => asProblem(error).details.kind === 'deadline-exceeded')
  })
})
