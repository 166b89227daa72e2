import fc from 'fast-check'

const SURROGATES = { from: 0xd800, count: 0x800 }

/**
 * Each code point that a text may hold, for `fc.string({ unit: anyCharacter })`. fast-check's own unit of that kind lists them all for each
 * arbitrary that it is in: most of a second, and 190 MB that every later fork of the process copies the tables of.
 */
export const anyCharacter = fc
  .integer({ min: 0, max: 0x10ffff - SURROGATES.count })
  .map((n) => String.fromCodePoint(n < SURROGATES.from ? n : n + SURROGATES.count))
