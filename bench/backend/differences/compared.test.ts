import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from './answers.ts'
import { asSelected, comparisonsBesideOr } from './as-tempo.ts'
import { beforeCompare, comparedIn, cut, inCompare, withNil, withoutArrays, writtenOf } from './compared.ts'

/** `selection span.x="a"` with its samples, one a minute. */
function answerOf(series: Record<string, readonly number[]>): Answer {
  const all = Object.entries(series).map(([name, counts]) => {
    const [, side, key, value] = /^(\w+) ([^=]+)=(.*)$/.exec(name)!
    return { key: `__meta_type={"stringValue":"${side}"} ${key}=${value}`, counts }
  })
  const samples = all.flatMap(({ key, counts }) => counts.map((count, i) => [`${key} @${i}`, count] as const))
  return {
    parts: [
      ['series', new Map(all.map(({ key }) => [key, '']))],
      ['samples', new Map(samples)],
    ],
  }
}

/** As it is given to `answerOf`. */
function seriesOf(answer: Answer): Record<string, number[]> {
  assert.ok('parts' in answer)
  const found: Record<string, number[]> = {}
  for (const [key, count] of answer.parts[1]![1]) {
    const name = key.replace(/^__meta_type=\{"stringValue":"(\w+)"\}/, '$1').replace(/ @\d*$/, '')
    found[name] = [...(found[name] ?? []), count as number]
  }
  return found
}

const text = (value: string) => `{"stringValue":"${value}"}`
const NIL = text('nil')

test('a query with compare() is taken apart and put together', () => {
  const query = '{ name = "a) | compare({ }" } | compare({ span.x = 1 }, 3, 10, 20)'
  const compared = comparedIn(query)!
  assert.deepEqual(compared, {
    before: '{ name = "a) | compare({ }" }',
    selection: '{ span.x = 1 }',
    most: 3,
    times: ', 10, 20',
  })
  assert.equal(writtenOf(compared), query)
  assert.equal(comparedIn('{ } | compare({ })')!.most, 10)
  assert.equal(comparedIn('{ } | rate()'), undefined)
  const upper = (part: string) => part.toUpperCase()
  assert.equal(beforeCompare(upper)('{ a } | compare({ b }, 2)'), '{ A } | compare({ b }, 2)')
  assert.equal(beforeCompare(upper)('{ a } | rate()'), '{ A } | RATE()')
  assert.equal(inCompare(upper)('{ a } | compare({ b }, 2)'), '{ a } | compare({ B }, 2)')
})

test('of values as frequent as the last one only how frequent they are is told', () => {
  const total = { [`selection_total span.x=${NIL}`]: [5, 5] }
  const [a, b, c] = ['a', 'b', 'c'].map((value) => `selection span.x=${text(value)}`) as [string, string, string]
  const all = answerOf({ ...total, [a]: [1, 1], [b]: [2, 2], [c]: [0, 2] })
  assert.deepEqual(seriesOf(cut(all, 2)), { ...total, [b]: [2, 2], 'selection span.x=number 2': [2] })
  assert.deepEqual(seriesOf(cut(all, 4)), seriesOf(all))
})

test('spans without what has a column of its own are nil there', () => {
  const found = seriesOf(
    withNil(
      answerOf({
        [`baseline_total kind=${NIL}`]: [4, 2],
        [`baseline_total span.http.method=${NIL}`]: [1, 2],
        [`baseline span.http.method=${text('GET')}`]: [1, 2],
        [`baseline_total span.tier=${NIL}`]: [1, 0],
        [`baseline span.tier=${text('gold')}`]: [1, 0],
      }),
    ),
  )
  assert.deepEqual(found[`baseline_total span.http.method=${NIL}`], [4, 2])
  assert.deepEqual(found[`baseline span.http.method=${text('GET')}`], [1, 2])
  assert.deepEqual(found[`baseline span.http.method=${NIL}`], [3, 0])
  assert.deepEqual(found[`baseline span.url.path=${NIL}`], [4, 2])
  assert.deepEqual(found[`baseline_total span.tier=${NIL}`], [1, 0])
  assert.equal(found[`baseline span.tier=${NIL}`], undefined)
  assert.equal(Object.keys(found).filter((key) => key.startsWith('baseline_total')).length, 18)
})

test('an array is its only element there, or nil', () => {
  const arrays = answerOf({
    [`selection_total span.tags=${NIL}`]: [6],
    'selection span.tags=[{"stringValue":"one"}]': [1],
    'selection span.tags=[{"stringValue":"one"},{"stringValue":"two"}]': [2],
    'selection span.tags=[]': [3],
  })
  assert.deepEqual(seriesOf(withoutArrays(arrays)), {
    [`selection_total span.tags=${NIL}`]: [6],
    [`selection span.tags=${text('one')}`]: [1],
    [`selection span.tags=${NIL}`]: [5],
  })
})

test('a selection is asked there of what was read of each span', () => {
  assert.equal(asSelected('{ event:name = "x" || name = "a" }'), '{ span.absent = 1 || name = "a" }')
  assert.equal(asSelected('{ span.tier = nil }'), '{ span.absent = 1 }')
  assert.equal(asSelected('{ span.http.route != nil }'), '{ duration >= 0s }')
  assert.equal(asSelected('{ span.http.route > "/" }'), '{ span.http.route > "/" || span.http.route = nil }')
  assert.equal(asSelected('{ span.http.route < "a" }'), '{ span.http.route < "a" }')
})

test('a bare truth value beside another condition is a comparison', () => {
  const of = (query: string) => comparisonsBesideOr(query, 'span.cached')
  assert.deepEqual(of('{ span.cached || span.tier = "a" } | rate()'), ['span.cached = true'])
  assert.deepEqual(of('{ !(.cached) } || { span.cached = false }'), ['.cached = true', 'span.cached = false'])
  assert.deepEqual(of('{ span.cached }'), [])
})
