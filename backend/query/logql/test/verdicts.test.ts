import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLogQLError, metricsInstant, parse, print, select } from '../index.ts'
import { buildLogTable, sourceOf } from './lines.ts'
import {
  invalid,
  labelSets,
  unsupportedQueries,
  validLogs,
  validMetrics,
  verdictLines,
  verdictStartNs,
} from './verdicts.ts'

// Two tables that overlap in time, as a store may hold them.
const source = sourceOf(
  buildLogTable(verdictLines.filter((_, index) => index % 3 !== 1)),
  buildLogTable(verdictLines.filter((_, index) => index % 3 === 1)),
)
const range = { startNs: verdictStartNs, endNs: verdictStartNs + 3_600_000_000_000n }

function run(text: string) {
  const query = parse(text)
  assert.ok(query.kind === 'log')
  return select(query, source, { range, limit: 100, direction: 'forward' })
}

for (const { query, lines, shows = [] } of validLogs) {
  test(`finds: ${query}`, () => {
    const entries = run(query)
    assert.deepEqual(
      entries.map(({ timeNs }) => Number((timeNs - verdictStartNs) / 10_000_000_000n)),
      lines,
    )
    for (const [index, shown] of shows.entries()) {
      const { line, stream, structuredMetadata, parsed } = entries[index]!
      if (typeof shown === 'string') assert.equal(line, shown)
      else assert.partialDeepStrictEqual({ ...stream, ...structuredMetadata, ...parsed }, shown)
    }
  })
}

for (const { query, labels } of labelSets) {
  test(`leaves labels: ${query}`, () => {
    const [entry, ...more] = run(query)
    assert.equal(more.length, 0)
    assert.deepEqual({ ...entry!.stream, ...entry!.structuredMetadata, ...entry!.parsed }, labels)
  })
}

for (const { query, answer } of validMetrics) {
  test(`computes: ${query}`, () => {
    const parsed = parse(query)
    assert.ok(parsed.kind !== 'log')
    const result = metricsInstant(parsed, source, { timeNs: verdictStartNs + 70_000_000_000n })
    if (typeof answer === 'number' || typeof result === 'number') {
      assert.deepEqual(result, answer)
      return
    }
    const rounded = result.map(({ labels, value }) => ({ labels, value: Number(value.toPrecision(12)) }))
    assert.deepEqual(rounded, answer)
  })
}

for (const { query, line, col, message } of invalid) {
  test(`refuses: ${query}`, () => {
    assert.throws(
      () => parse(query),
      (error) => {
        assert.ok(isLogQLError(error), String(error))
        assert.equal(error.reason, 'parse')
        assert.ok(error.message.includes(message), error.message)
        assert.ok(error.message.startsWith(`parse error at line ${line}, col ${col}: `), error.message)
        return true
      },
    )
  })
}

for (const { query, construct } of unsupportedQueries) {
  test(`names as unsupported: ${query}`, () => {
    assert.throws(
      () => parse(query),
      (error) => isLogQLError(error) && error.reason === 'unsupported' && error.message.includes(construct),
    )
  })
}

test('prints every valid query so that it parses to the same tree', () => {
  for (const { query } of [...validLogs, ...labelSets, ...validMetrics]) {
    const tree = parse(query)
    assert.deepEqual(parse(print(tree)), tree, print(tree))
  }
})
