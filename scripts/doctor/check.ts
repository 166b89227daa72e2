/** What a check is, and how many of them are made side by side: each after those it needs, each with its own deadline. */
import type { Patient } from './patient.ts'

export type Status = 'pass' | 'warn' | 'fail' | 'skip'

export interface Finding {
  status: Status
  /** What was seen, in a few words. */
  detail: string
  /** What to do about it, in the words of a command where there is one. */
  remedy?: string
  /** Names of the incidents that are, or may be, the reason: the one with the largest share first. */
  incidents?: string[]
}

export interface Check {
  /** Unique; programs know a check by it. */
  id: string
  group: string
  /** What is well when it passes. */
  title: string
  /** Why those that need it can't be made when it fails: `the gateway does not answer`. */
  without?: string
  /** Ids of checks that must not have failed, nor been skipped, before this one is made. */
  needs?: readonly string[]
  /** How long it may take; 5 unless told. */
  seconds?: number
  /** How old what it sees may be, in seconds; 0 unless told: only what is so now. */
  looksBack?: number
  /** What it throws is a cross as well; `signal` aborts when its time is up. */
  run(patient: Patient, signal: AbortSignal): Promise<Finding>
}

export interface Result extends Finding {
  id: string
  group: string
  title: string
  /** Milliseconds. */
  duration: number
}

const SECONDS = 5

export const pass = (detail = ''): Finding => ({ status: 'pass', detail })
export const warn = (detail: string, remedy: string): Finding => ({ status: 'warn', detail, remedy })
export const fail = (detail: string, remedy: string): Finding => ({ status: 'fail', detail, remedy })
export const skip = (detail: string): Finding => ({ status: 'skip', detail })

/**
 * Resolves to a result for every check, in their order, when all are made. Each finding goes through `remark` first: what else is known
 * of it.
 */
export async function examine(
  checks: readonly Check[],
  patient: Patient,
  remark: (check: Check, finding: Finding, patient: Patient) => Finding = (_, finding) => finding,
): Promise<Result[]> {
  const made = new Map<string, Promise<Result>>()
  const byId = new Map(checks.map((check) => [check.id, check]))

  function make(check: Check): Promise<Result> {
    const known = made.get(check.id) ?? makeAfterNeeds(check)
    made.set(check.id, known)
    return known
  }

  async function makeAfterNeeds(check: Check): Promise<Result> {
    const { id, group, title } = check
    for (const need of check.needs ?? []) {
      const needed = byId.get(need)
      if (!needed) throw new Error(`The check ${id} needs ${need}, which isn't among the checks.`)
      const { status, detail } = await make(needed)
      if (status === 'skip') return { id, group, title, duration: 0, ...skip(detail) }
      if (status === 'fail') return { id, group, title, duration: 0, ...skip(needed.without ?? `${needed.title}: no`) }
    }
    const began = performance.now()
    const finding = remark(check, await inTime(check, patient), patient)
    return { id, group, title, ...finding, duration: Math.round(performance.now() - began) }
  }

  return Promise.all(checks.map(make))
}

/** What takes too long, or throws, is a cross that says so. */
async function inTime(check: Check, patient: Patient): Promise<Finding> {
  const { seconds = SECONDS } = check
  const deadline = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      deadline.abort()
      resolve(
        fail(`no answer within ${seconds} s`, 'Is the machine, or a part, standing still? Ask again: npm run doctor'),
      )
    }, seconds * 1000)
  })
  try {
    return await Promise.race([check.run(patient, deadline.signal), late])
  } catch (error) {
    return fail(messageOf(error), 'Is it still running? npm start shows what ended; the logs are in its state folder.')
  } finally {
    clearTimeout(timer)
    deadline.abort()
  }
}

/** `fetch` hides why there was no answer in its error's cause, and a refused connection may have no message. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause : undefined
  const { code } = (cause ?? error) as NodeJS.ErrnoException
  const message = error.message === 'fetch failed' ? (cause?.message ?? '') : error.message
  return message || code || error.name
}
