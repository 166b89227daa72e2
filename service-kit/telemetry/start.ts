/** Puts the OpenTelemetry SDK together from the standard OTEL_* variables. */
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { context, DiagLogLevel, diag, propagation, type TextMapPropagator, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { getStringFromEnv } from '@opentelemetry/core'
import {
  detectResources,
  envDetector,
  hostDetector,
  type ResourceDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import { NodeSDK } from '@opentelemetry/sdk-node'
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
  ATTR_SERVICE_VERSION,
} from '@opentelemetry/semantic-conventions'
import { showsPersonalData } from '../masking.ts'
import { warnOfBaggageKeys } from './baggage.ts'
import { fineStart } from './clock.ts'
import { diagLogger } from './diag.ts'
import { logExporter, spanExporter } from './exporters.ts'
import { instrumentations } from './instrumentations.ts'
import { logProcessor, spanProcessor } from './processors.ts'
import { propagator } from './propagators.ts'
import { deliverBy } from './records.ts'
import { samplerFromEnvironment } from './sampler.ts'
import { telemetry } from './state.ts'
import { createTracerProvider, limitsFromEnvironment } from './tracing/provider.ts'

/**
 * What `detector` found, without what it didn't: a container has no /etc/machine-id, so no `host.id`, and the SDK would warn of
 * that at every start.
 */
export async function known(detector: ResourceDetector): Promise<ResourceDetector> {
  const found = Object.entries(detector.detect().attributes ?? {})
  const settled = await Promise.all(found.map(async ([key, value]) => [key, await value] as const))
  return { detect: () => ({ attributes: Object.fromEntries(settled.filter(([, value]) => value)) }) }
}

/** Starts the SDK once per process; `stopTelemetry` flushes it. */
export async function startTelemetry(env: NodeJS.ProcessEnv): Promise<void> {
  const entry = introduce(env)
  warnOfBaggageKeys(env.SIGHTLINE_BAGGAGE_KEYS)
  const showPersonalData = showsPersonalData(env)
  const logs = logExporter(getStringFromEnv('OTEL_LOGS_EXPORTER') ?? 'otlp')
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: env.OTEL_SERVICE_NAME,
    [ATTR_SERVICE_NAMESPACE]: 'sightline',
    [ATTR_SERVICE_VERSION]: entry.version,
    [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
    'deployment.environment.name': 'local',
  }).merge(detectResources({ detectors: [envDetector, await known(hostDetector)] }))
  const sampler = samplerFromEnvironment()
  const exporter = spanExporter(getStringFromEnv('OTEL_TRACES_EXPORTER') ?? 'otlp')
  const processor = spanProcessor(exporter, env, showPersonalData)
  const own = env.SIGHTLINE_INSTRUMENTATION !== 'official'
  const sdk = new NodeSDK({
    instrumentations: await instrumentations(own),
    textMapPropagator: await propagatorFromEnvironment(),
    resource,
    autoDetectResources: false,
    sampler,
    // Metrics are prom-client's; without an empty list the SDK would export its own over OTLP.
    metricReaders: [],
    // Without one the SDK makes no tracer provider.
    spanProcessors: own ? [] : [fineStart, processor],
    logRecordProcessors: logs ? [logProcessor(logs, env, showPersonalData)] : [],
  })
  sdk.start()
  if (own) {
    const limits = limitsFromEnvironment()
    trace.setGlobalTracerProvider(createTracerProvider({ resource, sampler, limits, processor }))
  }
  telemetry.logsWanted = logs !== undefined
  telemetry.deliver = logs && deliverBy(logs, resource)
  const running = own ? [sdk, processor] : [sdk]
  telemetry.shutdown = async () => {
    await Promise.all(running.map((one) => one.shutdown()))
  }
}

/**
 * In place of `startTelemetry` with OTEL_SDK_DISABLED: no span, no log record and nothing that is patched, but propagators are
 * to go on (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/): without them the hops behind
 * this one would begin a trace of their own. The kit carries the caller's context through: server-span.ts takes it in,
 * http-client.ts sends it on.
 */
export async function passContextOn(env: NodeJS.ProcessEnv): Promise<void> {
  introduce(env)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const textMapPropagator = await propagatorFromEnvironment()
  if (textMapPropagator) propagation.setGlobalPropagator(textMapPropagator)
  telemetry.onlyPassesOn = true
}

/** Who we are, and a voice for what is wrong with the settings. */
function introduce(env: NodeJS.ProcessEnv): { name: string; version: string } {
  diag.setLogger(diagLogger(), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  const entry = entryPackage(process.argv[1])
  // The SDK reads the variable itself, also for its default resource, so the default is put where it looks.
  env.OTEL_SERVICE_NAME ||= entry.name
  return entry
}

function propagatorFromEnvironment(): Promise<TextMapPropagator | null> {
  return propagator(getStringFromEnv('OTEL_PROPAGATORS') ?? 'tracecontext,baggage')
}

/** Sends what is queued and closes the exporters; resolves after `timeoutMs` at the latest, whatever the backend does. */
export async function stopTelemetry(timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  const shutdown = telemetry.shutdown().catch((error) => diag.warn(`telemetry did not shut down: ${error}`))
  await Promise.race([shutdown, limit])
  clearTimeout(timer)
}

/**
 * Name and version of the program that was started. The name is that of the nearest package.json above it, without a scope:
 * `@sightline/user-service` gives `user-service`. The version is the first on the way up: that of the project, stated once.
 */
export function entryPackage(entry: string | undefined): { name: string; version: string } {
  let named: string | undefined
  for (let folder = path.dirname(path.resolve(entry ?? '.')); ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json')
    const found: { name?: string; version?: string } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
    named ??= found.name?.replace(/^@[^/]*\//, '')
    if (found.version !== undefined || folder === path.dirname(folder)) {
      return { name: named ?? 'unknown_service', version: found.version ?? '0.0.0' }
    }
  }
}
