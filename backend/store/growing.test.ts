import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Floats, giveUpSpareBytes, Ids, Ints } from './growing.ts'

test('vectors that take over memory of others hold what was pushed to them, and nothing else', () => {
  const numbers = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 700 })
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 2, maxLength: 6 }), fc.boolean(), (all, together) => {
      const made = all.map((values) => {
        const [ints, floats, ids] = [new Ints(), new Floats(), new Ids()]
        for (const value of values) {
          ints.push(value)
          floats.push(value / 3)
          ids.push(Buffer.from([9, value & 255, (value >> 8) & 255, 9]), 1, 2)
        }
        const check = () => {
          assert.deepEqual([...ints.data.subarray(0, ints.length)], values)
          assert.deepEqual(
            [...floats.data.subarray(0, floats.length)],
            values.map((value) => value / 3),
          )
          assert.deepEqual(
            [...ids.data.subarray(0, ids.length)],
            values.flatMap((value) => [value & 255, (value >> 8) & 255]),
          )
        }
        const release = () => {
          for (const vector of [ints, floats, ids]) vector.release()
        }
        check()
        if (!together) release()
        return { check, release }
      })
      if (together) for (const { check } of made) check()
      if (together) for (const { release } of made) release()
    }),
    { numRuns: 60 },
  )
  giveUpSpareBytes()
})

test('an id longer than what there is room for makes room', () => {
  const ids = new Ids()
  const long = Buffer.alloc(1000, 7)
  ids.push(long, 0, 1000)
  assert.deepEqual(ids.data.subarray(0, ids.length), long)
  ids.release()
})
