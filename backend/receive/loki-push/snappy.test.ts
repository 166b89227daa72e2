import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { snappyOf } from '../../test/loki-push.ts'
import { unsnappy } from './snappy.ts'

const LIMIT = 1 << 20
const text = (...parts: (number | string)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))))

test('literals and copies of all forms', () => {
  const long = 'x'.repeat(100)
  const longer = 'y'.repeat(300)
  const cases: [Buffer, string][] = [
    [text(0), ''],
    [text(3, 2 << 2, 'abc'), 'abc'],
    // Lengths of literals in one byte behind the tag, and in two, three and four.
    [text(100, 60 << 2, 99, long), long],
    [text(0xac, 0x02, 61 << 2, 43, 1, longer), longer],
    [text(0xac, 0x02, 62 << 2, 43, 1, 0, longer), longer],
    [text(0xac, 0x02, 63 << 2, 43, 1, 0, 0, longer), longer],
    // Copies of 4 to 11 bytes with 11 bits of offset; of up to 64 with 16 bits and with 32.
    [text(8, 3 << 2, 'abcd', 1, 4), 'abcdabcd'],
    [text(10, 3 << 2, 'abcd', (5 << 2) | 2, 4, 0), 'abcdabcdab'],
    [text(6, 3 << 2, 'abcd', (1 << 2) | 3, 3, 0, 0, 0), 'abcdbc'],
    // It repeats what it has written itself.
    [text(13, 1 << 2, 'ab', (7 << 2) | 1, 2), `${'ab'.repeat(6)}a`],
    [text(0xaf, 0x02, 61 << 2, 43, 1, `z${longer.slice(1)}`, (2 << 2) | 2, 44, 1), `z${longer.slice(1)}zyy`],
    [text(0xb0, 0x02, 61 << 2, 43, 1, `z${longer.slice(1)}`, (1 << 5) | 1, 44), `z${longer.slice(1)}zyyy`],
  ]
  for (const [block, wanted] of cases) assert.equal(unsnappy(block, LIMIT).toString(), wanted)
})

test('what is no block is refused with the reason', () => {
  const cases: [Buffer, number, RegExp][] = [
    [text(), 400, /ends inside its length/],
    [text(0x80), 400, /ends inside its length/],
    [text(0xff, 0xff, 0xff, 0xff, 0xff, 1), 400, /beyond 32 bits/],
    [text(0x81, 0x80, 0x40), 413, /larger than 1048576 bytes when decompressed/],
    [text(0x80, 0x80, 0x20), 400, /3 bytes can't hold the 524288 they announce/],
    [text(3, 2 << 2, 'ab'), 400, /ends inside a literal at byte 1/],
    [text(3, 61 << 2, 1), 400, /ends inside an element/],
    [text(2, 2 << 2, 'abc'), 400, /longer than the 2 bytes announced/],
    [text(4, 2 << 2, 'abc'), 400, /has 3 of the 4 bytes announced/],
    [text(8, 3 << 2, 'abcd', 1, 5), 400, /the copy at byte 6 begins outside/],
    [text(8, 3 << 2, 'abcd', 1, 0), 400, /the copy at byte 6 begins outside/],
    [text(7, 3 << 2, 'abcd', 1, 4), 400, /longer than the 7 bytes announced/],
    [text(8, 3 << 2, 'abcd', 1), 400, /ends inside an element/],
    [text(0xff, 6, 0, 0, 'sNaPpY'), 400, /framing format/],
  ]
  for (const [block, status, message] of cases)
    assert.throws(() => unsnappy(block, LIMIT), { status, message }, block.toString('hex'))
})

test('any bytes are a text or a refusal', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        assert.ok(unsnappy(Buffer.from(bytes), LIMIT).length <= LIMIT)
      } catch (error) {
        assert.ok([400, 413].includes((error as { status: number }).status))
      }
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.deepEqual(new Uint8Array(unsnappy(snappyOf(bytes), LIMIT)), bytes)
    }),
  )
})
