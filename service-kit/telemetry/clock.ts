/**
 * The SDK starts a span at `Date.now()`: whole milliseconds, in which siblings trade places and a child can start before
 * its parent. The performance clock is finer but drifts away from the wall clock (NTP, suspend). This is the wall clock's
 * millisecond with the performance clock's fraction.
 */
import { type HrTime, TraceFlags } from '@opentelemetry/api'
import { millisToHrTime } from '@opentelemetry/core'
import type { Span } from '@opentelemetry/sdk-trace'

/** Returns a clock: milliseconds since the epoch with microseconds behind the point, never off by more than 1 ms. */
export function createClock(wall = Date.now, fine = () => performance.timeOrigin + performance.now()): () => number {
  let correction = 0
  return () => {
    const least = wall()
    const now = fine() + correction
    // `fine` is read after `wall`, so it may just have gone past the millisecond; more than that is drift.
    const within = Math.min(Math.max(now, least), least + 1)
    if (now < least || now > least + 1.1) correction += within - now
    return within
  }
}

const clock = createClock()
const MILLISECOND = 1e6

/** Gives a span that was started "now" its fine start; one whose start was given keeps it. To be called in `onStart`. */
export function refineStart(span: Span): void {
  if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0 || span.startTime[1] % MILLISECOND !== 0) return
  const start: HrTime = millisToHrTime(clock())
  // Readonly in the type; the SDK computes event and end times from this very field.
  ;(span as { startTime: HrTime }).startTime = start
}
