import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse, select } from '../index.ts'
import { buildLogTable, sourceOf } from '../test/lines.ts'

function extracted(line: string): string | undefined {
  const tree = parse('{a="b"} | json v="v"')
  assert.ok(tree.kind === 'log')
  const source = sourceOf(buildLogTable([{ timeNs: 1n, labels: { a: 'b' }, line }]))
  const options = { range: { startNs: 0n, endNs: 10n }, limit: 1, direction: 'forward' } as const
  return select(tree, source, options)[0]?.parsed.v
}

test('an extracted number keeps its text', () => {
  const numbers = [
    '0.1234567890123456789',
    '-0',
    '-0.0',
    '1.0',
    '1e3',
    '0.0000001',
    '12345678901234567890',
    '-7',
    '0',
    '1.5',
  ]
  for (const number of numbers) assert.equal(extracted(`{"v": ${number}}`), number)
})
