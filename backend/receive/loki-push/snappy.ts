/**
 * Main thread. Snappy's block format, decompressed: the length of the text, then literals and copies of what was written
 * before (https://github.com/google/snappy/blob/main/format_description.txt).
 */
import { httpError } from '../../http.ts'
import { grownTooLarge } from '../body.ts'

/** The kind of an element, in the lowest two bits of its first byte. */
const LITERAL = 0
const COPY_1 = 1
const COPY_2 = 2

/** Literals up to 60 bytes have their length in the first byte; beyond, one to four bytes behind it have it. */
const LONGEST_SHORT_LITERAL = 60
/** 64 bytes made of three are the most that an element can do. */
const MOST_GROWTH = 22
/** How the framing format begins, which files and streams have: a chunk `sNaPpY`. */
const FRAMED = Buffer.from([0xff, 6, 0, 0, ...Buffer.from('sNaPpY')])

/** The text in `bytes`. Throws an HttpError: 413 when it is longer than `limit` bytes, 400 when it is no such block. */
export function unsnappy(bytes: Buffer, limit: number): Buffer {
  if (bytes.subarray(0, FRAMED.length).equals(FRAMED)) throw broken('this is the framing format, not a block')
  const [length, start] = readLength(bytes)
  if (length > limit) throw grownTooLarge(limit)
  if (length > bytes.length * MOST_GROWTH) throw broken(`${bytes.length} bytes can't hold the ${length} they announce`)
  const text = Buffer.allocUnsafe(length)
  let from = start
  let to = 0

  const number = (size: number): number => {
    if (from + size > bytes.length) throw broken(`it ends inside an element at byte ${from}`)
    from += size
    return size === 0 ? 0 : bytes.readUIntLE(from - size, size)
  }

  while (from < bytes.length) {
    const at = from
    const tag = number(1)
    const kind = tag & 3
    if (kind === LITERAL) {
      const short = (tag >>> 2) + 1
      const size = short <= LONGEST_SHORT_LITERAL ? short : number(short - LONGEST_SHORT_LITERAL) + 1
      if (from + size > bytes.length) throw broken(`it ends inside a literal at byte ${at}`)
      if (to + size > length) throw broken(`the text is longer than the ${length} bytes announced`)
      to += bytes.copy(text, to, from, from + size)
      from += size
      continue
    }
    const size = kind === COPY_1 ? 4 + ((tag >>> 2) & 7) : 1 + (tag >>> 2)
    const back = kind === COPY_1 ? ((tag >>> 5) << 8) | number(1) : number(kind === COPY_2 ? 2 : 4)
    if (back === 0 || back > to) throw broken(`the copy at byte ${at} begins outside of the text`)
    if (to + size > length) throw broken(`the text is longer than the ${length} bytes announced`)
    // A copy may reach into itself: it then repeats what lies between.
    for (const end = to + size; to < end; to++) text[to] = text[to - back]!
  }
  if (to !== length) throw broken(`the text has ${to} of the ${length} bytes announced`)
  return text
}

/** A varint of 32 bits, and where it ends. */
function readLength(bytes: Buffer): [length: number, end: number] {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i]
    if (byte === undefined) throw broken('it ends inside its length')
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if (length >= 2 ** 32) break
      return [length, i + 1]
    }
  }
  throw broken('its length is beyond 32 bits')
}

const broken = (problem: string) => httpError(400, `The body is no snappy block: ${problem}.`)
