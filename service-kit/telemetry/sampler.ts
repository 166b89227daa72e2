/**
 * OTEL_TRACES_SAMPLER: the SDK's own samplers, but for the ratio. The SDK's takes the exclusive or of the four words of the
 * trace id, which only it knows; this takes the last 56 bits, as consistent probability sampling has it, and so does the
 * gateway (gateway/switches.sh): with `traceidratio`, where each hop decides by itself, all keep the same traces.
 * https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 */
import { createTraceState, diag, isValidTraceId, trace } from '@opentelemetry/api'
import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
} from '@opentelemetry/sdk-trace'
import { isKept, thresholdOf, withOt, withThreshold } from './consistent-sampling.ts'

const DEFAULT = 'parentbased_always_on'
const MAKERS: Record<string, () => Sampler> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: () => ratioSampler(ratioFromEnvironment()),
}

/** Follows the parent by default, and for a name that is unknown, with a warning. */
export function samplerFromEnvironment(): Sampler {
  const name = getStringFromEnv('OTEL_TRACES_SAMPLER') ?? DEFAULT
  const root = name.replace(/^parentbased_/, '')
  if (!Object.hasOwn(MAKERS, root)) {
    diag.warn(`OTEL_TRACES_SAMPLER: ${name} is unknown; taken as ${DEFAULT}`)
    return new ParentBasedSampler({ root: new AlwaysOnSampler() })
  }
  const sampler = MAKERS[root]!()
  return root === name ? sampler : new ParentBasedSampler({ root: sampler })
}

function ratioFromEnvironment(): number {
  const ratio = getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG')
  if (ratio !== undefined && ratio >= 0 && ratio <= 1) return ratio
  diag.warn(
    `OTEL_TRACES_SAMPLER_ARG=${process.env.OTEL_TRACES_SAMPLER_ARG ?? ''}: give a number from 0 to 1; taken as 1`,
  )
  return 1
}

/**
 * The same share of all traces at every service: `isKept` says which. It writes its threshold into tracestate where it keeps, and
 * takes a caller's out: the decision is this sampler's now.
 */
export function ratioSampler(ratio: number): Sampler {
  const threshold = thresholdOf(ratio)
  return {
    shouldSample(parent, traceId) {
      const state = trace.getSpanContext(parent)?.traceState
      const ot = state?.get('ot')
      const kept = isValidTraceId(traceId) && isKept(traceId, ratio, ot)
      const decision = kept ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD
      if (!kept && ot === undefined) return { decision }
      return {
        decision,
        traceState: withOt(state ?? createTraceState(), withThreshold(ot, kept ? threshold : undefined)),
      }
    },
    toString: () => `TraceIdRatioBased{${ratio}}`,
  }
}
