/**
 * A few labels of a line that is a plain JSON object, looked for among its bytes: nothing is made of the others, nor of the line.
 * Plain are most: no object or list within, names in ASCII without escapes. What is not is left to the one that reads any line.
 */
import type { ParsedRow, StoredLine } from './row-step.ts'

/** Longer ones may have names that are too long together. */
const MAX_BYTES = 1 << 20

/** For lines one after the other: extracts those labels that are wanted. False: the line is to be read as any, from its beginning. */
export function createPlainSearch(): (row: ParsedRow, line: StoredLine, wanted: ReadonlySet<string>) => boolean {
  const texts = createTexts()
  let known: ReadonlySet<string> | undefined
  let names: { readonly text: string; readonly bytes: Buffer }[] = []
  return (row, { text, start, end }, wanted) => {
    if (end - start > MAX_BYTES) return false
    if (known !== wanted) {
      known = wanted
      names = [...wanted].map((name) => ({ text: name, bytes: Buffer.from(name) }))
    }
    let at = skipBlank(text, start, end)
    if (text[at] !== OPEN) return false
    at += 1
    while (true) {
      at = skipBlank(text, at, end)
      if (text[at] !== QUOTE) return false
      const nameAt = at + 1
      const nameEnd = endOfName(text, nameAt, end)
      if (nameEnd === 0) return false
      at = skipBlank(text, nameEnd + 1, end)
      if (text[at] !== COLON) return false
      at = skipBlank(text, at + 1, end)
      const isText = text[at] === QUOTE
      const valueAt = isText ? at + 1 : at
      const valueEnd = isText ? endOfText(text, valueAt, end) : endOfWord(text, at, end)
      if (valueEnd === 0) return false
      for (const name of names) {
        if (name.bytes.length !== nameEnd - nameAt || !isName(text, nameAt, name.bytes)) continue
        const value = texts(text, valueAt, valueEnd)
        if (value === undefined) return false
        if (isText || value !== 'null') row.extract(name.text, value)
      }
      at = skipBlank(text, isText ? valueEnd + 1 : valueEnd, end)
      // Names and values end within the line; what else was read may lie behind it.
      if (at >= end) return false
      const next = text[at]
      at += 1
      if (next === CLOSE) return true
      if (next !== COMMA) return false
    }
  }
}

const [QUOTE, COMMA, MINUS, ZERO, NINE, COLON, BACKSLASH] = [0x22, 0x2c, 0x2d, 0x30, 0x39, 0x3a, 0x5c]
const [CLOSE_LIST, OPEN, CLOSE, UNDERSCORE] = [0x5d, 0x7b, 0x7d, 0x5f]

function skipBlank(text: Buffer, from: number, end: number): number {
  let at = from
  for (; at < end; at += 1) {
    const byte = text[at]!
    if (byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13) break
  }
  return at
}

/** Where the quote behind a plain name stands; 0 when it is none, or begins with a digit, which as a label it can't. */
function endOfName(text: Buffer, from: number, end: number): number {
  if (text[from]! >= ZERO && text[from]! <= NINE) return 0
  for (let at = from; at < end; at += 1) {
    const byte = text[at]!
    if (byte === QUOTE) return at
    if (byte === BACKSLASH || byte > 127) return 0
  }
  return 0
}

/** Where the quote behind a text stands; 0 when there is none, or before it an escape of what may not be escaped. */
function endOfText(text: Buffer, from: number, end: number): number {
  for (let at = from; at < end; at += 1) {
    const byte = text[at]!
    if (byte === QUOTE) return at
    if (byte === BACKSLASH) {
      at += 1
      if (text[at]! < 32 || text[at]! > 127) return 0
    }
  }
  return 0
}

/** Where a number, or what begins like one, or one of three words ends; 0 for anything else. */
function endOfWord(text: Buffer, from: number, end: number): number {
  const first = text[from]!
  if (first !== MINUS && !(first >= ZERO && first <= NINE)) {
    const word = WORDS.find((one) => one[0] === first)
    return word !== undefined && word.length <= end - from && isEqual(text, from, word) ? from + word.length : 0
  }
  for (let at = from + 1; at < end; at += 1) {
    const byte = text[at]!
    if (byte === COMMA || byte === CLOSE || byte === CLOSE_LIST || byte === 32 || (byte >= 9 && byte <= 13)) return at
    // There are blanks beyond ASCII.
    if (byte > 127) return 0
  }
  return 0
}

const WORDS = ['true', 'false', 'null'].map((word) => Buffer.from(word))

function isEqual(text: Buffer, at: number, bytes: Buffer): boolean {
  for (let k = 0; k < bytes.length; k += 1) if (text[at + k] !== bytes[k]) return false
  return true
}

/** Whether a name is this as a label, in which other characters than letters and digits are underscores. */
function isName(text: Buffer, at: number, label: Buffer): boolean {
  for (let k = 0; k < label.length; k += 1) {
    const byte = text[at + k]!
    if (byte !== label[k] && (label[k] !== UNDERSCORE || isWordByte(byte))) return false
  }
  return true
}

const isWordByte = (byte: number): boolean =>
  (byte >= ZERO && byte <= NINE) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)

/** By a hash of their bytes. */
const REMEMBERED = 512

/** Texts of pieces of a buffer: the same again for the same bytes, as far as they are remembered. Undefined with escapes or beyond ASCII. */
function createTexts(): (buffer: Buffer, from: number, to: number) => string | undefined {
  const places = new Uint32Array(REMEMBERED)
  const texts: (string | undefined)[] = new Array(REMEMBERED).fill(undefined)
  let last: Buffer | undefined
  return (buffer, from, to) => {
    if (last !== buffer) {
      last = buffer
      texts.fill(undefined)
    }
    let hash = to - from
    for (let at = from; at < to; at += 1) {
      const byte = buffer[at]!
      if (byte === BACKSLASH || byte > 127) return undefined
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    const slot = hash & (REMEMBERED - 1)
    const known = texts[slot]
    const place = places[slot]!
    if (known?.length === to - from) {
      let same = 0
      while (same < known.length && buffer[place + same] === buffer[from + same]) same += 1
      if (same === known.length) return known
    }
    const text = buffer.toString('latin1', from, to)
    places[slot] = from
    texts[slot] = text
    return text
  }
}
