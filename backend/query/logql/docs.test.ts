import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { metricsInstant, parse, select } from './index.ts'
import { TEMPLATE_FUNCTIONS } from './template/functions.ts'
import { exampleLines, exampleStartNs } from './test/data.ts'
import { buildLogTable, sourceOf } from './test/lines.ts'

const page = readFileSync(new URL('../../../docs/logql.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/```logql\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.trim().split('\n'))
const source = sourceOf(buildLogTable(exampleLines))
const endNs = exampleStartNs + 71_000_000_000n

test('the page has examples', () => assert.ok(examples.length > 25))

for (const example of examples) {
  test(`documented: ${example}`, () => {
    const query = parse(example)
    if (query.kind === 'log') {
      const range = { startNs: exampleStartNs, endNs }
      const entries = select(query, source, { range, limit: 100, direction: 'backward' })
      assert.ok(entries.length > 0)
      assert.ok(entries.every(({ parsed }) => parsed.__error__ !== 'TemplateFormatErr'))
    } else {
      const result = metricsInstant(query, source, { timeNs: endNs })
      assert.ok(typeof result === 'number' || result.length > 0)
    }
  })
}

test('the page names every template function of its own', () => {
  const words = new Set(page.match(/\w+/g))
  const go = new Set('eq ne lt le gt ge not len index slice print println printf html js urlquery'.split(' '))
  assert.deepEqual(
    Object.keys(TEMPLATE_FUNCTIONS).filter((name) => !go.has(name) && !words.has(name)),
    [],
  )
})
