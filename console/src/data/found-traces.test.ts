import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { findTraces, toRow } from './found-traces.ts'
import { newClient } from './http.ts'
import type { FoundTrace } from './tempo.ts'

const trace = (traceID: string, more: Partial<FoundTrace> = {}): FoundTrace => ({
  traceID,
  startTimeUnixNano: '1795909167786123456',
  ...more,
})
const span = (status: string, attributes: Record<string, string> = {}) => ({
  spanID: 'a',
  startTimeUnixNano: '0',
  durationNanos: '0',
  attributes: Object.entries({ status, ...attributes }).map(([key, stringValue]) => ({ key, value: { stringValue } })),
})

test('a trace has an error when any of its spans has one, found or not; else what the found ones say', () => {
  const of = (more: Partial<FoundTrace>, failed = false) => toRow(trace('a', more), failed).status
  const set = (...statuses: string[]) => ({ spanSets: [{ matched: 9, spans: statuses.map((one) => span(one)) }] })
  assert.equal(of({ ...set('ok'), serviceStats: { a: { spanCount: 1 }, b: { spanCount: 2, errorCount: 1 } } }), 'error')
  assert.equal(of(set('unset', 'error')), 'error')
  assert.equal(of(set('unset'), true), 'error')
  assert.equal(of({ ...set('unset', 'ok'), serviceStats: { a: { spanCount: 5 } } }), 'ok')
  assert.equal(of(set('unset')), 'unset')
  assert.equal(of({}), 'unset')
})

test('a row has a whole id, its start to the microsecond, and what the found spans say, each value once', () => {
  const spans = [
    span('unset', { 'db.query': 'a' }),
    span('unset', { 'db.query': 'b' }),
    span('ok', { 'db.query': 'a' }),
  ]
  const row = toRow(
    trace('abc', {
      durationMs: 7,
      spanSets: [
        { matched: 5, spans },
        { matched: 2, spans: [] },
      ],
    }),
    false,
  )
  assert.equal(row.id, `${'0'.repeat(29)}abc`)
  assert.equal(row.start, 1795909167786.123)
  assert.deepEqual([row.matched, row.duration, row.errors], [7, 7, 0])
  assert.deepEqual([...row.attributes], [['db.query', ['a', 'b']]])
})

/** Answers each search by its query; what was asked is in the list. */
async function backend(t: { after: (end: () => void) => void }, answer: (q: string) => readonly FoundTrace[] | string) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const q = new URL(request.url!, 'http://localhost').searchParams.get('q')!
    asked.push(q)
    const found = answer(q)
    response.statusCode = typeof found === 'string' ? 400 : 200
    response.end(typeof found === 'string' ? found : JSON.stringify({ traces: found }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => server.close())
  const client = newClient(undefined, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return { asked, find: (query: string, limit: number) => findTraces(client, query, { from: 0, to: 1000 }, limit) }
}

test('that there are more is known by one more that was asked for', async (t) => {
  const stats = { serviceStats: { a: { spanCount: 1 } } }
  const { find, asked } = await backend(t, () => [trace('a', stats), trace('b', stats)])
  const [one, two] = [await find('{ }', 1), await find('{ }', 2)]
  assert.deepEqual([one.rows.length, one.more], [1, true])
  assert.deepEqual([two.rows.length, two.more], [2, false])
  assert.equal(asked.length, 2)
})

test('a backend that counts no errors is asked which traces have one', async (t) => {
  const { find, asked } = await backend(t, (q) => (q.includes('&&') ? [trace('b')] : [trace('a'), trace('b')]))
  const { rows } = await find('{ name = "x" }', 5)
  assert.deepEqual(
    rows.map(({ status }) => status),
    ['unset', 'error'],
  )
  assert.equal(asked.length, 2)
})

test('a query that is refused with what was added to it is asked as it was written, and so is its fault told', async (t) => {
  const old = await backend(t, (q) => (q.includes('select') ? 'no such stage' : [trace('a', { serviceStats: {} })]))
  assert.equal((await old.find('{ }', 5)).rows.length, 1)
  const wrong = await backend(t, (q) => `unexpected ${q.endsWith('=') ? 'end' : 'pipe'}`)
  await assert.rejects(wrong.find('{ name =', 5), /answered 400: unexpected end$/)
})
