/**
 * Worker thread. Vectors that grow while data comes in. What one of them has outgrown, or gives back, the next ones take: a head
 * fills and empties many times a minute, and the collector would run for that alone.
 */

/** Bytes kept for the next ones. */
const MAX_SPARE_BYTES = 24 << 20
const LEAST_BYTES = 256

/** By size, which is a power of two. */
const spare = new Map<number, ArrayBuffer[]>()
let spareBytes = 0

/** What is in it is of no meaning. */
function takeBytes(size: number): ArrayBuffer {
  const found = spare.get(size)?.pop()
  if (found === undefined) return new ArrayBuffer(size)
  spareBytes -= size
  return found
}

function giveBytes(bytes: ArrayBuffer): void {
  const size = bytes.byteLength
  if (size < LEAST_BYTES || spareBytes + size > MAX_SPARE_BYTES) return
  const same = spare.get(size)
  if (same === undefined) spare.set(size, [bytes])
  else same.push(bytes)
  spareBytes += size
}

/** Lets go of what is kept. */
export function giveUpSpareBytes(): void {
  spare.clear()
  spareBytes = 0
}

/** The next size that holds so many bytes. */
function sizeFor(bytes: number): number {
  let size = LEAST_BYTES
  while (size < bytes) size *= 2
  return size
}

/** Whole numbers of 32 bits. */
export class Ints {
  /** Those from `length` on are of no meaning. */
  data = new Int32Array(takeBytes(LEAST_BYTES))
  length = 0

  push(value: number): void {
    if (this.length === this.data.length) this.grow()
    this.data[this.length++] = value
  }

  private grow(): void {
    const larger = new Int32Array(takeBytes(this.data.byteLength * 2))
    larger.set(this.data)
    giveBytes(this.data.buffer)
    this.data = larger
  }

  /** It must not be used any more. */
  release(): void {
    giveBytes(this.data.buffer)
    this.data = RELEASED_INTS
    this.length = Number.NaN
  }
}

/** Numbers, without the boxing of a plain array of doubles. */
export class Floats {
  data = new Float64Array(takeBytes(LEAST_BYTES))
  length = 0

  push(value: number): void {
    if (this.length === this.data.length) this.grow()
    this.data[this.length++] = value
  }

  private grow(): void {
    const larger = new Float64Array(takeBytes(this.data.byteLength * 2))
    larger.set(this.data)
    giveBytes(this.data.buffer)
    this.data = larger
  }

  release(): void {
    giveBytes(this.data.buffer)
    this.data = RELEASED_FLOATS
    this.length = Number.NaN
  }
}

/** Ids: few bytes each. */
export class Ids {
  data = Buffer.from(takeBytes(LEAST_BYTES))
  length = 0

  push(source: Uint8Array, start: number, size: number): void {
    if (this.length + size > this.data.length) this.grow(this.length + size)
    const { data, length } = this
    for (let i = 0; i < size; i++) data[length + i] = source[start + i]!
    this.length = length + size
  }

  private grow(least: number): void {
    const larger = Buffer.from(takeBytes(sizeFor(Math.max(this.data.length * 2, least))))
    this.data.copy(larger, 0, 0, this.length)
    giveBytes(this.data.buffer as ArrayBuffer)
    this.data = larger
  }

  release(): void {
    giveBytes(this.data.buffer as ArrayBuffer)
    this.data = Buffer.alloc(0)
    this.length = Number.NaN
  }
}

const RELEASED_INTS = new Int32Array(0)
const RELEASED_FLOATS = new Float64Array(0)
