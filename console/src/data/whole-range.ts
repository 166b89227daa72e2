/** Rates over a whole time range, from counters that may be younger than it. */
import type { Series } from './series.ts'
import { durationText, queryStep, rateInterval, SCRAPE_INTERVAL_MS } from './step.ts'
import type { TimeRange } from './time-range.ts'

/** The range as a window of PromQL's, `1h`; wide enough for a rate. */
export const windowOf = (range: TimeRange): string =>
  durationText(
    Math.max(Math.round((range.to - range.from) / 1000) * 1000, rateInterval(queryStep(range.to - range.from, 100))),
  )

/**
 * What a rate over `windowOf(range)` is to be multiplied by: a system that has run for two minutes of the hour asked for had its
 * requests in those two minutes. `samples`: the answer to `max(count_over_time(a counter[window]))`.
 */
export function scaleOf(range: TimeRange, samples: readonly Series[]): number {
  const covered = measuredOf(samples)
  return covered > 0 ? Math.max((range.to - range.from) / covered, 1) : 1
}

/** Milliseconds of the range that were measured, from the same `samples`. */
export const measuredOf = (samples: readonly Series[]): number => (lastValue(samples[0]) ?? 0) * SCRAPE_INTERVAL_MS

export const lastValue = (series: Series | undefined): number | null => series?.values.at(-1) ?? null
