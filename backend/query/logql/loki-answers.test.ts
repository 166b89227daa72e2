/** What Loki 3.7.6 answered about odd lines of a stream, asked on the same lines. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsInstant, parse, select } from './index.ts'
import { buildLogTable, sourceOf } from './test/lines.ts'

const labels = { service_name: 'probe', a: 's', status: '7' }
const source = (lines: readonly string[], metadata = {}) =>
  sourceOf(buildLogTable(lines.map((line, index) => ({ timeNs: BigInt(index + 1), labels, line, metadata }))))

/** The line and what stages made of it. */
function made(line: string, stages: string, metadata: Record<string, string> = {}) {
  const query = parse(`{a="s"} ${stages}`)
  assert.ok(query.kind === 'log')
  const options = { range: { startNs: 0n, endNs: 10n }, limit: 1, direction: 'forward' } as const
  const [entry] = select(query, source([line], metadata), options)
  const { __error_details__: _, ...parsed } = entry!.parsed
  return { line: entry!.line, parsed }
}

const ERROR = { __error__: 'JSONParserErr' }
const cases: readonly [line: string, stages: string, parsed: Record<string, string>][] = [
  ['k=1 k=2', '| logfmt k', { k: '2' }],
  ['k=1 k=2', '| logfmt | logfmt k', { k: '2' }],
  ['k=1 k=2', '| label_format k="hi" | logfmt k', { k: '2' }],
  ['12', '| label_format k="hi" | logfmt k', { k: '' }],
  ['status=8 status=9', '| logfmt status', { status_extracted: '8' }],
  ['a=1 k=2 k', '| logfmt z="k", z="a"', { z: '1' }],
  ['12', '| logfmt status', {}],
  ['"text"', '| json k="k"', { k: '' }],
  ['"text"', '| label_format k="hi" | json k="k"', { k: 'hi' }],
  ['{"k":"1"}', '| label_format k="hi" | json k="k"', { k: '1' }],
  ['{"status":"9","a":null}', '| json z="k" | json z="status"', { z: '9' }],
  ['{"status":"9","a":null}', '| json a="k" | json a="status"', { a_extracted: '9' }],
  ['{"msg":"cut', '| json k', { k: '' }],
  ['{"msg":"cut', '| json msg', { ...ERROR, msg: '' }],
  ['{"f":1x,"b":-n,"c":2}', '| json', { f: '1x', b: '-n', c: '2' }],
  ['{"f":1 2,"g":3}', '| json', { ...ERROR, f: '1' }],
  ['{"p":"1"}', '| label_format p="hi" | drop p | json', {}],
  ['{"status":"9"}', '| drop status | json', { status_extracted: '9' }],
]
for (const [line, stages, parsed] of cases)
  test(`${stages} of ${line}`, () => assert.deepEqual(made(line, stages).parsed, parsed))

test('a label of structured metadata that was dropped leaves its name to a parser, one that was set does not', () => {
  const line = '{"level":"error"}'
  assert.deepEqual(made(line, '| drop level | json', { level: 'fatal' }).parsed, { level: 'error' })
  assert.deepEqual(made(line, '| label_format level="" | json', { level: 'fatal' }).parsed, { level: '' })
})

test('a pattern of a label filter matches the whole value, which Loki asks of labels of the stream alone', () => {
  const found = (filter: string) => made('k=aa11', `| logfmt | ${filter}`, { id: 'aa11' })
  for (const filter of ['id=~"1.*"', 'id=~".*a"', 'k=~"1.*"']) assert.throws(() => found(filter), filter)
  for (const filter of ['id=~"aa.*"', 'id=~".*1"', 'k!~"1.*"']) assert.equal(found(filter).parsed.k, 'aa11', filter)
})

test('what follows a packed object is not looked at', () =>
  assert.deepEqual(made('{"_entry":"x2","p":"1"}x', '| unpack'), { line: 'x2', parsed: { p: '1' } }))

