/** Protobuf's wire format, written front to back: https://protobuf.dev/programming-guides/encoding/ */

/** Up to here a loop in JavaScript writes a text faster than a call into Node does. */
const SHORT_TEXT = 64
const TWO_TO_32 = 2 ** 32

/** The tag of a field: its number and how its value is written. */
export const tag = {
  varint: (field: number) => field << 3,
  fixed64: (field: number) => (field << 3) | 1,
  /** Texts, bytes and messages. */
  sized: (field: number) => (field << 3) | 2,
  fixed32: (field: number) => (field << 3) | 5,
}

/** What `char` code stands for as a digit of a hexadecimal number. */
const DIGITS = new Uint8Array(128)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  DIGITS[digit.charCodeAt(0)] = value
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value
}

/**
 * Writes fields one after the other into a buffer that grows. A message is what stands between `begin` and `end`: its length,
 * which goes before it, is put there at its end. Whoever sends the bytes may keep them: a writer is used once.
 */
export class ProtobufWriter {
  bytes: Buffer
  at = 0

  /** `size` is a guess at how many bytes will be written. */
  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
  }

  /** All that was written. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }

  /** Makes room for `size` more bytes. */
  room(size: number): void {
    if (this.at + size <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + size))
    this.bytes.copy(larger, 0, 0, this.at)
    this.bytes = larger
  }

  /** An unsigned integer of up to 32 bits. */
  uint32(value: number): void {
    this.room(5)
    let rest = value
    while (rest > 127) {
      this.bytes[this.at++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.bytes[this.at++] = rest
  }

  /** An integer of 64 bits with a sign, as varint; exact as far as the number is. */
  int64(value: number): void {
    this.room(10)
    let low = value >>> 0
    // Floor of a negative number and the bits of two's complement go together.
    let high = Math.floor(value / TWO_TO_32) >>> 0
    while (high > 0 || low > 127) {
      this.bytes[this.at++] = (low & 127) | 128
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.bytes[this.at++] = low
  }

  fixed32(value: number): void {
    this.room(4)
    const { bytes } = this
    bytes[this.at++] = value
    bytes[this.at++] = value >>> 8
    bytes[this.at++] = value >>> 16
    bytes[this.at++] = value >>> 24
  }

  double(value: number): void {
    this.room(8)
    this.at = this.bytes.writeDoubleLE(value, this.at)
  }

  /** Seconds and nanoseconds as nanoseconds, 64 bits. */
  nanoseconds([seconds, nanoseconds]: readonly [number, number]): void {
    // The product needs more bits than a number has: its lower half by itself, and from that the upper one.
    const low = Math.imul(seconds, 1e9) >>> 0
    const high = Math.round((seconds * 1e9 - low) / TWO_TO_32)
    const sum = low + nanoseconds
    this.fixed32(sum >>> 0)
    this.fixed32(high + Math.floor(sum / TWO_TO_32))
  }

  /** A text as UTF-8 with its length before it; what is no character becomes U+FFFD. */
  text(value: string): void {
    if (value.length > SHORT_TEXT || !this.ascii(value)) this.encoded(value)
  }

  /** False where the text is none, and then nothing has been written. */
  private ascii(value: string): boolean {
    const { length } = value
    this.room(length + 1)
    const { bytes } = this
    let at = this.at + 1
    for (let n = 0; n < length; n++) {
      const code = value.charCodeAt(n)
      if (code > 127) return false
      bytes[at++] = code
    }
    bytes[this.at] = length
    this.at = at
    return true
  }

  private encoded(value: string): void {
    const size = Buffer.byteLength(value)
    this.uint32(size)
    this.room(size)
    this.at += this.bytes.write(value, this.at)
  }

  /** Bytes with their length before them. */
  data(value: Uint8Array): void {
    this.uint32(value.length)
    this.room(value.length)
    this.bytes.set(value, this.at)
    this.at += value.length
  }

  /** The bytes of an id in hexadecimal digits, with their length before them. */
  id(digits: string): void {
    const size = digits.length >> 1
    this.uint32(size)
    this.room(size)
    const { bytes } = this
    for (let n = 0; n < size; n++) {
      bytes[this.at++] = (DIGITS[digits.charCodeAt(2 * n)]! << 4) | DIGITS[digits.charCodeAt(2 * n + 1)]!
    }
  }

  /**
   * Begins a message and returns where it begins, for `end`. `reserved` is how many bytes its length will take, most
   * likely: 1 up to 127, 2 up to 16,383; where it takes others the message is moved.
   */
  begin(reserved: number): number {
    this.room(reserved)
    this.at += reserved
    return this.at
  }

  end(begin: number, reserved: number): void {
    const length = this.at - begin
    const size = length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : length < 268_435_456 ? 4 : 5
    if (size !== reserved) {
      this.room(size)
      this.bytes.copyWithin(begin + size - reserved, begin, this.at)
    }
    this.at = begin - reserved
    this.uint32(length)
    this.at += length
  }
}
