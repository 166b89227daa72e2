/**
 * Regular expressions of queries: RE2 syntax, anchored at both ends as Tempo anchors them, matched in linear time by
 * RE2JS (V8's engine backtracks: one hostile pattern would hang the worker). Common shapes skip the engine altogether.
 */
import { RE2JS } from 're2js'

export type Matcher = (text: string) => boolean

/** RE2 unrolls `x{n}`; with the engine's own limit on n this bounds the size of the compiled program. */
const MAX_PATTERN = 1_000

/** Compiles a pattern. Throws an Error with a readable message when it is no RE2 expression or is too large. */
export function compileRegex(pattern: string): Matcher {
  if (pattern.length > MAX_PATTERN) throw new Error(`the pattern is longer than ${MAX_PATTERN} characters`)
  return simpleMatcher(pattern) ?? engineMatcher(pattern)
}

const PLAIN = /^[\w \-/:@%&=,;!"'#~<>]*$/

/** `a|b|c`, `prefix.*`, `.*suffix`, `.*part.*` and `.*`, all without other special characters. */
function simpleMatcher(pattern: string): Matcher | undefined {
  const words = pattern.split('|')
  if (words.every((word) => PLAIN.test(word))) {
    const set = new Set(words)
    return (text) => set.has(text)
  }
  const leading = pattern.startsWith('.*')
  const trailing = pattern.length > 2 && pattern.endsWith('.*')
  const part = pattern.slice(leading ? 2 : 0, trailing ? -2 : undefined)
  if (!PLAIN.test(part) || !(leading || trailing)) return undefined
  // A dot matches no line feed, so what stands for `.*` must not contain one.
  if (part === '') return (text) => !text.includes('\n')
  if (leading && trailing) return (text) => text.includes(part) && !text.includes('\n')
  if (leading) return (text) => text.endsWith(part) && !text.includes('\n')
  return (text) => text.startsWith(part) && !text.includes('\n')
}

function engineMatcher(pattern: string): Matcher {
  const compiled = RE2JS.compile(pattern)
  return (text) => compiled.matches(text)
}
