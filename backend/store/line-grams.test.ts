import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { anyCharacter } from '../../test/any-text.ts'
import { LEAST_BYTES, mayContain, packGrams } from './line-grams.ts'

const hex = (seed: string) => createHash('sha256').update(seed).digest('hex').slice(0, 32)

test('whatever a text contains is never denied', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: anyCharacter, minLength: 1, maxLength: 200 }),
      fc.nat(),
      fc.nat(),
      fc.constantFrom(0, LEAST_BYTES),
      (text, from, length, least) => {
        const bytes = Buffer.from(text)
        const start = from % bytes.length
        const part = bytes.subarray(start, start + Math.max(least, length % bytes.length))
        assert.ok(mayContain(packGrams(bytes)!, part), JSON.stringify(text))
      },
    ),
    { numRuns: 100 },
  )
})

test('ids that no line has are nearly always denied, and the filter takes little', () => {
  const lines = Array.from({ length: 2_000 }, (_, i) => `{"msg":"order placed","trace_id":"${hex(`id ${i}`)}"}\n`)
  const bits = packGrams(Buffer.from(lines.join('')))!
  assert.ok(bits.length <= 16_384, `${bits.length} bytes`)
  const wrong = Array.from({ length: 1_000 }, (_, i) => mayContain(bits, Buffer.from(hex(`other ${i}`)))).filter(
    Boolean,
  )
  assert.ok(wrong.length < 20, `${wrong.length} of 1000`)
  assert.ok(mayContain(bits, Buffer.from('too short')))
})

test('lines of which each byte is different have no filter', () => {
  const noise = Buffer.concat(Array.from({ length: 60_000 }, (_, i) => createHash('sha256').update(`${i}`).digest()))
  assert.equal(packGrams(noise), undefined)
})
