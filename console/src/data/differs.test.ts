import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompareAnswer,
  compareQuery,
  comparisonIn,
  comparisonOf,
  comparisonsOf,
  type Difference,
  differsHref,
  narrowed,
  percent,
  rank,
  sentence,
  sidesOf,
} from './differs.ts'

const errors = { spans: 'kind = server', selection: 'status = error', against: '' }

/** `selection name=a 3`; `:` stands before a number. */
const answer = (...lines: string[]): CompareAnswer => ({
  series: lines.map((line) => {
    const [, type, key, value, count] = /^(\w+) ([^=]+)=(\S*) (\d+)$/.exec(line)!
    const typed = value!.startsWith(':') ? { intValue: value!.slice(1) } : { stringValue: value! }
    return {
      labels: [
        { key: '__meta_type', value: { stringValue: type! } },
        { key: key!, value: typed },
      ],
      value: Number(count),
    }
  }),
})

test('the query is what one would write by hand', () => {
  assert.equal(compareQuery(errors), '{ kind = server } | compare({ status = error }, 30)')
  assert.equal(compareQuery({ ...errors, spans: '' }), '{ } | compare({ status = error }, 30)')
  assert.equal(
    compareQuery({ ...errors, against: 'status = ok' }),
    '{ (kind = server) && ((status = error) || (status = ok)) } | compare({ status = error }, 30)',
  )
  assert.equal(
    compareQuery({ spans: '', selection: '', against: '', window: { from: 1000, to: 2000 } }),
    '{ } | compare({ }, 30, 1000000000, 2000000000)',
  )
})

test('a query with compare() is a comparison, whatever stands in its strings and comments', () => {
  const window = { from: 1000, to: 2000 }
  for (const comparison of [errors, { ...errors, spans: '' }, { ...errors, selection: '', window }]) {
    assert.deepEqual(comparisonOf(compareQuery(comparison)), comparison)
  }
  assert.deepEqual(
    comparisonOf(
      '{ name = "a | compare({ x })" } // | compare({ y })\n| compare( { span.a = "}" /* , 3 */ } , 7 ) with(a=b)',
    ),
    { spans: 'name = "a | compare({ x })"', selection: 'span.a = "}"', against: '' },
  )
  assert.deepEqual(comparisonOf('{ .a = 1 } >> { .b = 2 } | compare({ status = error })'), {
    ...errors,
    spans: '{ .a = 1 } >> { .b = 2 }',
  })
  for (const other of ['{ }', '{ } | rate()', '{ } | compare({ .a = 1 }, 3) | topk(2)', '{ } | compare({ .a = 1']) {
    assert.equal(comparisonOf(other), undefined, other)
  }
})

test('a value leads to the selected spans that have it, and to those that lack it', () => {
  const value = { text: '/a', literal: '"/a"', selected: 1, other: 0 }
  assert.equal(narrowed(errors, 'span.x', value), '{ (kind = server) && (status = error) && (span.x = "/a") }')
  assert.equal(
    narrowed({ ...errors, spans: '', selection: '' }, 'span.x', { ...value, literal: undefined }),
    '{ span.x = nil }',
  )
  assert.deepEqual(sidesOf(errors), {
    selected: '{ (kind = server) && (status = error) }',
    others: '{ (kind = server) && (!(status = error)) }',
  })
})

test('a search leads to what differs from all others, and where its spans failed', () => {
  const of = (query: string) => comparisonsOf(query).map(({ comparison }) => compareQuery(comparison))
  assert.deepEqual(of('{ name = "a}" }'), [
    '{ } | compare({ name = "a}" }, 30)',
    '{ name = "a}" } | compare({ status = error }, 30)',
  ])
  assert.deepEqual(of('{ status = error }'), ['{ } | compare({ status = error }, 30)'])
  assert.deepEqual(of('{ }'), ['{ } | compare({ status = error }, 30)'])
  assert.deepEqual(of('{ kind = server } >> { kind = client }'), [
    '{ kind = server } >> { kind = client } | compare({ status = error }, 30)',
  ])
  const [below] = comparisonsOf('{ kind = server } >> { kind = client }')
  assert.equal(sidesOf(below!.comparison).others, '{ kind = server } >> { kind = client } | { !(status = error) }')
})

test('what the address says is what it was made from', () => {
  const comparison = {
    spans: 'kind = server',
    selection: 'duration > 1s',
    against: 'name = "a & b"',
    window: { from: 5, to: 9 },
  }
  const href = differsHref(comparison, { from: 'now-1h', to: 'now' })
  assert.deepEqual(comparisonIn(new URL(href, 'http://localhost').searchParams), comparison)
  assert.equal(comparisonIn(new URLSearchParams('spans=x')), undefined)
})

