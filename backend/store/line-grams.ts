/**
 * Worker thread. Which texts the lines of a block may contain: a Bloom filter, so small that a search for an id reads it in place of
 * the lines. `false` is certain.
 *
 * Of nine pieces of eight bytes that follow each other the one with the least hash is in the filter. Any text of sixteen bytes
 * has nine pieces, and the least of them is the same wherever the text stands: it has to be in the filter of a block that has it.
 * (Winnowing: Schleimer, Wilkerson, Aiken, 2003.) That takes a fifth of what all pieces would.
 */

const GRAM = 8
const WINDOW = 9
/** A power of two that has room for a window. */
const RING = 16
/** A shorter text has no window of its own. */
export const LEAST_BYTES = GRAM + WINDOW - 1

const MAX_BITS = 1 << 20
const MIN_BITS = 1 << 9
/** Halved as long as no larger share of the bits is set; where a larger one is from the start, the filter tells nothing. */
const FULL = 0.4

/** The filter of all lines together, as bytes; undefined when they are too many and too different for one. */
export function packGrams(text: Buffer): Buffer | undefined {
  let bits = new Uint8Array(MAX_BITS / 8)
  leastHashes(text, (hash) => {
    set(bits, hash)
    set(bits, second(hash))
  })
  if (share(bits) > FULL) return undefined
  while (bits.length * 8 > MIN_BITS) {
    const folded = bits.slice(0, bits.length / 2)
    for (let i = 0; i < folded.length; i++) folded[i]! |= bits[folded.length + i]!
    if (share(folded) > FULL) break
    bits = folded
  }
  return Buffer.from(bits.buffer, 0, bits.length)
}

/** Whether a line may contain the text; true for all texts shorter than `LEAST_BYTES`. */
export function mayContain(bits: Buffer, text: Buffer): boolean {
  let may = true
  leastHashes(text, (hash) => {
    may &&= has(bits, hash) && has(bits, second(hash))
  })
  return may
}

/** Calls `take` with the least hash of each window, once for those that follow each other. */
function leastHashes(text: Buffer, take: (hash: number) => void): void {
  if (text.length < LEAST_BYTES) return
  const hashes = new Int32Array(RING)
  let low = 0
  let high = 0
  let least = 0
  let leastAt = -1
  for (let at = 0; at < text.length; at++) {
    // The last eight bytes as two numbers.
    low = (low >>> 8) | (high << 24)
    high = (high >>> 8) | (text[at]! << 24)
    const gram = at - GRAM + 1
    if (gram < 0) continue
    const hash = mixed(low, high)
    hashes[gram & (RING - 1)] = hash
    if (gram < WINDOW - 1) continue
    if (leastAt > gram - WINDOW && hash > least) continue
    if (leastAt <= gram - WINDOW) {
      // The least one has left the window, or this is the first.
      leastAt = gram
      least = hash
      for (let own = gram - WINDOW + 1; own < gram; own++) {
        const other = hashes[own & (RING - 1)]!
        if (other >= least) continue
        least = other
        leastAt = own
      }
    } else {
      least = hash
      leastAt = gram
    }
    take(least)
  }
}

function mixed(low: number, high: number): number {
  const hash = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0xc2b2ae35)
  return hash ^ (hash >>> 15)
}

const second = (hash: number) => Math.imul(hash, 0x9e3779b1) ^ (hash >>> 16)

/** Filters are as long as a power of two: what is folded has the same bits, reckoned by a shorter length. */
function set(bits: Uint8Array, hash: number): void {
  const at = hash & (bits.length * 8 - 1)
  bits[at >> 3]! |= 1 << (at & 7)
}

function has(bits: Uint8Array, hash: number): boolean {
  const at = hash & (bits.length * 8 - 1)
  return (bits[at >> 3]! & (1 << (at & 7))) !== 0
}

function share(bits: Uint8Array): number {
  let count = 0
  for (let word of new Int32Array(bits.buffer)) for (; word !== 0; word &= word - 1) count++
  return count / (bits.length * 8)
}
