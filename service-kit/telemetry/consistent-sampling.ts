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

/** What the first 32 of the random bits have to reach for a share of all, 0 to 1, to be kept. */
export const leastBits = (share: number): number => Math.floor((1 - share) * ALL)

/** Whether a trace is among the share of all, 0 to 1, that is kept. `ot` is what tracestate says under that key. */
export function isKept(traceId: string, ratio: number, ot = ''): boolean {
  const randomness = RANDOMNESS.exec(ot)?.[1] ?? traceId.slice(18)
  return Number.parseInt(randomness.slice(0, DIGITS), 16) >= leastBits(ratio)
}
const RANDOMNESS = /(?:^|;)rv:([0-9a-f]{14})(?:;|$)/

/** Longer than the objective (docs/slo.md) by what two clocks may differ. */
const SURELY_SLOW_SECONDS = 0.3

/**
 * Whether a backend that keeps this share of the traces (TRACES_SAMPLE), and those that failed or were slow, has that of a call.
 * To be asked before a trace is named as an exemplar: of what else is kept nobody but the backend knows.
 */
export function surelyKept(traceId: string, ot: string | undefined, call: Call, share: number | undefined): boolean {
  if (share === undefined || call.failed || call.seconds > SURELY_SLOW_SECONDS) return true
  return isKept(traceId, share, ot)
}

/** A call that has ended; `failed`: its span has status error. */
export interface Call {
  readonly seconds: number
  readonly failed: boolean
}

/** The share of TRACES_SAMPLE; undefined for what is none, where all is kept. */
export function shareFrom(variable: string | undefined): number | undefined {
  const share = Number(variable?.trim() || Number.NaN)
  return share >= 0 && share < 1 ? share : undefined
}

/** The threshold of a share of all, as `th` has it; undefined where nothing is kept. */
export function thresholdOf(ratio: number): string | undefined {
  const threshold = leastBits(ratio)
  if (threshold >= ALL) return undefined
  return Math.max(threshold, 0).toString(16).padStart(DIGITS, '0').replace(/0+$/, '') || '0'
}

/** What a serialized tracestate says under `ot`. */
export const otOf = (traceState: string): string | undefined => OT.exec(traceState)?.[1]
const OT = /(?:^|,)[ \t]*ot=([^,]*)/

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
