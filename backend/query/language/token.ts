/** What lexers make of a text; each language adds its own kinds and fields. */
export interface Token {
  /** `word`, `keyword`, `operator` and `punctuation` stand for themselves, all others for a value. The last token is an `end`. */
  readonly kind: string
  /** As written; of strings and the like what they stand for. */
  readonly text: string
  /** Offsets in the query: of the first character, and behind the last. */
  readonly at: number
  readonly end: number
}

/** What a sticky pattern matches at an offset; undefined when it doesn't. */
export function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

/** Escapes of one letter in Go's quoted strings, which both languages use. */
export const LETTER_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['"', '"'],
])
