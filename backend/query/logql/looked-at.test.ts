import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LogQLError, metricsRange, parse } from './index.ts'
import type { Labels } from './log-table.ts'
import { buildLogTable, type LogLine, sourceOf } from './test/lines.ts'

const line: fc.Arbitrary<LogLine> = fc.record({
  timeNs: fc.integer({ min: 1, max: 9 }).map((ms) => BigInt(ms) * 1_000_000n),
  labels: fc.constantFrom<Labels>({ app: 'a' }, { app: 'a', who: 'own' }, { app: 'a', who_extracted: 'own' }),
  metadata: fc.constantFrom<Labels>({}, { level: 'info' }, { n: '7', level_extracted: 'odd' }),
  line: fc.constantFrom(
    ...[
      '{"n":1,"who":"ann","level":"x","more":"1"}',
      '{"n":2,"level_extracted":"y","who":"","n":3}',
      '{"n":"z","who":"bob"}',
    ],
    ...[
      'n=4 who=cy level=z level_extracted=y',
      'n=5 n=6 who_extracted=me',
      '{"n":8,"who":{"n":9},"__error__":"said"',
      '12',
      '',
    ],
    ...['{"n":1.5,"__preserve_error__":"true","who_n":"k"}', '{"_entry":"n=3","who":"ann","more":"2"}'],
  ),
})
const filter = fc.constantFrom(
  ...['__error__=""', 'n > 1', 'n_extracted < 9', 'level!="x"', 'more="1" or level_extracted="y"', '__error__!~"J.*"'],
)
const stage = fc.oneof(
  fc.constantFrom('| json', '| logfmt', '| json n="who.n"', '| logfmt n', '| unpack', '| regexp "(?P<n>[0-9])"'),
  fc.constantFrom('| pattern "<who>:<n>,"', '| drop n', '| drop who, level="x"', '| keep n, who', '|= "n"'),
  filter.map((text) => `| ${text}`),
)
const query = fc.record({
  op: fc.constantFrom('max_over_time', 'last_over_time', 'count_over_time', 'bytes_over_time'),
  stages: fc.array(stage, { minLength: 1, maxLength: 4 }),
  unwrap: fc.constantFrom('n', 'n', 'n_extracted', 'bytes(who_n)'),
  filter: fc.option(filter, { nil: '__error__=""' }),
  by: fc.subarray(['who', 'level', 'level_extracted', 'who_extracted', 'more', '__error__', 'app']),
})

test('labels that nobody looks at are left in their lines, and no answer or error is another for that', () => {
  fc.assert(
    fc.property(query, fc.array(line, { maxLength: 8 }), ({ op, stages, unwrap, filter, by }, lines) => {
      const source = sourceOf(buildLogTable(lines))
      const ask = (more: string): unknown => {
        const counts = /^(count|bytes)/.test(op)
        const number = counts ? `| ${filter}` : `| unwrap ${unwrap} | ${filter}`
        const inner = `${op}({app="a"} ${stages.join(' ')} ${more} ${number} [5ms])`
        const tree = parse(counts ? `sum by (${by.join(', ')}) (${inner})` : `${inner} by (${by.join(', ')})`)
        assert.ok(tree.kind !== 'log')
        try {
          return metricsRange(tree, source, { startNs: 0n, endNs: 12_000_000n, stepNs: 2_000_000n })
        } catch (error) {
          assert.ok(error instanceof LogQLError, String(error))
          return error.message
        }
      }
      // That changes nothing, but may look at all.
      assert.deepEqual(ask(''), ask('| label_format gone=gone'))
    }),
    { numRuns: 2000 },
  )
})
