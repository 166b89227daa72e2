import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { check, parse } from './index.ts'

const page = readFileSync(new URL('../../../docs/traceql.md', import.meta.url), 'utf8')

const examples = [...page.matchAll(/```traceql\n([\s\S]*?)```/g)].flatMap((block) => block[1]!.trim().split('\n'))

test('every example of docs/traceql.md is a query; test/documented-queries.test.ts asks them', () => {
  assert.ok(examples.length > 30)
  for (const example of examples) check(parse(example))
})

test('every error of docs/traceql.md reads as printed there', () => {
  const section = page.slice(page.indexOf('## Errors'), page.indexOf('## Differences'))
  const rows = [...section.matchAll(/^\| `(.+)` +\| (.+?) +\|$/gm)].map((row) =>
    row.slice(1).map((cell) => cell.replaceAll('\\|', '|')),
  )
  assert.equal(rows.length, 4)
  for (const [query, message] of rows) assert.throws(() => check(parse(query!)), { message: message! })
})
