/** Puts the OpenTelemetry SDK together, from the standard OTEL_* variables or from the file that OTEL_CONFIG_FILE names. */
import { randomUUID } from 'node:crypto'
import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { detectResources, hostDetector, type ResourceDetector, resourceFromAttributes } from '@opentelemetry/resources'
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
import type { ConfigFile } from './config-file/read.ts'
import { shareFrom } from './consistent-sampling.ts'
import { diagLogger, tell } from './diag.ts'
import { entryPackage } from './entry-package.ts'
import { together } from './exporters.ts'
import { instrumentations } from './instrumentations.ts'
import { logProcessor, spanProcessor } from './processors.ts'
import { deliverBy } from './records.ts'
import { propagatorFromEnvironment, settingsFromEnvironment, type TelemetrySettings } from './settings.ts'
import { telemetry } from './state.ts'
import { createTracerProvider } from './tracing/provider.ts'

/**
 * What `detector` found, without what it didn't: a container has no /etc/machine-id, so no `host.id`, and the SDK would warn of
 * that at every start.
 */
export async function known(detector: ResourceDetector): Promise<ResourceDetector> {
  const found = Object.entries(detector.detect().attributes ?? {})
  const settled = await Promise.all(found.map(async ([key, value]) => [key, await value] as const))
  return { detect: () => ({ attributes: Object.fromEntries(settled.filter(([, value]) => value)) }) }
}

/** Starts the SDK once per process, as `file` says or else the variables; `stopTelemetry` flushes it. */
export async function startTelemetry(env: NodeJS.ProcessEnv, file?: ConfigFile): Promise<void> {
  const entry = introduce(env, file)
  warnOfBaggageKeys(env.SIGHTLINE_BAGGAGE_KEYS)
  const showPersonalData = showsPersonalData(env)
  const { propagator, resource: given, traces, logs } = await settings(env, file)
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: entry.name,
    [ATTR_SERVICE_NAMESPACE]: 'sightline',
    [ATTR_SERVICE_VERSION]: entry.version,
    [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
    'deployment.environment.name': 'local',
  })
    .merge(detectResources({ detectors: [await known(hostDetector)] }))
    .merge(given)
  const processor = traces && spanProcessor(traces.ways, env, showPersonalData)
  const own = env.SIGHTLINE_INSTRUMENTATION !== 'official'
  const sdk = new NodeSDK({
    instrumentations: await instrumentations(own),
    textMapPropagator: propagator,
    resource,
    autoDetectResources: false,
    sampler: traces?.sampler,
    spanLimits: file && traces?.limits,
    // Metrics are prom-client's; without an empty list the SDK would export its own over OTLP.
    metricReaders: [],
    // Without one the SDK makes no tracer provider.
    spanProcessors: own || !processor ? [] : [fineStart, processor],
    logRecordProcessors: logs.length > 0 ? [logProcessor(logs, env, showPersonalData)] : [],
  })
  sdk.start()
  if (own && processor) trace.setGlobalTracerProvider(createTracerProvider({ resource, ...traces, processor }))
  telemetry.logsWanted = logs.length > 0
  telemetry.tracesSample = shareFrom(env.TRACES_SAMPLE)
  telemetry.deliver = logs.length > 0 ? deliverBy(together(logs.map(({ exporter }) => exporter)), resource) : undefined
  const running = own && processor ? [sdk, processor] : [sdk]
  telemetry.shutdown = async () => {
    await Promise.all(running.map((one) => one.shutdown()))
  }
}

async function settings(env: NodeJS.ProcessEnv, file: ConfigFile | undefined): Promise<TelemetrySettings> {
  if (file === undefined) return settingsFromEnvironment(env)
  const { replaceVariables, settingsFromFile } = await import('./config-file/settings.ts')
  replaceVariables(env, file.model)
  return settingsFromFile(file)
}

/**
 * In place of `startTelemetry` with OTEL_SDK_DISABLED, or `disabled` in `file`: no span, no log record and nothing that is patched,
 * but propagators are to go on (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/): without them
 * the hops behind this one would begin a trace of their own. The kit carries the caller's context through: server-span.ts takes it in,
 * http-client.ts sends it on.
 */
export async function passContextOn(env: NodeJS.ProcessEnv, file?: ConfigFile): Promise<void> {
  introduce(env, file)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const propagator = await (file
    ? (await import('./config-file/settings.ts')).propagatorOf(file.model)
    : propagatorFromEnvironment())
  if (propagator) propagation.setGlobalPropagator(propagator)
  telemetry.onlyPassesOn = true
}

/** Who we are, and a voice for what is wrong with the settings. */
function introduce(env: NodeJS.ProcessEnv, file: ConfigFile | undefined): { name: string; version: string } {
  const errorsOnly = /^(error|fatal)/.test(file?.model.log_level ?? '')
  const logLevel = errorsOnly ? DiagLogLevel.ERROR : DiagLogLevel.WARN
  diag.setLogger(diagLogger(), { logLevel, suppressOverrideMessage: true })
  const entry = entryPackage(process.argv[1])
  // The SDK reads the variable itself, also for its default resource, so the default is put where it looks.
  env.OTEL_SERVICE_NAME ||= entry.name
  if (file) {
    const ignored = file.ignored.length > 0 ? ` Set, and ignored for it: ${file.ignored.join(', ')}` : ''
    tell('info', `OTEL_CONFIG_FILE=${file.path} is obeyed.${ignored}`)
    for (const one of file.unused) tell('warn', `OTEL_CONFIG_FILE: ${one}`)
  }
  return entry
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
