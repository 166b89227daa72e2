import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createBudget, parse, select } from './index.ts'
import { createPatternMiner } from './pattern-miner.ts'
import { buildLogTable, sourceOf } from './test/lines.ts'

function minedOf(lines: readonly string[]) {
  const miner = createPatternMiner()
  for (const line of lines) miner.add(line, 'info', 0)
  return miner.patterns()
}
const textsOf = (lines: readonly string[]) => minedOf(lines).map(({ text, lines: count }) => [text, count])

test('what differs between lines becomes a placeholder, what is said otherwise another pattern', () => {
  assert.deepEqual(
    textsOf([
      'order 17 took 20 ms',
      'order 18 took 3 ms',
      'order 19 took 3 ms',
      'user bob signed in',
      'user eve signed in',
      'stopped',
      '',
    ]),
    [
      ['order <_> took <_> ms', 3],
      ['user <_> signed in', 2],
      ['stopped', 1],
    ],
  )
  assert.deepEqual(textsOf(['ts=1 level=info msg="got 5"', 'ts=2 level=info msg="got 6"']), [
    ['ts=<_> level=info msg="got <_>"', 2],
  ])
  assert.deepEqual(textsOf(['{"a":1,"b":"x"}', '{"a":2,"b":"x"}']), [['{"a":<_>,"b":"x"}', 2]])
})

test('lines are counted by level and step', () => {
  const miner = createPatternMiner()
  for (const [level, step] of [
    ['info', 1],
    ['info', 2],
    ['info', 2],
    ['error', 2],
  ] as const)
    miner.add('took 5 ms', level, step)
  assert.deepEqual(
    miner.patterns().map(({ level, counts, lines }) => [level, [...counts], lines]),
    [
      [
        'info',
        [
          [1, 1],
          [2, 2],
        ],
        3,
      ],
      ['error', [[2, 1]], 1],
    ],
  )
})

test('every line that counts for a pattern passes the filter with it', () => {
  const word = fc.constantFrom('took', '5', 'ms', 'a', '<b>', '<_>', 'x=1', '"q"', 'took5', '', '\\', '`', 'é')
  const line = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(' '))
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 20 }), (lines) => {
      const source = sourceOf(buildLogTable(lines.map((text) => ({ timeNs: 1n, labels: { a: 'b' }, line: text }))))
      for (const { text, lines: count } of minedOf(lines)) {
        const query = parse(`{a="b"} |> ${JSON.stringify(text)}`)
        assert.ok(query.kind === 'log')
        const range = { startNs: 0n, endNs: 10n }
        const passing = select(query, source, { range, limit: 100, direction: 'forward', budget: createBudget() })
        assert.ok(passing.length >= count, `${text} stands for ${count} lines, and ${passing.length} pass`)
      }
    }),
    { numRuns: 300 },
  )
})

test('whatever lines come, it holds some patterns and takes bounded time', () => {
  const before = process.cpuUsage()
  const long = 'x'.repeat(1 << 20)
  const lines = [
    long,
    `${long} `,
    '= '.repeat(100_000),
    'a '.repeat(100_000),
    '<'.repeat(100_000),
    ...Array.from(
      { length: 5_000 },
      (_, k) => `${k.toString(36).replace(/\d/g, 'q')} ${'=,;'.repeat(k % 40)} ${k} b${k} c${k}`,
    ),
  ]
  const patterns = minedOf(lines)
  assert.ok(patterns.length > 10 && patterns.length <= 1000, String(patterns.length))
  assert.ok(patterns.every(({ text }) => text.length <= 3_100))
  assert.ok(process.cpuUsage(before).user < 3_000_000)
})
