/** What a lesson asks, and how an answer is judged: by asking the learner's own running system. */
import type { Comparison } from './compare.ts'
import type { Live } from './live.ts'

/** A hint says where to look; it never holds the answer. */
export type Verdict = { right: true } | { right: false; hint: string }

export interface Question {
  /** What to find out; of an exercise: what should be so. */
  ask: string
  /** `answers` are those to all questions of the lesson, for one that builds on another. Rejects when the system is away. */
  check(answer: string, live: Live, answers: readonly string[]): Promise<Verdict>
}

/** A lesson, or an exercise, whose questions ask for no answer: the program looks for itself. */
export interface Lesson {
  /** As `check` takes it: a number, or an exercise's name. */
  id: string
  title: string
  minutes: number
  /** Below docs/learn. */
  page: string
  exercise?: true
  questions: readonly Question[]
}

export const right: Verdict = { right: true }
export const wrong = (hint: string): Verdict => ({ right: false, hint })
export const verdict = (isRight: boolean, hint: string): Verdict => (isRight ? right : wrong(hint))

export function verdictOf(comparison: Comparison, hint: string): Verdict {
  if (comparison === 'nothing')
    return wrong('There is nothing to find yet. Make some traffic first: npm run load -- --count 100')
  return verdict(comparison === 'equal', `It is a query, but it finds something else than what was asked for. ${hint}`)
}

const NO_TRACE_ID = 'A trace id has 32 hexadecimal digits: X-Trace-Id of an answer, trace_id in its body.'

/** `check` with a trace id in lower case; what is none is told so. */
export async function withTraceId(answer: string, check: (traceId: string) => Promise<Verdict>): Promise<Verdict> {
  const id = answer.trim().toLowerCase()
  return /^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id) ? check(id) : wrong(NO_TRACE_ID)
}

/** What goes into a query: nothing but an id, whatever was answered. */
export const idIn = (answer: string) => answer.toLowerCase().replace(/[^0-9a-f]/g, '')

/** The number at the beginning of `12`, `1,234` or `12.5 ms`; NaN where there is none. */
export function numberIn(answer: string): number {
  const digits = /^\s*(-?[\d,]*\.?\d+)/.exec(answer)?.[1]
  return digits === undefined ? Number.NaN : Number(digits.replaceAll(',', ''))
}

/** Whether a number that is read while the system goes on is near enough: within `share` of what it is now, or off by one. */
export function near(answer: string, now: number, share: number): boolean {
  const difference = Math.abs(numberIn(answer) - now)
  return difference <= Math.max(share * Math.abs(now), Number.isInteger(now) ? 1 : 0)
}
