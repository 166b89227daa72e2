/** What telemetry is put together from, whoever says it: the OTEL_* variables here, a file in config-file/settings.ts. */
import type { TextMapPropagator } from '@opentelemetry/api'
import { getStringFromEnv } from '@opentelemetry/core'
import { detectResources, envDetector, type Resource } from '@opentelemetry/resources'
import type { LogRecordExporter } from '@opentelemetry/sdk-logs'
import type { Sampler, SpanExporter, SpanLimits } from '@opentelemetry/sdk-trace'
import { logExporter, spanExporter } from './exporters.ts'
import { type Way, waysFromEnvironment } from './processors.ts'
import { propagator } from './propagators.ts'
import { samplerFromEnvironment } from './sampler.ts'
import { limitsFromEnvironment } from './tracing/provider.ts'

export interface TelemetrySettings {
  /** Wins over what the service says of itself. */
  resource: Resource
  /** null propagates nothing. */
  propagator: TextMapPropagator | null
  /** undefined makes no span; without a way spans are made all the same, for the ids in log lines and answers. */
  traces: { sampler: Sampler; limits: Required<SpanLimits>; ways: Way<SpanExporter>[] } | undefined
  /** Without a way log lines go to stdout and files only. */
  logs: Way<LogRecordExporter>[]
}

/** As the standard variables have it. */
export async function settingsFromEnvironment(env: NodeJS.ProcessEnv): Promise<TelemetrySettings> {
  const logs = logExporter(getStringFromEnv('OTEL_LOGS_EXPORTER') ?? 'otlp')
  const spans = spanExporter(getStringFromEnv('OTEL_TRACES_EXPORTER') ?? 'otlp')
  return {
    resource: detectResources({ detectors: [envDetector] }),
    propagator: await propagatorFromEnvironment(),
    traces: {
      sampler: samplerFromEnvironment(),
      limits: limitsFromEnvironment(),
      ways: waysFromEnvironment(spans, 'OTEL_BSP', env),
    },
    logs: waysFromEnvironment(logs, 'OTEL_BLRP', env),
  }
}

/** OTEL_PROPAGATORS alone: all that is left of telemetry that is switched off. */
export function propagatorFromEnvironment(): Promise<TextMapPropagator | null> {
  return propagator(getStringFromEnv('OTEL_PROPAGATORS') ?? 'tracecontext,baggage')
}
