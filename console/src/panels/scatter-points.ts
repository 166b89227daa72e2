/** Where traces lie by start and duration, and what of TraceQL a box around some of them is. Durations are milliseconds. */

export interface DurationScale {
  readonly log: boolean
  readonly low: number
  readonly high: number
}

/** What took less than a millisecond has a place on a logarithmic scale, too. */
const LEAST = 0.5
/** From this ratio on a linear scale has the short ones all in one line. */
const WIDE = 10
/** No point lies on the edge. */
const AIR = 1.05

/** A scale that holds them all, between round numbers. */
export function scaleFor(durations: readonly number[]): DurationScale {
  let [least, most] = [Number.POSITIVE_INFINITY, LEAST]
  for (const duration of durations) {
    least = Math.min(least, Math.max(duration, LEAST))
    most = Math.max(most, duration)
  }
  if (most / least < WIDE) return { log: false, low: 0, high: most * 1.1 }
  return { log: true, low: roundDown(least / AIR), high: roundUp(most * AIR) }
}

/** The height at which a duration is drawn. */
export const heightOf = (duration: number, { log }: DurationScale): number =>
  log ? Math.max(duration, LEAST) : duration

/** Marks of a logarithmic axis: powers of ten, and what is round between them where those are few. */
export function marksOf({ low, high }: DurationScale): number[] {
  const between = high / low > 1000 ? [1] : [1, 2, 5]
  const marks: number[] = []
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
    marks.push(...between.map((one) => one * power).filter((mark) => mark >= low && mark <= high))
  return marks
}

const ROUND = [1, 2, 5, 10]
/** The next of 1, 2, 5, 10, 20, ... below, or the number itself. */
function roundDown(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ROUND.findLast((one) => one * power <= value)!
}
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ROUND.find((one) => one * power > value)!
}

/**
 * TraceQL for traces whose points lie between two heights. A search tells whole milliseconds, so the point at 12 is any length from
 * 12 to before 13; an edge of the picture is no bound.
 */
export function lengthBetween({ low, high }: DurationScale, from: number, to: number): string {
  const least = Math.ceil(from)
  return [
    ...(from > low && least > 0 ? [`traceDuration >= ${least}ms`] : []),
    ...(to < high ? [`traceDuration < ${Math.floor(to) + 1}ms`] : []),
  ].join(' && ')
}

/** The point next to a place, in pixels, that is no further away than `reach`; undefined when there is none. */
export function nearest<T extends { readonly x: number; readonly y: number }>(
  points: readonly T[],
  x: number,
  y: number,
  reach: number,
): T | undefined {
  let found: T | undefined
  let least = reach ** 2
  for (const point of points) {
    const distance = (point.x - x) ** 2 + (point.y - y) ** 2
    // The last of equals lies on top.
    if (distance <= least) [found, least] = [point, distance]
  }
  return found
}
