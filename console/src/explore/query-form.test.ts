import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parser } from '@grafana/lezer-traceql'
import fc from 'fast-check'
import { NO_FIELDS, OPERATORS, readLength, type SearchFields, STATUSES, toFields, toQuery } from './query-form.ts'

const fields = (some: Partial<SearchFields>): SearchFields => ({ ...NO_FIELDS, ...some })

test('fields are the query that one would write, and the query is those fields', () => {
  const cases: readonly (readonly [Partial<SearchFields>, string])[] = [
    [{}, '{ }'],
    [{ service: 'order-service', status: 'error' }, '{ resource.service.name = "order-service" && status = error }'],
    [{ operation: 'say "hi" \\ {&&}' }, '{ name = "say \\"hi\\" \\\\ {&&}" }'],
    [{ min: '1.5ms', max: '2s' }, '{ duration >= 1.5ms && duration <= 2s }'],
    [{ tags: [{ tag: 'span.http.route', op: '=~', value: '/api/.*' }] }, '{ span.http.route =~ "/api/.*" }'],
    [{ tags: [{ tag: 'span.a b', op: '=', value: 'x' }] }, '{ span."a b" = "x" }'],
    [{ tags: [{ tag: 'http.status', op: '>=', value: '500' }] }, '{ .http.status >= 500 }'],
    [{ tags: [{ tag: 'span.code', op: '=', value: '"500"' }] }, '{ span.code = "500" }'],
    [{ tags: [{ tag: 'kind', op: '!=', value: 'server' }] }, '{ kind != server }'],
    [{ tags: [{ tag: 'span.kind', op: '=', value: 'server' }] }, '{ span.kind = "server" }'],
    [
      { service: 'a', tags: [{ tag: 'resource.service.name', op: '=', value: 'b' }] },
      '{ resource.service.name = "a" && resource.service.name = "b" }',
    ],
  ]
  for (const [some, query] of cases) {
    assert.equal(toQuery(fields(some)), query)
    assert.deepEqual(toFields(query), fields(some), query)
  }
})

test('what a form can’t say, it doesn’t: it has no fields for that', () => {
  const queries = [
    '{ status = error || kind = server }',
    '{ (status = error) }',
    '{ status = error } | count() > 2',
    '{ } >> { }',
    '{ span.a = span.b }',
    '{ span.a }',
    '{ name = }',
    '{ name = "a" && }',
    '{ && name = "a" }',
    '{ name = "\\x41" }',
    'name',
    '{ } with(most_recent=true)',
  ]
  for (const query of queries) assert.equal(toFields(query), undefined, query)
})

test('fields that are written are read back, whatever is in them', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('5', '-1.5', 'true', '"', '`', 'a b', '"a"', '\n'),
  )
  const value = text.filter((one) => one.trim() === one && one !== '')
  // Text in quotes of its own is shown without them.
  const plain = value.filter((one) => !/^["`].*["`]$/s.test(one))
  const tag = fc.record({
    tag: fc.oneof(
      fc.constantFrom('kind', 'span.http.route', 'resource.x'),
      plain.map((one) => `span.${one}`),
    ),
    op: fc.constantFrom(...OPERATORS),
    value: plain,
  })
  const length = fc.constantFrom('', '5ms', '1.5s', '3h')
  const any = fc.record({
    service: fc.oneof(fc.constant(''), plain),
    operation: fc.oneof(fc.constant(''), plain),
    status: fc.constantFrom('', ...STATUSES),
    min: length,
    max: length,
    tags: fc.array(tag, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(any, (given) => {
      const query = toQuery(given)
      assert.doesNotMatch(String(parser.parse(query)), /⚠/, query)
      const read = toFields(query)
      assert.ok(read, query)
      assert.equal(toQuery(read), query)
    }),
  )
})

test('a duration without a unit is milliseconds', () => {
  assert.equal(readLength(' 20 '), '20ms')
  assert.equal(readLength('1.5s'), '1.5s')
  for (const text of ['', '5 apples', '-1s', 'ms']) assert.equal(readLength(text), undefined)
})
