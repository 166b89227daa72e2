import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsInstant, parse } from '../../../backend/query/logql/index.ts'
import { buildLogTable, sourceOf } from '../../../backend/query/logql/test/lines.ts'
import { unitOf, volumeQuery } from './derived.ts'

test('lines over time count those a parser can not read, and bear a comment at the end of the query', () => {
  const lines = ['{"n":1}', 'no json'].map((line) => ({
    timeNs: 5n,
    labels: { a: 'b' },
    metadata: { detected_level: 'info' },
    line,
  }))
  for (const query of ['{a="b"}', '{a="b"} | json', '{a="b"} | json # all of them']) {
    const tree = parse(volumeQuery(query).replace('$__interval', '1m'))
    assert.ok(tree.kind !== 'log')
    const found = metricsInstant(tree, sourceOf(buildLogTable(lines)), { timeNs: 10n })
    assert.deepEqual(found, [{ labels: { detected_level: 'info' }, value: 2 }], query)
  }
})

test('a quantile has the unit of what its buckets count', () => {
  const quantile = (name: string) => unitOf(`histogram_quantile(0.95, sum by (le) (rate(${name}[5m])))`)
  assert.equal(quantile('http_request_size_bytes_bucket'), 'bytes')
  assert.equal(quantile('http_request_duration_seconds_bucket'), 's')
  assert.equal(unitOf('rate(http_request_size_bytes_bucket[5m])'), undefined)
})
