/** A file's model as the parts of telemetry. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AgentOptions } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Attributes, TextMapPropagator } from '@opentelemetry/api'
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base'
import { httpAgentFactoryFromOptions } from '@opentelemetry/otlp-exporter-base/node-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { ConsoleLogRecordExporter, type LogRecordExporter } from '@opentelemetry/sdk-logs'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ConsoleSpanExporter,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  type SpanLimits,
} from '@opentelemetry/sdk-trace'
import { contentType, type Measured, type OtlpHttpSettings, otlpLogExporter, otlpSpanExporter } from '../exporters.ts'
import type { QueueSettings, Way } from '../processors.ts'
import { propagator } from '../propagators.ts'
import { ratioSampler } from '../sampler.ts'
import type { TelemetrySettings } from '../settings.ts'
import { type ConfigFile, ConfigFileError } from './read.ts'
import type { ConfigurationModel, OtlpHttpModel, ProcessorModel, SamplerModel } from './schema.ts'

/** What the file says, all of it and nothing else. Throws a ConfigFileError for a certificate that can't be read. */
export async function settingsFromFile({ path, model }: ConfigFile): Promise<TelemetrySettings> {
  const { tracer_provider: traces, logger_provider: logs } = model
  const sender = (otlp: OtlpHttpModel, signal: string) => otlpSettings(otlp, signal, path)
  return {
    resource: resourceOf(model),
    propagator: await propagatorOf(model),
    traces: traces && {
      sampler: samplerOf(traces.sampler ?? { parent_based: {} }),
      limits: spanLimits(model),
      ways: traces.processors.map((processor) =>
        way<SpanExporter>(
          processor,
          (otlp) => otlpSpanExporter(sender(otlp, 'traces')),
          () => new ConsoleSpanExporter(),
        ),
      ),
    },
    logs: (logs?.processors ?? []).map((processor) =>
      way<LogRecordExporter>(
        processor,
        (otlp) => otlpLogExporter(sender(otlp, 'logs')),
        () => new ConsoleLogRecordExporter(),
      ),
    ),
  }
}

/** Propagators go on where all else is disabled. Without any, as the specification has it, nothing is propagated. */
export function propagatorOf(model: ConfigurationModel): Promise<TextMapPropagator | null> {
  const { composite = [], composite_list: list = [] } = model.propagator ?? {}
  const names = [...composite.flatMap((one) => Object.keys(one)), ...list]
  return names.length === 0 ? Promise.resolve(null) : propagator(names.join(','))
}

/**
 * Takes the OTEL_* variables out of `env`: whatever of the SDK looks there finds none. What it takes from nowhere else, limits of
 * log records, is put there.
 */
export function replaceVariables(env: NodeJS.ProcessEnv, model: ConfigurationModel): void {
  for (const name of Object.keys(env)) {
    if (name.startsWith('OTEL_') && name !== 'OTEL_CONFIG_FILE') delete env[name]
  }
  const { count, length } = attributeLimits(model, model.logger_provider?.limits)
  env.OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT = String(count)
  if (length !== undefined) env.OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT = String(length)
}

function resourceOf({ resource = { attributes_list: {} } }: ConfigurationModel) {
  const attributes: Attributes = { ...resource.attributes_list }
  for (const { name, value } of resource.attributes ?? []) if (value !== null) attributes[name] = value
  return resourceFromAttributes(attributes, resource.schema_url ? { schemaUrl: resource.schema_url } : {})
}

interface AttributeLimits {
  attribute_count_limit?: number | null | undefined
  attribute_value_length_limit?: number | null | undefined
}

function attributeLimits({ attribute_limits: all }: ConfigurationModel, own: AttributeLimits | undefined) {
  return {
    count: own?.attribute_count_limit ?? all?.attribute_count_limit ?? 128,
    length: own?.attribute_value_length_limit ?? all?.attribute_value_length_limit ?? undefined,
  }
}

