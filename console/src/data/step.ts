/**
 * How far apart the points of a range query lie. The rules are Grafana's, so that one dashboard draws the same picture
 * in both: a step near `range / maxDataPoints`, rounded to a number people read, and never below the scrape interval.
 */
import { parseDuration } from './time-range.ts'

/** What Prometheus is scraped at here (observability/prometheus); dashboards that say `interval` win. */
export const SCRAPE_INTERVAL_MS = 5_000

/** [at least this many ms, becomes this many] */
const STEPS: readonly [number, number][] = [
  [15, 10],
  [35, 20],
  [75, 50],
  [150, 100],
  [350, 200],
  [750, 500],
  [1_500, 1_000],
  [3_500, 2_000],
  [7_500, 5_000],
  [12_500, 10_000],
  [17_500, 15_000],
  [25_000, 20_000],
  [45_000, 30_000],
  [90_000, 60_000],
  [210_000, 120_000],
  [450_000, 300_000],
  [750_000, 600_000],
  [1_050_000, 900_000],
  [1_500_000, 1_200_000],
  [2_700_000, 1_800_000],
  [5_400_000, 3_600_000],
  [9_000_000, 7_200_000],
  [16_200_000, 10_800_000],
  [32_400_000, 21_600_000],
  [86_400_000, 43_200_000],
  [604_800_000, 86_400_000],
  [1_814_400_000, 604_800_000],
]

/** Rounds an interval in ms to the nearest one of the usual steps. */
export function niceStep(ms: number): number {
  for (const [below, step] of STEPS) if (ms < below) return step
  return 2_592_000_000
}

/** Step in ms for a range of `rangeMs` drawn with at most `maxDataPoints` points, at least `minimum` (`10s`, `>10s`). */
export function queryStep(rangeMs: number, maxDataPoints: number, minimum?: string | null): number {
  const floor = parseDuration(minimum?.replace(/^>/, '') ?? '') ?? SCRAPE_INTERVAL_MS
  return Math.max(niceStep(rangeMs / Math.max(maxDataPoints, 1)), floor)
}

/** `$__rate_interval`: wide enough that every window holds four scrapes. */
export const rateInterval = (stepMs: number): number => Math.max(stepMs + SCRAPE_INTERVAL_MS, 4 * SCRAPE_INTERVAL_MS)

/** Both ends on the grid of the step, so that a refresh asks for the same points again and lines don't wobble. */
export function alignRange(from: number, to: number, stepMs: number): { from: number; to: number } {
  return { from: Math.floor(from / stepMs) * stepMs, to: Math.floor(to / stepMs) * stepMs }
}

/** 15000 -> `15s`, 90000 -> `90s`, 120000 -> `2m`, 250 -> `250ms`: what the query languages accept. */
export function durationText(ms: number): string {
  if (ms % 1000 !== 0) return `${Math.round(ms)}ms`
  const seconds = ms / 1000
  if (seconds % 86_400 === 0) return `${seconds / 86_400}d`
  if (seconds % 3600 === 0) return `${seconds / 3600}h`
  if (seconds % 60 === 0) return `${seconds / 60}m`
  return `${seconds}s`
}
