import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRefusals } from './refusals.ts'

test('a refusal is told once an hour, and no more of them than a log can bear', () => {
  const said: string[] = []
  let now = 5
  const tell = createRefusals(
    (text) => said.push(text),
    () => now,
  )
  for (const reason of ['', 'delta', 'delta', 'late']) tell('metrics', reason)
  tell('traces', 'delta')
  assert.deepEqual(said, ['Refused metrics: delta', 'Refused metrics: late', 'Refused traces: delta'])
  now += 3_600_000
  tell('metrics', 'delta')
  assert.equal(said.length, 4)
  for (let i = 0; i < 100; i++) tell('logs', `${i}\u001b[2J\u202e${'x'.repeat(10_000)}`)
  assert.equal(said.length, 25)
  assert.match(said.at(-2)!, /^Refused logs: 19 \[2J x{490,}$/)
  assert.match(said.at(-1)!, /^More logs are refused, for other reasons: /)
  tell('traces', 'delta')
  assert.equal(said.at(-1), 'Refused traces: delta')
})
