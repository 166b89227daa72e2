import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meaning } from '../language/test/meaning.ts'
import { readVerdicts } from '../language/test/verdicts.ts'
import { LogQLError, metricsInstant, parse, print, select } from './index.ts'
import { exampleLines, exampleStartNs } from './test/data.ts'
import { buildLogTable, sourceOf } from './test/lines.ts'

// Two tables that overlap in time, as a store may hold them.
const source = sourceOf(
  buildLogTable(exampleLines.filter((_, index) => index % 3 !== 1)),
  buildLogTable(exampleLines.filter((_, index) => index % 3 === 1)),
)
const range = { startNs: exampleStartNs, endNs: exampleStartNs + 3_600_000_000_000n }
const verdicts = (name: string) => readVerdicts(new URL(`test/verdicts/${name}.txt`, import.meta.url))

function run(text: string) {
  const query = parse(text)
  assert.ok(query.kind === 'log')
  return select(query, source, { range, limit: 100, direction: 'forward' })
}

for (const { query, answer } of verdicts('logs')) {
  test(`finds: ${query}`, () => {
    // `4 {...}` is a line that shows something, `4 5` are two that don't.
    const wanted = answer.flatMap((text): { number: number; shows?: unknown }[] => {
      const [, number, shows] = /^(\d+) (["{].*)$/.exec(text) ?? []
      if (number !== undefined) return [{ number: Number(number), shows: JSON.parse(shows!) }]
      return text === '(none)' ? [] : text.split(' ').map((one) => ({ number: Number(one) }))
    })
    const entries = run(query)
    assert.deepEqual(
      entries.map(({ timeNs }) => Number((timeNs - exampleStartNs) / 10_000_000_000n)),
      wanted.map(({ number }) => number),
    )
    for (const [index, { shows }] of wanted.entries()) {
      const { line, stream, structuredMetadata, parsed } = entries[index]!
      if (typeof shows === 'string') assert.equal(line, shows)
      else if (shows) assert.partialDeepStrictEqual({ ...stream, ...structuredMetadata, ...parsed }, shows)
    }
  })
}

for (const { query, answer } of verdicts('labels')) {
  test(`leaves labels: ${query}`, () => {
    const [entry, ...more] = run(query)
    assert.equal(more.length, 0)
    const labels = { ...entry!.stream, ...entry!.structuredMetadata, ...entry!.parsed }
    assert.deepEqual(
      [labels],
      answer.map((text) => JSON.parse(text)),
    )
  })
}

for (const { query, answer } of verdicts('metrics')) {
  test(`computes: ${query}`, () => {
    const parsed = parse(query)
    assert.ok(parsed.kind !== 'log')
    const result = metricsInstant(parsed, source, { timeNs: exampleStartNs + 70_000_000_000n })
    if (typeof result === 'number') {
      assert.deepEqual([String(result)], answer)
      return
    }
    const rounded = result.map(({ labels, value }) => ({ labels, value: Number(value.toPrecision(12)) }))
    const wanted = answer.flatMap((text) => {
      const [, labels, value] = /^(\{.*\}) (\S+)$/.exec(text) ?? []
      if (labels === undefined) assert.equal(text, '(none)')
      return labels === undefined ? [] : [{ labels: JSON.parse(labels), value: Number(value) }]
    })
    assert.deepEqual(rounded, wanted)
  })
}

const refusals = [
  ['syntax', verdicts('syntax-errors')],
  ['unsupported', verdicts('unsupported-errors')],
] as const
for (const [kind, table] of refusals) {
  for (const { query, answer } of table) {
    test(`refuses: ${query}`, () => {
      assert.throws(
        () => parse(query),
        (error) => {
          assert.ok(error instanceof LogQLError, String(error))
          const { line, column, reason, hint } = error
          assert.equal(error.kind, kind)
          assert.deepEqual([`${line}:${column} ${reason}${hint === undefined ? '' : ` (${hint})`}`], answer)
          const place = `line ${line}, col ${column}`
          const worded = kind === 'syntax' ? `parse error at ${place}: ${reason}` : `${reason} (${place})`
          assert.equal(error.message, hint === undefined ? worded : `${worded}. Hint: ${hint}`)
          return true
        },
      )
    })
  }
}

test('prints every valid query so that it parses to the same tree', () => {
  for (const { query } of [...verdicts('logs'), ...verdicts('labels'), ...verdicts('metrics')]) {
    const tree = parse(query)
    assert.deepEqual(meaning(parse(print(tree))), meaning(tree), print(tree))
  }
})
