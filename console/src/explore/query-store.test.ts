import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asked, forgotten, named, type Queries, readQueries, refusal, unnamed, writeQueries } from './query-store.ts'

const NONE: Queries = { history: [], saved: [] }

/** A browser's storage with so much room. */
function storage(room = Number.POSITIVE_INFINITY) {
  const items = new Map<string, string>()
  const store = {
    getItem: (key: string) => items.get(key) ?? null,
    setItem(key: string, value: string) {
      if (value.length > room) throw new DOMException('full', 'QuotaExceededError')
      items.set(key, value)
    },
  }
  return { items, store: () => store }
}

test('the latest query comes first and stands once, and no more are kept than a list can show', () => {
  let queries = NONE
  for (let n = 0; n < 80; n++) queries = asked(queries, `{ .n = ${n} }`, n)
  queries = asked(queries, '{ .n = 60 }', 100)
  assert.equal(queries.history.length, 50)
  assert.deepEqual(
    queries.history.slice(0, 2).map(({ query }) => query),
    ['{ .n = 60 }', '{ .n = 79 }'],
  )
  assert.equal(new Set(queries.history.map(({ query }) => query)).size, 50)
  assert.equal(asked(queries, ' ', 101), queries)
  assert.equal(asked(queries, 'x'.repeat(10_001), 101), queries)
  assert.equal(forgotten(queries, '{ .n = 60 }').history.length, 49)
})

test('a name has one query, the one that was saved last, and what can not be saved is told why', () => {
  let queries = named(named(NONE, 'b', '{ a }'), ' a ', '{ b }')
  queries = named(queries, 'b', '{ c }')
  assert.deepEqual(queries.saved, [
    { name: 'a', query: '{ b }' },
    { name: 'b', query: '{ c }' },
  ])
  assert.deepEqual(unnamed(queries, 'a').saved, [{ name: 'b', query: '{ c }' }])
  assert.equal(refusal(queries, 'x', '{ }'), undefined)
  assert.match(refusal(queries, ' ', '{ }') ?? '', /1 to 100/)
  assert.match(refusal(queries, 'x', ' ') ?? '', /no query/)
  for (let n = queries.saved.length; n < 100; n++) queries = named(queries, `n${n}`, '{ }')
  assert.match(refusal(queries, 'x', '{ }') ?? '', /Delete one/)
  assert.equal(refusal(queries, 'a', '{ }'), undefined)
})

test('what was kept is there again, by source, and what else lies there is nothing', () => {
  const { store, items } = storage()
  const queries = named(asked(NONE, '{ }', 1), 'all', '{ }')
  assert.equal(writeQueries(store, 'tempo', queries), true)
  assert.deepEqual(readQueries(store, 'tempo'), queries)
  assert.deepEqual(readQueries(store, 'loki'), NONE)
  const [key] = [...items.keys()]
  for (const broken of [
    '',
    '{',
    'null',
    '[]',
    '7',
    '{"history":7,"saved":{"a":1}}',
    '{"history":[null,{"query":1}]}',
  ]) {
    items.set(key!, broken)
    assert.deepEqual(readQueries(store, 'tempo'), NONE, broken)
  }
})

test('a full storage keeps the names and lets the history go; one that keeps nothing says so', () => {
  const { store } = storage(600)
  let queries = named(NONE, 'mine', '{ }')
  for (let n = 0; n < 40; n++) queries = asked(queries, `{ .n = ${n} }`, n)
  assert.equal(writeQueries(store, 'tempo', queries), true)
  const kept = readQueries(store, 'tempo')
  assert.deepEqual(kept.saved, queries.saved)
  assert.deepEqual(kept.history, queries.history.slice(0, 10))
  assert.equal(writeQueries(storage(5).store, 'tempo', queries), false)
  const forbidden = () => {
    throw new DOMException('no', 'SecurityError')
  }
  assert.equal(writeQueries(forbidden, 'tempo', queries), false)
  assert.deepEqual(readQueries(forbidden, 'tempo'), NONE)
})
