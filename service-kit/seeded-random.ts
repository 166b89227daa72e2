/**
 * Numbers from 0 to below 1, always the same for a seed and on every machine (mulberry32, public domain): for loads, simulations and
 * tests that can be repeated. `seed` is a whole number of 32 bits.
 */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
