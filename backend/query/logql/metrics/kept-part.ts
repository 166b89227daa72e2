/** What a table that never changes has for a query: made once, then kept. */
import type { KeptAnswers } from '../../language/kept-answers.ts'
import type { Budget } from '../budget.ts'

/** What was looked at for a part: lines, and their bytes. */
export interface Looked {
  readonly lines: number
  readonly bytes: number
}

export interface PartToKeep<Part> {
  readonly answers: KeptAnswers
  readonly key: string
  readonly budget: Budget
  /** Reads the table; undefined where there is no part of it. `looked` says what was looked at until then. */
  make(looked: () => Looked): Part | undefined
  bytesOf(part: Part): number
  /** A part of more is made each time. */
  readonly maxBytes: number
}

/** What making it counts is left to whoever adds the part. */
export function keptPart<Part>({ answers, key, budget, make, bytesOf, maxBytes }: PartToKeep<Part>): Part | undefined {
  let tooLarge: Part | undefined
  const kept = answers.get(key, (onBytes) => {
    const before = { ...budget.stats }
    const looked = () => ({ lines: budget.stats.lines - before.lines, bytes: budget.stats.bytes - before.bytes })
    const part = make(looked)
    Object.assign(budget.stats, before)
    if (part === undefined) return undefined
    const size = bytesOf(part)
    if (size > maxBytes) {
      tooLarge = part
      return undefined
    }
    onBytes(size)
    return part
  })
  return kept ?? tooLarge
}
