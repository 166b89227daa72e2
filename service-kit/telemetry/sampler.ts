/**
 * OTEL_TRACES_SAMPLER: the SDK's own samplers, but for the ratio. The SDK's takes the exclusive or of the four words of the
 * trace id, which only it knows; this takes the last 56 bits, as consistent probability sampling has it, and so does the
 * gateway (gateway/switches.sh): with `traceidratio`, where each hop decides by itself, all keep the same traces.
 * https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 */
import { diag, isValidTraceId } from '@opentelemetry/api'
import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core'
import { ParentBasedSampler, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace'

/** undefined where the SDK's choice by the same variable is right. */
export function samplerFromEnvironment(): Sampler | undefined {
  const name = getStringFromEnv('OTEL_TRACES_SAMPLER')
  if (name === 'traceidratio') return ratioSampler(ratioFromEnvironment())
  if (name === 'parentbased_traceidratio') return new ParentBasedSampler({ root: ratioSampler(ratioFromEnvironment()) })
  return undefined
}

function ratioFromEnvironment(): number {
  const ratio = getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG')
  if (ratio !== undefined && ratio >= 0 && ratio <= 1) return ratio
  diag.warn(
    `OTEL_TRACES_SAMPLER_ARG=${process.env.OTEL_TRACES_SAMPLER_ARG ?? ''}: give a number from 0 to 1; taken as 1`,
  )
  return 1
}

function ratioSampler(ratio: number): Sampler {
  return {
    shouldSample(_, traceId) {
      const kept = isValidTraceId(traceId) && isKept(traceId, ratio)
      return { decision: kept ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD }
    },
    toString: () => `TraceIdRatioBased{${ratio}}`,
  }
}

/** Whether a trace is among the share of all, 0 to 1, that is kept. The first 8 of the last 14 digits of its id decide. */
export function isKept(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(18, 26), 16) >= Math.floor((1 - ratio) * 2 ** 32)
}
