/**
 * Worker thread. Times of log lines, exact to the nanosecond however far apart they are: 64 bits each, and for queries,
 * which reckon in doubles, stretches short enough for these.
 */
import { packNumbers, unpackNumbers } from './encoding.ts'

/** Whole numbers below it are exact as doubles: 104 days of nanoseconds. */
const EXACT = 2 ** 53
const HALF = 0x1_0000_0000

/** Times in the order they come in. */
export class TimesBuilder {
  private data = new BigUint64Array(1024)
  private halves = new Uint32Array(this.data.buffer)
  private length = 0

  /** Nanoseconds since the epoch in two halves of 32 bits. */
  push(hi: number, lo: number): void {
    if (this.length === this.data.length) {
      const larger = new BigUint64Array(this.length * 2)
      larger.set(this.data)
      this.data = larger
      this.halves = new Uint32Array(larger.buffer)
    }
    this.halves[this.length * 2] = lo
    this.halves[this.length * 2 + 1] = hi
    this.length++
  }

  /** Rows in order of time; those of one time keep theirs. */
  order(): Uint32Array {
    const { halves } = this
    return Uint32Array.from({ length: this.length }, (_, i) => i).sort(
      (a, b) => halves[a * 2 + 1]! - halves[b * 2 + 1]! || halves[a * 2]! - halves[b * 2]! || a - b,
    )
  }

  /** Whether rows `a` and `b` have the same time. */
  equal(a: number, b: number): boolean {
    const { halves } = this
    return halves[a * 2] === halves[b * 2] && halves[a * 2 + 1] === halves[b * 2 + 1]
  }

  /** The times at the places `order`. */
  gather(order: Uint32Array): BigUint64Array {
    const target = new BigUint64Array(order.length)
    const halves = new Uint32Array(target.buffer)
    for (let i = 0; i < order.length; i++) {
      halves[i * 2] = this.halves[order[i]! * 2]!
      halves[i * 2 + 1] = this.halves[order[i]! * 2 + 1]!
    }
    return target
  }
}

/** Rows `from` .. `to - 1`: time = `baseNs + offset[row - from]`, both exact. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly baseNs: bigint
  readonly offset: Float64Array
}

/** Whether lines from the one time to the other make one stretch. */
export const isOneStretch = (firstNs: bigint, lastNs: bigint): boolean => lastNs - firstNs < BigInt(EXACT)

/** `times` (ascending) cut where a line lies too far from the first of its stretch; nearly always there is one. */
export function stretchesOf(times: BigUint64Array): Stretch[] {
  const stretches: Stretch[] = []
  for (let from = 0; from < times.length; ) {
    const offset = offsets(times, from)
    let to = from + 1
    while (to < times.length && offset[to - from]! < EXACT) to++
    stretches.push({ from, to, baseNs: times[from]!, offset: offset.subarray(0, to - from) })
    from = to
  }
  return stretches
}

/** Distances from the time at `from`, up to the first that a double can't hold. */
function offsets(times: BigUint64Array, from: number): Float64Array {
  const halves = new Uint32Array(times.buffer, times.byteOffset, times.length * 2)
  const lo = halves[from * 2]!
  const hi = halves[from * 2 + 1]!
  const offset = new Float64Array(times.length - from)
  for (let i = 0; i < offset.length; i++) {
    offset[i] = (halves[(from + i) * 2 + 1]! - hi) * HALF + (halves[(from + i) * 2]! - lo)
    if (offset[i]! >= EXACT) break
  }
  return offset
}

/**
 * As a block's sections: differences from the time before, and where these would lose digits the times themselves
 * beside them. (Versions that know no `farTimes` read the rest of such a block all the same.)
 */
export function packTimes(times: BigUint64Array): [name: string, bytes: Buffer][] {
  const halves = new Uint32Array(times.buffer, times.byteOffset, times.length * 2)
  const deltas = new Float64Array(times.length)
  for (let i = 1; i < deltas.length; i++)
    deltas[i] = (halves[i * 2 + 1]! - halves[i * 2 - 1]!) * HALF + (halves[i * 2]! - halves[i * 2 - 2]!)
  const near = times.length === 0 || times[times.length - 1]! - times[0]! < BigInt(EXACT)
  const exact = Buffer.from(times.buffer, times.byteOffset, times.byteLength)
  return near
    ? [['times', packNumbers(deltas)]]
    : [
        ['times', packNumbers(deltas)],
        ['farTimes', exact],
      ]
}

/** What `packTimes` packed: `far` when there is such a section. The first time is `minNs`. */
export function unpackTimes(near: Buffer, far: Buffer | undefined, rows: number, minNs: bigint): BigUint64Array {
  if (far !== undefined) return new BigUint64Array(new Uint8Array(far).buffer)
  const times = new BigUint64Array(rows)
  const halves = new Uint32Array(times.buffer)
  const deltas = unpackNumbers(near, rows)
  const baseLo = Number(minNs & 0xffff_ffffn)
  const baseHi = Number(minNs >> 32n)
  let offset = 0
  for (let i = 0; i < rows; i++) {
    offset += deltas[i]!
    const hi = Math.floor(offset / HALF)
    const lo = baseLo + (offset - hi * HALF)
    halves[i * 2] = lo % HALF
    halves[i * 2 + 1] = baseHi + hi + (lo >= HALF ? 1 : 0)
  }
  return times
}
