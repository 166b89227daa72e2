/**
 * Worker thread. Which traces are kept where TRACES_SAMPLE keeps a share of all: the policies of the stack's Collector
 * (deploy/kubernetes/collector/sample.yaml), one span at a time. A trace is kept, whole, as soon as one of its spans is a reason
 * to; without any it is left out when it has been quiet for a while, and so is what comes of it later.
 */

import { leastBits } from '@sightline/service-kit/consistent-sampling'
import { randomBits } from '../otlp/random-bits.ts'
import { createRecentSet } from '../otlp/recent-set.ts'
import type { SpanRecord } from '../otlp/traces.ts'
import type { HeadTrace } from './span-builder.ts'
import { traceKey } from './trace-index.ts'

/** Why a trace is kept: policies of sample.yaml by their names, the first that says so. */
export const REASONS = ['failed', 'slow', 'rare_route', 'asked_for', 'share'] as const
export type Reason = (typeof REASONS)[number]

/** What became of traces, spans and their bytes as they were sent, since the start. */
export interface SamplingStats {
  readonly traces: Readonly<Record<Reason | 'left_out', number>>
  readonly spans: { readonly kept: number; readonly left_out: number }
  readonly bytes: { readonly kept: number; readonly left_out: number }
}

export interface TraceSampler {
  /** Whether the span's trace has been left out. To be asked first; then it is counted. */
  late(span: SpanRecord): boolean
  /** Whether a span that has just been added to `trace` makes it one that is kept. `stored`: blocks have parts of it. */
  keeps(trace: HeadTrace, span: SpanRecord, stored: boolean): boolean
  leaveOut(trace: HeadTrace): void
  stats(): SamplingStats
  /** Ids, as raw characters, of traces that are kept for another reason than their share; those since the last call. */
  kept(): string[]
}

/** As docs/slo.md: longer is slow. */
export const SLOW_NS = 250_000_000
/** Routes of the gateway that ordinary use asks for all the time. A trace of any other is rare, and kept. */
export const BUSY_ROUTES = /^\/(?:$|shop|api\/v1\/(?:process|users|orders|products|inventory)(?:\/|$))/
/** `tracestate: sightline=keep`, by who wants to see one trace. */
const ASKED_FOR = /(?:^|,)[ \t]*sightline=keep[ \t]*(?:,|$)/
const ERROR = 2

/** Traces left out that are remembered; twice as many where they come fast. 8 MB. */
const REMEMBERED = 100_000

export function createTraceSampler(share: number): TraceSampler {
  const least = leastBits(share)
  const traces = { failed: 0, slow: 0, rare_route: 0, asked_for: 0, share: 0, left_out: 0 }
  const spans = { kept: 0, left_out: 0 }
  const bytes = { kept: 0, left_out: 0 }
  const leftOut = createRecentSet<number>(REMEMBERED)
  let told: string[] = []

  function reasonOf(span: SpanRecord): Reason | undefined {
    if (span.status === ERROR) return 'failed'
    if (elapsed(span) > SLOW_NS) return 'slow'
    if (randomBits(span) >= least) return 'share'
    if (span.traceState !== '' && ASKED_FOR.test(span.traceState)) return 'asked_for'
    return isRare(span) ? 'rare_route' : undefined
  }

  return {
    late(span) {
      const key = traceKey(span.bytes, span.traceIdAt)
      if (!leftOut.has(key)) return false
      spans.left_out++
      bytes.left_out += span.size
      return true
    },
    keeps(trace, span, stored) {
      if (trace.kept) {
        spans.kept++
        bytes.kept += span.size
        return true
      }
      const reason = reasonOf(span)
      if (reason === undefined && !stored) return false
      spans.kept += trace.rows
      bytes.kept += trace.bytes
      if (stored || reason === undefined) return true
      traces[reason]++
      if (reason !== 'share') told.push(trace.id)
      return true
    },
    leaveOut(trace) {
      traces.left_out++
      spans.left_out += trace.rows
      bytes.left_out += trace.bytes
      leftOut.add(traceKey(Buffer.from(trace.id, 'latin1'), 0))
    },
    stats: () => ({ traces: { ...traces }, spans: { ...spans }, bytes: { ...bytes } }),
    kept() {
      const since = told
      told = []
      return since
    },
  }
}

const elapsed = (span: SpanRecord) => (span.endHi - span.startHi) * 0x1_0000_0000 + (span.endLo - span.startLo)

function isRare({ resource, attributes }: SpanRecord): boolean {
  if (textOf(resource.attributes, 'service.name') !== 'gateway') return false
  const route = textOf(attributes, 'http.route')
  return typeof route === 'string' && route !== '' && !BUSY_ROUTES.test(route)
}

function textOf({ keys, values, count }: SpanRecord['attributes'], key: string): unknown {
  for (let i = 0; i < count; i++) if (keys[i] === key) return values[i]
  return undefined
}
