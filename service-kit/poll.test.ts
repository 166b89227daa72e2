import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from './poll.ts'

test('the first answer that is one is the result: not undefined, null or false, but 0 and an empty text', async () => {
  const answers = [undefined, null, false, 'here', 'too late']
  assert.equal(await until('an answer', 10, () => answers.shift()), 'here')
  assert.deepEqual(answers, ['too late'])
  assert.equal(await until('a count', 0, async () => 0), 0)
  assert.equal(await until('a text', 0, () => ''), '')
})

test('what the question or the check throws means not yet', async () => {
  let asked = 0
  const answer = await until(
    'five',
    10,
    async () => {
      asked += 1
      if (asked < 3) throw new Error('away')
      return asked
    },
    async (count) => assert.equal(count, 5),
  )
  assert.equal(answer, 5)
  assert.equal(asked, 5)
})

test('after the time it fails with what was waited for and the last thing that was wrong; 0 s ask once', async () => {
  let asked = 0
  const never = until('the order', 0, () => {
    asked += 1
    throw new Error(`try ${asked}`)
  })
  await assert.rejects(never, ({ message, cause }: Error) => {
    assert.equal(message, 'the order: not within 0 s: try 1')
    assert.equal((cause as Error).message, 'try 1')
    return true
  })
  assert.equal(asked, 1)
  await assert.rejects(
    until('true', 0, () => false),
    { message: 'true: not within 0 s', cause: undefined },
  )
  const started = performance.now()
  await assert.rejects(
    until('nothing', 0.1, () => undefined),
    /nothing: not within 0.1 s/,
  )
  assert.ok(performance.now() - started >= 95)
})
