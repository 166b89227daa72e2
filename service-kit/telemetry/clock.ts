/**
 * The SDK starts a span at `Date.now()`: whole milliseconds, in which siblings trade places and a child can start before
 * its parent. The performance clock is finer but drifts away from the wall clock (NTP, suspend). This is the wall clock's
 * millisecond with the performance clock's fraction.
 */
import { type HrTime, TraceFlags } from '@opentelemetry/api'
import { millisToHrTime } from '@opentelemetry/core'
import type { Span, SpanProcessor } from '@opentelemetry/sdk-trace'

/** How far the performance clock may be ahead of the wall clock's millisecond before that counts as drift. */
const TOLERANCE_MS = 0.1

/**
 * Returns a clock: milliseconds since the epoch with microseconds behind the point, never off by more than 1.1 ms, of now or
 * of a moment that `fine` gave not long ago. It goes as evenly as `fine` does until the two have parted: what is measured with
 * it can be added to durations of the same `fine`.
 */
export function createClock(
  wall = Date.now,
  fine = () => performance.timeOrigin + performance.now(),
): (moment?: number) => number {
  let correction = 0
  return (moment) => {
    let least: number
    let reading: number
    do {
      least = wall()
      reading = fine()
      // Whoever was held up between the two readings knows nothing of how they stand to each other.
    } while (wall() > least + 1)
    const now = reading + correction
    // `fine` is read after `wall`, so it may just have gone past the millisecond; more than that is drift.
    if (now < least || now > least + 1 + TOLERANCE_MS) correction += Math.min(Math.max(now, least), least + 1) - now
    return (moment ?? reading) + correction
  }
}

/** The clock by which spans begin. `Date.now` is looked up each time: the clock of a process may be set (flags/process-flags.ts). */
export const wallClock = createClock(() => Date.now())
const MILLISECOND = 1e6

/** For the SDK's spans; the kit's own begin by `wallClock`. Must be the first of the processors. */
export const fineStart: SpanProcessor = {
  onStart: refineStart,
  onEnd() {},
  forceFlush: async () => {},
  shutdown: async () => {},
}

/**
 * Gives a span that was started "now" its fine start; one whose start was given keeps it. A process may have been held up since
 * the span began, for milliseconds under load: the SDK measures from the beginning on, and so is the start.
 */
function refineStart(span: Span): void {
  if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0 || span.startTime[1] % MILLISECOND !== 0) return
  // Private in the SDK: what it subtracts at the end. Without it the start would be late by the hold-up, and the end too.
  const { _performanceStartTime: began } = span as unknown as { _performanceStartTime: number }
  const start: HrTime = millisToHrTime(wallClock(performance.timeOrigin + began))
  // Readonly in the type; the SDK computes event and end times from this very field.
  ;(span as { startTime: HrTime }).startTime = start
}