function spanLimits(model: ConfigurationModel): Required<SpanLimits> {
  const own = model.tracer_provider?.limits
  const { count, length = Number.POSITIVE_INFINITY } = attributeLimits(model, own)
  return {
    attributeCountLimit: count,
    attributeValueLengthLimit: length,
    eventCountLimit: own?.event_count_limit ?? 128,
    linkCountLimit: own?.link_count_limit ?? 128,
    attributePerEventCountLimit: own?.event_attribute_count_limit ?? 128,
    attributePerLinkCountLimit: own?.link_attribute_count_limit ?? 128,
  }
}

function samplerOf(model: SamplerModel): Sampler {
  if (model.always_off) return new AlwaysOffSampler()
  if (model.trace_id_ratio_based) return ratioSampler(model.trace_id_ratio_based.ratio)
  if (!model.parent_based) return new AlwaysOnSampler()
  const made = (one: SamplerModel | undefined) => one && samplerOf(one)
  const by = model.parent_based
  return new ParentBasedSampler({
    root: samplerOf(by.root ?? { always_on: {} }),
    remoteParentSampled: made(by.remote_parent_sampled),
    remoteParentNotSampled: made(by.remote_parent_not_sampled),
    localParentSampled: made(by.local_parent_sampled),
    localParentNotSampled: made(by.local_parent_not_sampled),
  })
}

/** `simple` is a queue that waits for nothing: one item at a time, and what comes faster than it is taken is kept or counted. */
const AT_ONCE: QueueSettings = { capacity: 2_048, batchSize: 1, delayMs: 0, timeoutMs: 30_000 }

function way<Exporter>(
  { batch, simple }: ProcessorModel,
  otlp: (settings: OtlpHttpModel) => Exporter & Measured,
  console: () => Exporter & Measured,
): Way<Exporter> {
  const { otlp_http: settings } = (batch ?? simple)!.exporter
  const queue = batch && {
    capacity: batch.max_queue_size,
    batchSize: batch.max_export_batch_size,
    delayMs: batch.schedule_delay,
    timeoutMs: batch.export_timeout,
  }
  return { exporter: settings ? otlp(settings) : console(), queue: queue ?? AT_ONCE }
}

function otlpSettings(otlp: OtlpHttpModel, signal: string, path: string): OtlpHttpSettings {
  const { endpoint, headers = [], headers_list: list, compression, timeout, encoding, tls } = otlp
  const sent: Record<string, string> = { ...list }
  for (const { name, value } of headers) if (value !== null) sent[name] = value
  const agent: AgentOptions = { keepAlive: true, ...certificates(tls ?? {}, path) }
  return {
    url: endpoint ?? `http://localhost:4318/v1/${signal}`,
    headers: async () => ({ ...sent, ...contentType(encoding) }),
    compression: compression === 'gzip' ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE,
    timeoutMillis: timeout,
    // As the SDK's own exporters have it.
    concurrencyLimit: 30,
    agentFactory: httpAgentFactoryFromOptions(agent),
    encoding,
  }
}

/** What of `tls` a connection would be made with. Throws a ConfigFileError for what none could be. */
function certificates(tls: NonNullable<OtlpHttpModel['tls']>, path: string): AgentOptions {
  let last = ''
  const read = (name: 'ca_file' | 'key_file' | 'cert_file') => {
    last = name
    return tls[name] ? readFileSync(tls[name]) : undefined
  }
  try {
    const ca = read('ca_file')
    // Node takes any bytes for authorities, and then trusts nobody.
    if (ca) new X509Certificate(ca)
    const key = read('key_file')
    createSecureContext({ key })
    const cert = read('cert_file')
    createSecureContext({ key, cert })
    return { ca, key, cert }
  } catch (error) {
    throw new ConfigFileError(`OTEL_CONFIG_FILE=${path} can't be obeyed:\n  ${last}: ${(error as Error).message}`)
  }
}
