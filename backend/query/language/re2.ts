/**
 * RE2 patterns (https://github.com/google/re2/wiki/Syntax) by RE2JS, which matches in linear time: V8's own engine
 * backtracks, and one hostile pattern would hang the worker. One set of limits for all patterns of queries, and one time
 * budget.
 */
import { createContext, Script } from 'node:vm'
import { RE2JS } from 're2js'
import { QueryError } from './errors.ts'
import { tick } from './turn.ts'

/** Characters of a pattern. */
const MAX_PATTERN = 4_000
/** RE2 unrolls `x{n}`, and each character of a text may visit every step of what comes out. */
const MAX_STEPS = 20_000
/**
 * A match can't look at the clock while it runs. One that may take seconds (steps times characters; counted groups come to 10 to
 * 50 million a second) is run where V8 ends it after this time; that costs half a millisecond.
 */
const LARGE_WORK = 10_000_000
const MATCH_MS = 3_000
/**
 * Linear is still slow on long texts with a large pattern. A compiled pattern has this much time in all, beyond what an
 * honest one takes for each text: that is left to the time limit of the query.
 */
const BUDGET_MS = 5_000
const FREE_MS_PER_TEXT = 0.01
/** Reading the clock costs a tenth of a small match, so of these only one in eight is timed, and counts eightfold. */
const SMALL_WORK = 1_000_000
const SAMPLE = 8

export interface Re2Options {
  /** A dot matches line feeds, too. */
  readonly dotAll?: boolean
  /** The whole text must match; `test` and `exec` then ask for no less. */
  readonly whole?: boolean
  readonly budgetMs?: number
  /** Milliseconds of CPU that one match may take. */
  readonly matchMs?: number
  /** Milliseconds; the CPU time of this thread unless told: a pattern is no slower on a machine that has much to do. */
  readonly clock?: () => number
  /** What is thrown when the budget is spent; a `QueryError` of kind `limit` unless told. */
  readonly overtime?: (reason: string) => Error
}

/** Each method may throw what `overtime` makes. */
export interface Re2 {
  /** Named groups and their numbers. */
  readonly groups: Readonly<Record<string, number>>
  /** Whether the whole text matches, as with `whole`. */
  matches(text: string): boolean
  /** Whether it is found anywhere. */
  test(text: string): boolean
  exec(text: string): RegExpMatchArray | null
  matchAll(text: string): Iterable<RegExpMatchArray>
}

/** Throws an Error when a pattern is longer than any may be, whatever will match it. */
export function checkLength(pattern: string): void {
  if (pattern.length > MAX_PATTERN) throw new Error(`the pattern is longer than ${MAX_PATTERN} characters`)
}

/** Throws an Error with a readable message when the pattern is no RE2 expression or is too large. */
export function compileRe2(pattern: string, options: Re2Options = {}): Re2 {
  const { dotAll = false, whole = false, budgetMs = BUDGET_MS, matchMs = MATCH_MS, clock = threadMs } = options
  const { overtime = (reason) => new QueryError('limit', reason) } = options
  checkLength(pattern)
  const engine = compile(whole ? `^(?:${pattern})$` : pattern, dotAll)
  const steps = engine.programSize()
  if (steps > MAX_STEPS) {
    throw new Error(`the pattern is too large: its repeats come to ${steps} steps, at most ${MAX_STEPS} are allowed`)
  }
  let spent = 0
  let matches = 0

  function timed<T>(text: string, run: () => T): T {
    matches += 1
    const isSmall = steps * text.length < SMALL_WORK
    if (isSmall && matches % SAMPLE !== 0) return run()
    tick()
    if (spent > budgetMs) {
      throw overtime(`the pattern ${JSON.stringify(pattern)} takes too long on these values`)
    }
    const start = clock()
    const result = steps * text.length < LARGE_WORK ? run() : interruptible(run, text)
    const over = clock() - start - FREE_MS_PER_TEXT
    if (over > 0) spent += over * (isSmall ? SAMPLE : 1)
    return result
  }

  function interruptible<T>(run: () => T, text: string): T {
    for (let limit = matchMs; ; limit *= 2) {
      const began = threadMs()
      let result: { readonly of: T } | undefined
      try {
        result = { of: runWithin(limit, run) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      }
      const took = threadMs() - began
      // V8 counts by the clock on the wall. What did not get the processor meanwhile is tried again, as long as its query may take,
      // and what got more than its time that way is ended as it is on an idle machine.
      if (result && took <= matchMs) return result.of
      if (!result && took < 0.8 * matchMs && limit < 8 * matchMs) {
        tick()
        continue
      }
      throw overtime(
        `the pattern ${JSON.stringify(pattern)} comes to ${steps} steps, too many for a text of ${text.length} characters: ` +
          'take one with fewer repeats, or leave such texts out',
      )
    }
  }
  return {
    groups: engine.namedGroups(),
    matches: (text) => timed(text, () => engine.matches(text)),
    test: (text) => timed(text, () => engine.test(text)),
    exec: (text) => timed(text, () => engine.exec(text) as RegExpMatchArray | null),
    *matchAll(text) {
      const found = engine.matchAll(text)
      for (let one = timed(text, () => found.next()); !one.done; one = timed(text, () => found.next())) yield one.value
    },
  }
}

/** RE2JS writes the flag into the pattern, and names that in its errors. */
function compile(pattern: string, dotAll: boolean): RE2JS {
  try {
    return RE2JS.compile(pattern, dotAll ? RE2JS.DOTALL : 0)
  } catch (error) {
    throw new Error((error as Error).message.replace('`(?s)', '`'), { cause: error })
  }
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

const sandbox = createContext({ run: undefined })
const script = new Script('run()')

/** Runs a function of ours, and ends it after so many milliseconds with an ERR_SCRIPT_EXECUTION_TIMEOUT. */
function runWithin<T>(milliseconds: number, run: () => T): T {
  sandbox.run = run
  try {
    return script.runInContext(sandbox, { timeout: milliseconds })
  } finally {
    sandbox.run = undefined
  }
}
