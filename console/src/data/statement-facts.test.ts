import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statementFacts } from './statement-facts.ts'

test('of a statement: what PostgreSQL took, as far as it was asked, and its rows', () => {
  const duration = 2_000_000
  assert.deepEqual(
    statementFacts({
      duration,
      attributes: { 'db.response.returned_rows': 2, 'postgresql.affected_rows': 1, 'postgresql.duration_ms': 0.5 },
    }),
    [
      ['In PostgreSQL', '500 µs (25%)'],
      ['Rows', '2 returned, 1 changed'],
    ],
  )
  assert.deepEqual(statementFacts({ duration, attributes: { 'db.response.returned_rows': 0 } }), [
    ['Rows', '0 returned'],
  ])
  assert.deepEqual(statementFacts({ duration, attributes: { 'http.route': '/x' } }), [])
})
