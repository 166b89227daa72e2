/** Patterns of TraceQL: anchored at both ends as Tempo anchors them, and a dot matches line feeds, too. */
import { fullMatcher, type Matcher } from '../language/regex.ts'
import { TraceQLError } from './errors.ts'

export type { Matcher }

/**
 * Compiles a pattern. Throws an Error with a readable message when it is no RE2 expression or is too large. The matcher
 * throws a `TraceQLError` once it has worked for `budgetMs`.
 */
export function compileRegex(pattern: string, budgetMs?: number): Matcher {
  return fullMatcher(pattern, { budgetMs, overtime: (reason) => new TraceQLError('limit', '', 0, reason) })
}
