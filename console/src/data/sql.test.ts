import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluateSelect, parseSelect, requiredValues } from './sql.ts'

const rows = [
  { id: 1, recorded_at: '2026-01-01T00:00:00Z', user_id: 42, action: 'purchase', trace_id: 'aa' },
  { id: 2, recorded_at: '2026-01-01T01:00:00Z', user_id: 4, action: "o'clock", trace_id: null },
  { id: 10, recorded_at: '2026-01-02T00:00:00Z', user_id: 42, action: 'refund', trace_id: 'bb' },
]
const range = { from: Date.parse('2026-01-01T00:00:00Z'), to: Date.parse('2026-01-01T12:00:00Z') }
const ids = (where: string, wide = true) =>
  evaluateSelect(
    parseSelect(`SELECT id FROM audit_logs ${where}`),
    rows,
    wide ? { from: 0, to: Number.MAX_SAFE_INTEGER } : range,
  ).map((row) => row.id)

test('conditions', () => {
  assert.deepEqual(ids('WHERE $__timeFilter(recorded_at)', false), [1, 2])
  assert.deepEqual(ids("WHERE user_id::text = '42'"), [1, 10])
  assert.deepEqual(ids("WHERE ('' = '' OR user_id::text = '')"), [1, 2, 10])
  assert.deepEqual(ids("WHERE ('4' = '' OR user_id::text = '4')"), [2])
  assert.deepEqual(ids("WHERE action = 'o''clock'"), [2])
  assert.deepEqual(ids("WHERE action LIKE 'p%' OR id > 5"), [1, 10])
  assert.deepEqual(ids("WHERE trace_id <> 'aa'"), [10], 'a null is neither equal nor unequal')
})

test('order, limit and names', () => {
  assert.deepEqual(ids('ORDER BY id DESC LIMIT 2'), [10, 2])
  const [row] = evaluateSelect(
    parseSelect('select id as number, action from audit_logs order by id limit 1'),
    rows,
    range,
  )
  assert.deepEqual(row, { number: 1, action: 'purchase' })
})

test('equalities are asked of the API', () => {
  const where = (text: string) => requiredValues(parseSelect(`SELECT id FROM audit_logs WHERE ${text}`).where)
  assert.deepEqual(
    where("$__timeFilter(recorded_at) AND ('42' = '' OR user_id::text = '42') AND ('' = '' OR trace_id = '')"),
    { user_id: '42' },
  )
  assert.deepEqual(where('user_id = 1 OR order_id = 2'), {})
})

test('what it cannot do is named', () => {
  assert.throws(() => parseSelect('SELECT count(*) FROM audit_logs'), /can't do "\("/)
  assert.throws(() => parseSelect('DELETE FROM audit_logs'), /"DELETE" where SELECT should stand/)
  assert.throws(() => parseSelect('SELECT id FROM audit_logs JOIN users'), /"JOIN"/)
  assert.throws(() => parseSelect("SELECT id FROM audit_logs WHERE id ~ 'x'"), /can't do "~ 'x'"/)
})
