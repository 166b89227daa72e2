import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from './index.ts'
import { TEMPLATE_FUNCTIONS } from './template/functions.ts'

const page = readFileSync(new URL('../../../docs/logql.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/```logql\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.trim().split('\n'))

test('every example of docs/logql.md is a query; test/documented-queries.test.ts asks them', () => {
  assert.ok(examples.length > 25)
  for (const example of examples) parse(example)
})

test('the page names every template function of its own', () => {
  const words = new Set(page.match(/\w+/g))
  const go = new Set('eq ne lt le gt ge not len index slice print println printf html js urlquery'.split(' '))
  assert.deepEqual(
    Object.keys(TEMPLATE_FUNCTIONS).filter((name) => !go.has(name) && !words.has(name)),
    [],
  )
})