const lines = ['{"u":"","n":1}', '{"u":"x","n":2}', '{"n":3}', 'text']
const answers: readonly [query: string, series: Record<string, number>][] = [
  ['sum by (u) (count_over_time({a="s"} | json | __error__="" [5m]))', { '{"u":""}': 1, '{"u":"x"}': 1, '{}': 1 }],
  ['max_over_time({a="s"} | json | __error__="" | unwrap n [5m]) by (u)', { '{"u":""}': 1, '{"u":"x"}': 2, '{}': 3 }],
  [
    'max_over_time({a="s"} | json | __error__="" | n < 2 | unwrap n [5m]) without (a, status, service_name)',
    { '{}': 1 },
  ],
  [
    'last_over_time({a="s"} | json | __error__="" | unwrap n [5m]) without (a, status, service_name)',
    { '{"u":""}': 1, '{"u":"x"}': 2, '{}': 3 },
  ],
  ['count_over_time({a="s"} | json | __error__="" | n < 2 | drop n, a, status, service_name [5m])', { '{}': 1 }],
  ['sum(count_over_time({a="s"} | unpack [5m]))', { '{}': 4 }],
  ['sum(count_over_time({a="s"} | json | line_format "{{.u}}" [5m]))', { '{}': 4 }],
  ['absent_over_time({a="s"} | json [5m])', {}],
  ['absent_over_time({a="none", status=""}[5m])', { '{"a":"none"}': 1 }],
  [
    'sum by (u) (count_over_time({a="s"} | json | __error__="" | u="" | n < 2 [5m])) + sum by (u) (count_over_time({a="s"}[5m]))',
    { '{}': 5 },
  ],
  ['max_over_time({a="s"} | json n="n" | unwrap n [5m]) by (a)', { '{"a":"s"}': 3 }],
  ['max_over_time({a="s"} | label_format v="" | unwrap v [5m])', {}],
  [
    'sum by (a, status) (count_over_time({a="s"}[5m])) * on (a) group_left (a) sum by (a) (count_over_time({a="s"}[5m]))',
    { '{"status":"7","a":"s"}': 16 },
  ],
  ['sum by (u) (count_over_time({a="s"} | json | __error__="" [5m])) + on () sum(count_over_time({a="none"}[5m]))', {}],
]
for (const [text, series] of answers) {
  test(`computes: ${text}`, () => {
    const query = parse(text)
    assert.ok(query.kind !== 'log')
    const result = metricsInstant(query, source(lines), { timeNs: 10n })
    assert.ok(typeof result !== 'number')
    const found = result.map((one) => [JSON.stringify(one.labels), one.value])
    assert.deepEqual(Object.fromEntries(found), series)
  })
}

const byU = 'sum by (u) (count_over_time({a="s"} | json | __error__="" [5m]))'
const all = 'sum(count_over_time({a="s"}[5m]))'
const none = 'sum by (a) (count_over_time({a="none"}[5m]))'
const refused: readonly [query: string, side: 'left' | 'right'][] = [
  // Several of the side that may have one, though they meet nothing.
  [`${none} + ignoring (u) group_left ${byU}`, 'right'],
  [`${none} + on () ${byU}`, 'right'],
  // No comparison holds, but would they hold, series were the same.
  [`${byU} > on () ${all}`, 'left'],
  [`${byU} > on () group_left (u) ${all}`, 'left'],
  [`${all} < on () group_right (u) ${byU}`, 'right'],
  // An empty label and an absent one make the same series.
  [`${byU} > on () group_left ${all}`, 'left'],
]
for (const [text, side] of refused) {
  test(`refuses: ${text}`, () => {
    const query = parse(text)
    assert.ok(query.kind !== 'log')
    const ask = () => metricsInstant(query, source(lines), { timeNs: 10n })
    assert.throws(ask, new RegExp(`several series of the ${side} side`))
  })
}
