/** Macros and variables in SQL, and that no value becomes SQL. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillSql } from './panel-sql.ts'
import type { VariableValue } from './src/data/interpolate.ts'

const values = (...all: string[]): [string, VariableValue][1] => ({ values: all, text: all.join(' + '), multi: false })
const scope = {
  range: { from: Date.parse('2026-01-01T00:00:00Z'), to: Date.parse('2026-01-01T12:00:00Z') },
  intervalMs: 15_000,
  variables: new Map([
    ['id', values("O'Brien")],
    ['several', values('a', 'b.c')],
    ['none', values()],
    ['empty', values('')],
    ['slash', values("\\' or true --")],
  ]),
}
const fill = (sql: string) => fillSql(sql, scope)

test('a value is a quoted literal, several are a list of them, none is NULL', () => {
  assert.equal(fill('$id ${id} [[id]] ${id:sqlstring}'), "'O''Brien' 'O''Brien' 'O''Brien' 'O''Brien'")
  assert.equal(
    fill('x IN ($several) OR x IN (${several:csv}) OR x IN ($none)'),
    "x IN ('a', 'b.c') OR x IN ('a', 'b.c') OR x IN (NULL)",
  )
  assert.equal(fill("(${empty:sqlstring} = '' OR user_id::text = $empty)"), "('' = '' OR user_id::text = '')")
  assert.equal(fill('x ~ ${several:regex} OR x = ${several:pipe}'), "x ~ '(a|b\\.c)' OR x = 'a|b.c'")
})

test('in a literal a value is part of its text', () => {
  assert.equal(
    fill("x LIKE '%$id%' AND y = 'it''s $id' AND z > interval '$__interval'"),
    "x LIKE '%O''Brien%' AND y = 'it''s O''Brien' AND z > interval '15s'",
  )
})

test('macros', () => {
  const from = "'2026-01-01T00:00:00.000Z'"
  const to = "'2026-01-01T12:00:00.000Z'"
  assert.equal(fill('$__timeFilter(a.at)'), `a.at BETWEEN ${from} AND ${to}`)
  assert.equal(fill('at > $__timeFrom() AND at < $__timeTo'), `at > ${from} AND at < ${to}`)
  assert.equal(fill('$__timeGroup(coalesce(a, b), $__interval)'), 'floor(extract(epoch from coalesce(a, b)) / 15) * 15')
  assert.equal(fill("$__timeGroupAlias(at,'5m')"), 'floor(extract(epoch from at) / 300) * 300 AS "time"')
  assert.equal(fill('$__time(at), $__timeEpoch(at)'), 'at AS "time", extract(epoch from at) AS "time"')
  assert.equal(fill('$__interval_ms, $__from / 1000, $__range_s'), '15000, 1767225600000 / 1000, 43200')
})

test('what is no variable stays, comments go', () => {
  assert.equal(
    fill("SELECT $1, $x, 'costs $5', a[1], ARRAY[[1,2]], tag$id"),
    "SELECT $1, $x, 'costs $5', a[1], ARRAY[[1,2]], tag$id",
  )
  assert.equal(fill("SELECT 1 -- $id it's\n+ 2 /* \"$id' */ + 3"), 'SELECT 1  \n+ 2   + 3')
  assert.equal(
    fill(`SELECT "it's", E'it\\'s', $$it's$$, $a$ '"' $a$, $id`),
    `SELECT "it's", E'it\\'s', $$it's$$, $a$ '"' $a$, 'O''Brien'`,
  )
})

test('where a value can’t be put in safely it is refused', () => {
  for (const sql of ['SELECT "$id"', "SELECT E'$id'", 'SELECT $$ $id $$', 'SELECT $a$ $id $a$'])
    assert.throws(() => fill(sql), /A variable can stand alone or in a plain '...' literal, but not in/, sql)
  for (const sql of ["SELECT 'a $id", "SELECT E'a\\' $slash", 'SELECT "$id', 'SELECT /* $id', 'SELECT $a$ $id'])
    assert.throws(() => fill(sql), /that nothing ends/, sql)
  // Neither name is one of our variables: PostgreSQL will say that it knows no such column.
  for (const sql of ['SELECT E$slash', 'SELECT e${slash}']) assert.equal(fill(sql), sql)
})

test('what a macro can’t do is named', () => {
  assert.throws(() => fill('$__timeFilter'), /\$__timeFilter needs the name of a column/)
  assert.throws(() => fill('$__timeGroup(at)'), /needs a width such as '5m', not nothing/)
  assert.throws(() => fill('$__timeGroup(at, $id)'), /not 'O''Brien'/)
  assert.throws(() => fill("$__timeGroup(at, '5m', NULL)"), /Filling gaps with NULL is not supported/)
  assert.throws(() => fill('$__unixEpochFilter(at)'), /The macro \$__unixEpochFilter is not supported/)
})
