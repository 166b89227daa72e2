/**
 * Whether two sets of values meet, told by 32 bits of each value: what doesn't meet surely has nothing in common, and costs far
 * less than looking for each value in a table.
 */

/** A number of 32 bits for each value, by its identity. */
export function marksOf(identities: Iterable<unknown>): Uint32Array {
  return Uint32Array.from(identities, markOf)
}

function markOf(identity: unknown): number {
  const text = String(identity)
  let mark = 0x811c9dc5
  for (let i = 0; i < text.length; i++) mark = Math.imul(mark ^ text.charCodeAt(i), 0x01000193)
  // The last bytes of a text have moved only few bits by now.
  mark = Math.imul(mark ^ (mark >>> 15), 0x2c1b3c6d)
  return (mark ^ (mark >>> 13)) >>> 0
}

/** A growing set of values. */
export interface Marked {
  add(identity: unknown): void
  /** Whether one of `marks` may be a value of this set. */
  meets(marks: Uint32Array): boolean
}

const BITS = 1 << 16

export function createMarked(identities: Iterable<unknown>): Marked {
  /** Which of the last 16 bits occur: most marks are told by these. */
  const near = new Uint8Array(BITS / 8)
  const exact = new Set<number>()
  const add = (identity: unknown): void => {
    const mark = markOf(identity)
    const bit = mark & (BITS - 1)
    near[bit >> 3]! |= 1 << (bit & 7)
    exact.add(mark)
  }
  for (const identity of identities) add(identity)
  return {
    add,
    meets(marks) {
      for (let i = 0; i < marks.length; i++) {
        const bit = marks[i]! & (BITS - 1)
        if ((near[bit >> 3]! & (1 << (bit & 7))) !== 0 && exact.has(marks[i]!)) return true
      }
      return false
    },
  }
}