test('attributes are ranked by the largest distance between two shares, missing ones included', () => {
  const { selected, others, ranked } = rank(
    answer(
      'selection_total name=nil 10',
      'baseline_total name=nil 100',
      'selection_total span.region=nil 9',
      'baseline_total span.region=nil 100',
      'selection span.region=north 9',
      'baseline span.region=north 4',
      'baseline span.region=south 96',
      'selection_total span.code=nil 10',
      'baseline_total span.code=nil 50',
      'selection span.code=:500 10',
      'baseline span.code=:200 50',
      'selection_total resource.host=nil 10',
      'baseline_total resource.host=nil 100',
      'selection resource.host=a 10',
      'baseline resource.host=a 100',
    ),
  )
  assert.deepEqual([selected, others], [10, 100])
  assert.deepEqual(
    ranked.map(({ attribute, distance }) => [attribute, distance]),
    [
      ['span.code', 1],
      ['span.region', 0.96],
    ],
  )
  assert.deepEqual(ranked[0]!.values, [
    { text: '500', literal: '500', selected: 1, other: 0 },
    { text: '200', literal: '200', selected: 0, other: 0.5 },
    { text: 'not there', literal: undefined, selected: 0, other: 0.5 },
  ])
  assert.equal(
    sentence({ selected, others, ranked }, errors),
    '100 % of the selected spans have span.code = 500, of the others 0 %.',
  )
  assert.equal(
    sentence({ selected, others, ranked }, { ...errors, selection: 'span.code = 500' }),
    '90 % of the selected spans have span.region = "north", of the others 4 %.',
  )
})

test('a difference that explains nothing is told as that, and what every failure has is no news', () => {
  const both = (attribute: string, value: string, selected: number, other: number) => [
    `selection_total ${attribute}=nil 100`,
    `baseline_total ${attribute}=nil 100`,
    `selection ${attribute}=${value} ${selected}`,
    `baseline ${attribute}=${value} ${other}`,
  ]
  const totals = ['name', 'kind', 'status'].flatMap((one) => [
    `selection_total ${one}=nil 100`,
    `baseline_total ${one}=nil 100`,
  ])
  const weak = rank(answer(...totals, ...both('span.error.type', 'x', 100, 0), ...both('span.user.id', '7', 9, 2)))
  assert.equal(
    sentence(weak, { spans: '', selection: 'status = error', against: '' }),
    'Nothing differs clearly. At most: 9 % of the selected spans have span.user.id = "7", of the others 2 %.',
  )
  assert.match(
    sentence(weak, { spans: '', selection: 'duration > 1s', against: '' })!,
    /^100 % of .* span.error.type = "x"/,
  )
})

test('where nothing is found or nothing differs, nothing is said', () => {
  assert.deepEqual(rank({}), { selected: 0, others: 0, ranked: [] })
  const same = answer(
    'selection_total name=nil 2',
    'baseline_total name=nil 4',
    'selection_total kind=nil 2',
    'baseline_total kind=nil 4',
    'selection kind=server 2',
    'baseline kind=server 4',
  )
  assert.deepEqual(rank(same), { selected: 2, others: 4, ranked: [] })
  const twice = answer('selection_total name=nil 4', 'selection_total kind=nil 2', 'selection_total status=nil 2')
  assert.equal(rank(twice).selected, 2)
  assert.equal(sentence(rank({}), errors), undefined)
})

test('an array is told whole, and searched by its elements', () => {
  const found = answer('selection_total name=nil 1', 'baseline_total name=nil 1')
  const values = [{ stringValue: 'a' }, { intValue: '5' }]
  const labels = [
    { key: '__meta_type', value: { stringValue: 'selection' } },
    { key: 'span.x', value: { arrayValue: { values } } },
  ]
  const [{ attribute, values: told }] = rank({ series: [...found.series!, { labels, value: 1 }] }).ranked as [
    Difference,
  ]
  assert.equal(told[0]!.text, 'a, 5')
  assert.equal(
    narrowed(errors, attribute, told[0]!),
    '{ (kind = server) && (status = error) && (span.x = "a") && (span.x = 5) }',
  )
})

test('words of the language stand without quotes', () => {
  const { ranked } = rank(
    answer(
      'selection_total name=nil 1',
      'baseline_total name=nil 1',
      'selection_total status=nil 1',
      'baseline_total status=nil 1',
      'selection status=error 1',
      'baseline status=unset 1',
    ),
  )
  assert.deepEqual(
    ranked.map(({ values }) => values.map(({ literal }) => literal)),
    [['error', 'unset']],
  )
})

test('shares are whole per cents, and little is not nothing', () => {
  assert.deepEqual([0, 0.001, 0.014, 0.5, 0.996, 1].map(percent), ['0 %', '<1 %', '1 %', '50 %', '>99 %', '100 %'])
})
