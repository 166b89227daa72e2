/** How any thrown value becomes the answer that a client may see. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  asProblem,
  badGateway,
  badRequest,
  conflict,
  deadlineExceeded,
  errorType,
  gatewayTimeout,
  invalid,
  notFound,
  type ProblemError,
  payloadTooLarge,
  problemBody,
  unavailable,
  unsupportedMediaType,
} from './problems.ts'

const ids = { trace_id: 'a'.repeat(32), request_id: 'r-1' }

test('each function makes one status and one kind', () => {
  const made: [ProblemError, number, string][] = [
    [badRequest('x'), 400, 'malformed-body'],
    [notFound('product', 'p-1'), 404, 'unknown-product'],
    [conflict('too-hot', 'Too hot', 'x'), 409, 'too-hot'],
    [payloadTooLarge(10), 413, 'body-too-large'],
    [unsupportedMediaType('"text/plain"'), 415, 'unsupported-media-type'],
    [invalid([]), 422, 'invalid-request'],
    [invalid([], 'key-reused'), 422, 'key-reused'],
    [badGateway('x'), 502, 'bad-gateway'],
    [unavailable('overloaded', 'x', 3), 503, 'overloaded'],
    [gatewayTimeout('x'), 504, 'next-hop-timeout'],
    [deadlineExceeded(), 504, 'deadline-exceeded'],
  ]
  for (const [problem, status, kind] of made) {
    assert.deepEqual([problem.details.status, problem.details.kind, problem.name], [status, kind, kind])
    assert.equal(problemBody(problem, ids).type, `/problems/${kind}`)
  }
})

test('what may pass says when to try again, and a problem of the client does not', () => {
  for (const problem of [badGateway('x'), gatewayTimeout('x'), deadlineExceeded()])
    assert.equal(problem.details.retryAfter, 1)
  assert.equal(unavailable('overloaded', 'x', 3).details.retryAfter, 3)
  for (const problem of [badRequest('x'), notFound('user', 1), conflict('a', 'b', 'c'), invalid([])])
    assert.equal(problem.details.retryAfter, undefined)
})

test('the body names the fault below 500, with every bad field where it is', () => {
  const errors = [
    { pointer: '/items/0/quantity', detail: 'must be at least 1' },
    { parameter: 'limit', detail: 'must be at most 100' },
    { detail: 'must be an object' },
  ]
  assert.deepEqual(problemBody(invalid(errors), ids), {
    type: '/problems/invalid-request',
    title: 'Invalid request',
    status: 422,
    detail: '/items/0/quantity: must be at least 1; limit: must be at most 100; body: must be an object',
    ...ids,
    errors,
  })
  assert.equal(problemBody(notFound('order', 7), {}).detail, 'There is no order 7.')
})

test('the pointer to a whole body is the empty text, and is called body in the detail', () => {
  const { detail, errors } = invalid([{ pointer: '', detail: 'must be an object' }]).details
  assert.deepEqual([detail, errors], ['body: must be an object', [{ pointer: '', detail: 'must be an object' }]])
})

test('from 500 on the body says nothing of the inside, whatever was thrown', () => {
  const secret = 'password of 10.0.0.7'
  const cause = new Error(secret)
  for (const thrown of [
    new Error(secret),
    secret,
    { message: secret, status: 500, expose: true },
    { message: secret, status: 404, expose: false },
    badGateway(secret, cause),
    unavailable('database-unavailable', secret, 1, cause),
    gatewayTimeout(secret, cause),
  ]) {
    const body = problemBody(asProblem(thrown), ids)
    assert.ok(body.status >= 500, String(body.status))
    assert.doesNotMatch(JSON.stringify(body), /password|10\.0\.0/)
    assert.deepEqual([body.trace_id, body.request_id], [ids.trace_id, ids.request_id])
    assert.ok(body.detail.length > 0)
  }
})

test("a refusal of the HTTP library keeps its text; what isn't told by name is a bad request", () => {
  const kinds: [number, number, string][] = [
    [404, 404, 'not-found'],
    [405, 405, 'method-not-allowed'],
    [400, 400, 'bad-request'],
    [431, 400, 'bad-request'],
  ]
  for (const [thrown, status, kind] of kinds) {
    const error = Object.assign(new Error('as the library says'), { status: thrown, expose: true })
    const { details } = asProblem(error)
    assert.deepEqual([details.status, details.kind, details.detail], [status, kind, 'as the library says'])
    assert.equal(details.cause, error)
  }
})

test('a problem stays the one it is; anything else, nothing included, is a 500 with its cause', () => {
  const problem = conflict('too-hot', 'Too hot', 'x')
  assert.equal(asProblem(problem), problem)
  assert.equal(asProblem(Object.create(null)).details.status, 500)
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      const { details } = asProblem(thrown)
      assert.deepEqual([details.status, details.kind, details.cause], [500, 'internal', thrown])
    }),
  )
})

test('error.type is the kind, else the code of the system or the database, else the name', () => {
  assert.equal(errorType(unavailable('database-unavailable', 'x', 1)), 'database_unavailable')
  assert.equal(errorType(Object.assign(new Error('x'), { code: 'ECONNRESET' })), 'ECONNRESET')
  assert.equal(errorType(Object.assign(new Error('x'), { code: '23505' })), '23505')
  assert.equal(errorType(Object.assign(new Error('x'), { code: 5 })), 'Error')
  assert.equal(errorType(new TypeError('x')), 'TypeError')
  for (const thrown of ['text', null, undefined, 5]) assert.equal(errorType(thrown), '_OTHER')
})
