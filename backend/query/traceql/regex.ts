/**
 * Regular expressions of queries: RE2 syntax, anchored at both ends as Tempo anchors them, matched in linear time by
 * RE2JS (V8's engine backtracks: one hostile pattern would hang the worker). Common shapes skip the engine altogether.
 */
import { RE2JS } from 're2js'
import { TraceQLError } from './errors.ts'

export type Matcher = (text: string) => boolean

/** Linear is still slow on long texts with a large pattern, so a compiled pattern has this much time in all. */
const BUDGET_MS = 5_000

/** RE2 unrolls `x{n}`; with the engine's own limit on n this bounds the size of the compiled program. */
const MAX_PATTERN = 1_000

/**
 * Compiles a pattern. Throws an Error with a readable message when it is no RE2 expression or is too large. The matcher
 * throws a `TraceQLError` once it has worked for `budgetMs`.
 */
export function compileRegex(pattern: string, budgetMs = BUDGET_MS): Matcher {
  if (pattern.length > MAX_PATTERN) throw new Error(`the pattern is longer than ${MAX_PATTERN} characters`)
  return simpleMatcher(pattern) ?? engineMatcher(pattern, budgetMs)
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

function engineMatcher(pattern: string, budgetMs: number): Matcher {
  const compiled = RE2JS.compile(pattern)
  let spent = 0
  return (text) => {
    if (spent > budgetMs) {
      throw new TraceQLError('limit', '', 0, `the pattern ${JSON.stringify(pattern)} takes too long on these values`)
    }
    const start = performance.now()
    const matched = compiled.matches(text)
    spent += performance.now() - start
    return matched
  }
}
