/** The stretch of a time axis that is in sight, and how a wheel or a key changes it. */
import { AXIS_KEYS, meaningOf } from './keys.ts'

/** Nanoseconds since the axis' begin; `from` lies before `to`. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** Nothing narrower is shown: clocks count in nanoseconds, and a hundred of them still have room for a label. */
const NARROWEST = 100

/** `factor` below 1 looks closer; the time at `at` (0..1 of what is in sight) stays where it is. Never beyond 0..`full`. */
export function zoomed({ from, to }: Window, full: number, factor: number, at = 0.5): Window {
  const width = Math.min(Math.max((to - from) * factor, Math.min(NARROWEST, full)), full)
  const place = from + (to - from) * at - width * at
  const start = Math.min(Math.max(place, 0), full - width)
  return { from: start, to: start + width }
}

/** Moved by a share of what is in sight, as far as there is something to see. */
export function panned({ from, to }: Window, full: number, share: number): Window {
  const by = Math.min(Math.max((to - from) * share, -from), full - to)
  return { from: from + by, to: to + by }
}

/** `1200-56000`; undefined for the whole axis: an address says only what was chosen. */
export const windowText = ({ from, to }: Window, full: number): string | undefined =>
  from <= 0 && to >= full ? undefined : `${Math.floor(from)}-${Math.ceil(to)}`

/** Reads it back; the whole axis for any other text, and never more than that. */
export function readWindow(text: string | null | undefined, full: number): Window {
  const [, from, to] = /^(\d{1,18})-(\d{1,18})$/.exec(text ?? '') ?? []
  const start = Number(from)
  const end = Math.min(Number(to), full)
  return start < end ? { from: start, to: end } : { from: 0, to: full }
}

/** The change one of `AXIS_KEYS` makes; undefined: not one of them. */
export function windowKey(key: string, window: Window, full: number): Window | undefined {
  const does = meaningOf(AXIS_KEYS, key)
  if (does === 'closer') return zoomed(window, full, 0.5)
  if (does === 'wider') return zoomed(window, full, 2)
  if (does === 'all') return { from: 0, to: full }
  if (does === 'earlier') return panned(window, full, -0.25)
  return does && panned(window, full, 0.25)
}
