import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { check, metricsRange, parse, search } from './index.ts'
import { exampleSpans } from './test/data.ts'
import { plainSource } from './test/spans.ts'

const BASE = 1_760_000_000_000_000_000n
const source = plainSource(exampleSpans(BASE))
const page = readFileSync(new URL('../../../docs/traceql.md', import.meta.url), 'utf8')

const examples = [...page.matchAll(/```traceql\n([\s\S]*?)```/g)].flatMap((block) => block[1]!.trim().split('\n'))

test('every example of docs/traceql.md finds something', () => {
  assert.ok(examples.length > 30)
  for (const example of examples) {
    const query = check(parse(example))
    const range = { startNs: BASE, endNs: BASE + 10_000_000_000n }
    const found = query.kind === 'search' ? search(query, source) : metricsRange(query, source, { range })
    assert.ok(found.length > 0, example)
  }
})

test('every error of docs/traceql.md reads as printed there', () => {
  const section = page.slice(page.indexOf('## Errors'), page.indexOf('## Differences'))
  const rows = [...section.matchAll(/^\| `(.+)` +\| (.+?) +\|$/gm)].map((row) =>
    row.slice(1).map((cell) => cell.replaceAll('\\|', '|')),
  )
  assert.equal(rows.length, 4)
  for (const [query, message] of rows) assert.throws(() => check(parse(query!)), { message: message! })
})
