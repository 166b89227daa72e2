/** How many traces a search lists, and the stretch of time that they cover. */
import type { TraceRow } from '../data/found-traces.ts'
import type { TimeRange } from '../data/time-range.ts'

/** Each step of "more" asks again for the newest so many: nothing of the list is lost, and the address says how long it is. */
export const LIMITS: readonly number[] = [100, 200, 500, 1000, 2000]

export const readLimit = (text: string | null): number => LIMITS.find((one) => String(one) === text) ?? LIMITS[0]!

/** Undefined: that is all that is ever listed. */
export const nextLimit = (limit: number): number | undefined => LIMITS.find((one) => one > limit)

/** Room beside the first and the last point, as a share of what lies between. */
const ROOM = 0.02

/** The whole range where all traces are there; with more before them what the found ones cover, up to now. */
export function extentOf(rows: readonly TraceRow[], range: TimeRange, more: boolean): TimeRange {
  if (!more) return range
  const oldest = rows.reduce((least, { start }) => Math.min(least, start), range.to)
  const room = Math.max((range.to - oldest) * ROOM, 500)
  return { from: Math.max(oldest - room, range.from), to: range.to }
}
