/** What this console runs without, as its server has put it into the page. */
import { ABSENT_META, type Absentee, readAbsent } from './absent.ts'

let known: readonly Absentee[] | undefined

/** Nothing where there is no page. */
export function absentHere(): readonly Absentee[] {
  known ??= readAbsent(globalThis.document?.querySelector(`meta[name="${ABSENT_META}"]`)?.getAttribute('content'))
  return known
}

export const isAbsent = (name: Absentee): boolean => absentHere().includes(name)
