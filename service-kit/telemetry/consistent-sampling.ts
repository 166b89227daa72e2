/**
 * Consistent probability sampling: what a sampler says of itself in `tracestate`, so that who reads a span can reckon how many
 * there were. `ot=th:T` is the threshold that a trace's 56 random bits had to reach, its last zeros left out; `rv:R` are those bits
 * where the trace id's last ones are not random.
 * https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 */
import type { TraceState } from '@opentelemetry/api'

/** 8 of 14 digits decide, here and in gateway/switches.sh: one trace in four thousand million. */
const DIGITS = 8
const ALL = 2 ** 32

/** Whether a trace is among the share of all, 0 to 1, that is kept. `ot` is what tracestate says under that key. */
export function isKept(traceId: string, ratio: number, ot = ''): boolean {
  const randomness = RANDOMNESS.exec(ot)?.[1] ?? traceId.slice(18)
  return Number.parseInt(randomness.slice(0, DIGITS), 16) >= Math.floor((1 - ratio) * ALL)
}
const RANDOMNESS = /(?:^|;)rv:([0-9a-f]{14})(?:;|$)/

/** The threshold of a share of all, as `th` has it; undefined where nothing is kept. */
export function thresholdOf(ratio: number): string | undefined {
  const threshold = Math.floor((1 - ratio) * ALL)
  if (threshold >= ALL) return undefined
  return Math.max(threshold, 0).toString(16).padStart(DIGITS, '0').replace(/0+$/, '') || '0'
}

/** `ot` with this threshold in place of another's; the rest of it stays. */
export function withThreshold(ot: string | undefined, threshold: string | undefined): string {
  const others = (ot ?? '').split(';').filter((part) => part !== '' && !part.startsWith('th:'))
  return [...(threshold === undefined ? [] : [`th:${threshold}`]), ...others].join(';')
}

/** The state with another `ot`; an empty one takes it out. */
export function withOt(state: TraceState, ot: string): TraceState {
  return ot === '' ? state.unset('ot') : state.set('ot', ot)
}

const THRESHOLD = /(?:^|,)[ \t]*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?:[;, \t]|$)/

/** Anybody may write a threshold: one span of a caller must not outweigh all others. */
const MOST = 2 ** 16

/** For how many spans one with this tracestate stands, 65,536 at most: 1 where it says of no threshold. */
export function adjustedCount(traceState: string): number {
  if (!traceState.includes('th:')) return 1
  const digits = THRESHOLD.exec(traceState)?.[1]
  if (digits === undefined) return 1
  const share = (2 ** 56 - Number.parseInt(digits.padEnd(14, '0'), 16)) / 2 ** 56
  return Math.min(1 / share, MOST)
}
