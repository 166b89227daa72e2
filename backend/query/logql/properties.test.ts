import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { meaning } from '../language/test/meaning.ts'
import type { Query } from './ast.ts'
import { LogQLError, metricsRange, parse, print, select } from './index.ts'
import { logQuery, metricQuery } from './test/arbitraries.ts'
import { buildLogTable, type LogLine, sourceOf } from './test/lines.ts'

test('parse(print(tree)) is the tree', () => {
  fc.assert(
    fc.property(fc.oneof<fc.Arbitrary<Query>[]>(logQuery, metricQuery), (made) => {
      assert.deepEqual(meaning(parse(print(made))), meaning(made))
    }),
    { numRuns: 400 },
  )
})

test('any text is parsed or refused with a LogQLError', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    'a="b"',
    '|',
    '|=',
    'json',
    '(',
    ')',
    '[5m]',
    'sum',
    'rate',
    '"x"',
    'by',
    ',',
    '5',
    '`',
    '\\',
    '\n',
    '.',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((all) => all.join(' ')),
      ),
      (input) => {
        try {
          parse(input)
        } catch (error) {
          assert.ok(error instanceof LogQLError, String(error))
        }
      },
    ),
    { numRuns: 1000 },
  )
})

const baseNs = 1_700_000_000_000_000_000n
const line: fc.Arbitrary<LogLine> = fc.record({
  timeNs: fc.integer({ min: 0, max: 120 }).map((s) => baseNs + BigInt(s) * 1_000_000_000n),
  labels: fc.record({ app: fc.constantFrom('x', 'y'), level: fc.constantFrom('info', 'error') }),
  line: fc.constantFrom(
    '{"id":"t1","n":2}',
    '{"id":"t2","n":5}',
    'plain t1',
    'über t2',
    '{"id":"t\\u0031"}',
    '',
    '{"id":"tttt1111","n":1}',
  ),
  metadata: fc.option(fc.record({ id: fc.constantFrom('t1', 'tttt1111') }), { nil: undefined }),
})
const tables = fc.array(fc.array(line, { maxLength: 12 }), { minLength: 1, maxLength: 4 })

const idOf = ({ labels: _, line: body, metadata }: LogLine): string => {
  if (metadata?.id !== undefined) return metadata.id
  try {
    return String(JSON.parse(body).id ?? '')
  } catch {
    return ''
  }
}

test('finds the lines that a plain loop finds, in order, whatever the tables', () => {
  const cases: [string, (one: LogLine) => boolean][] = [
    ['{app="x"}', ({ labels }) => labels.app === 'x'],
    ['{app=~".+"} |= "t1"', ({ line: body }) => body.includes('t1')],
    ['{app=~".+"} != "t1" |~ "t[12]"', ({ line: body }) => !body.includes('t1') && /t[12]/.test(body)],
    ['{app=~".+"} | id="t1"', ({ metadata }) => metadata?.id === 't1'],
    ['{app=~".+"} | json | id="t1"', (one) => idOf(one) === 't1'],
    ['{app=~".+"} | json | id="tttt1111"', (one) => idOf(one) === 'tttt1111'],
    [
      '{app=~".+"} | level="error" or id="t1"',
      ({ labels, metadata }) => labels.level === 'error' || metadata?.id === 't1',
    ],
  ]
  fc.assert(
    fc.property(tables, fc.integer({ min: 1, max: 8 }), fc.boolean(), (batches, limit, forward) => {
      const source = sourceOf(...batches.map(buildLogTable))
      const range = { startNs: baseNs + 10_000_000_000n, endNs: baseNs + 100_000_000_000n }
      for (const [query, matches] of cases) {
        const tree = parse(query)
        assert.ok(tree.kind === 'log')
        const found = select(tree, source, { range, limit, direction: forward ? 'forward' : 'backward' })
        const wanted = batches
          .flat()
          .filter((one) => one.timeNs >= range.startNs && one.timeNs < range.endNs && matches(one))
          .map(({ timeNs }) => timeNs)
          .sort((a, b) => (a < b === forward ? -1 : a === b ? 0 : 1))
        assert.deepEqual(
          found.map(({ timeNs }) => timeNs),
          wanted.slice(0, limit),
          query,
        )
      }
    }),
    { numRuns: 150 },
  )
})

test('counts per window what a plain loop counts', () => {
  fc.assert(
    fc.property(tables, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (batches, rangeS, stepS) => {
      const source = sourceOf(...batches.map(buildLogTable))
      const [startNs, endNs, stepNs] = [baseNs, baseNs + 120_000_000_000n, BigInt(stepS) * 1_000_000_000n]
      for (const query of [
        `sum by (level) (count_over_time({app=~".+"}[${rangeS}s]))`,
        `sum by (level) (sum_over_time({app=~".+"} | label_format one="1" | unwrap one [${rangeS}s]))`,
      ]) {
        const tree = parse(query)
        assert.ok(tree.kind !== 'log')
        const found = new Map(
          metricsRange(tree, source, { startNs, endNs, stepNs }).flatMap(({ labels, points }) =>
            points.map(({ timeNs, value }): [string, number] => [`${labels.level} ${timeNs}`, value]),
          ),
        )
        const wanted = new Map<string, number>()
        for (let timeNs = startNs; timeNs <= endNs; timeNs += stepNs) {
          for (const { timeNs: at, labels } of batches.flat()) {
            if (at > timeNs || at <= timeNs - BigInt(rangeS) * 1_000_000_000n) continue
            const key = `${labels.level} ${timeNs}`
            wanted.set(key, (wanted.get(key) ?? 0) + 1)
          }
        }
        assert.deepEqual(new Map([...found].sort()), new Map([...wanted].sort()))
      }
    }),
    { numRuns: 100 },
  )
})
