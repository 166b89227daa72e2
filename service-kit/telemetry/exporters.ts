/** OTEL_TRACES_EXPORTER and OTEL_LOGS_EXPORTER: otlp (HTTP, protobuf), console, both as a list, or none. */
import { diag } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base'
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from '@opentelemetry/otlp-exporter-base/node-http'
import {
  type ISerializer,
  JsonLogsSerializer,
  JsonTraceSerializer,
  LogsExporterMetricsHelper,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer'
import { ConsoleLogRecordExporter, type LogRecordExporter, type ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { ConsoleSpanExporter, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace'
import { logSerializer } from './otlp/logs.ts'
import { spanSerializer } from './otlp/spans.ts'

/** undefined for `none`: spans are still made, so that trace ids reach logs, answers and the next hop. */
export function spanExporter(name: string): (SpanExporter & Measured) | undefined {
  return choose(
    'OTEL_TRACES_EXPORTER',
    name,
    () => otlpSpanExporter(),
    () => new ConsoleSpanExporter(),
  )
}

/** undefined for `none`: log lines then go to stdout and files only. */
export function logExporter(name: string): (LogRecordExporter & Measured) | undefined {
  return choose(
    'OTEL_LOGS_EXPORTER',
    name,
    () => otlpLogExporter(),
    () => new ConsoleLogRecordExporter(),
  )
}

/** How OTLP is sent over HTTP, the encoding included. */
export type OtlpHttpSettings = Parameters<typeof createOtlpHttpExportDelegate>[0] & { encoding: Encoding }
export type Encoding = 'protobuf' | 'json'

/** What an encoding is called in a request. */
export const contentType = (encoding: Encoding) => ({
  'Content-Type': encoding === 'json' ? 'application/json' : 'application/x-protobuf',
})

/** Settings are those of OTEL_EXPORTER_OTLP_* unless they are given. */
export function otlpSpanExporter(settings = fromEnvironment('TRACES')): OTLPExporterBase<ReadableSpan[]> & Measured {
  const serializer = settings.encoding === 'json' ? JsonTraceSerializer : spanSerializer
  const name = 'otlp_http_span_exporter'
  return measured(serializer, (counting) =>
    createOtlpHttpExportDelegate(settings, counting, name, TraceExporterMetricsHelper, undefined),
  )
}

/** The same for log records. */
export function otlpLogExporter(settings = fromEnvironment('LOGS')): OTLPExporterBase<ReadableLogRecord[]> & Measured {
  const serializer = settings.encoding === 'json' ? JsonLogsSerializer : logSerializer
  const name = 'otlp_http_log_exporter'
  return measured(serializer, (counting) =>
    createOtlpHttpExportDelegate(settings, counting, name, LogsExporterMetricsHelper, undefined),
  )
}

// The SDK's exporters, but for what writes the bytes: settings (OTEL_EXPORTER_OTLP_*), retries, TLS and compression are its own.
function fromEnvironment(signal: 'TRACES' | 'LOGS'): OtlpHttpSettings {
  const encoding = 'protobuf'
  const settings = convertLegacyHttpOptions({}, signal, `v1/${signal.toLowerCase()}`, contentType(encoding))
  return { ...settings, encoding }
}

/** What knows how much it sends: `BatcherOptions` says what it is for. */
export interface Measured {
  lastBytes?(): number
}

/** The exporter counts what its serializer writes, once, however often it is then sent. */
function measured<Items, Response>(
  serializer: ISerializer<Items, Response>,
  delegate: (serializer: ISerializer<Items, Response>) => ConstructorParameters<typeof OTLPExporterBase<Items>>[0],
): OTLPExporterBase<Items> & Measured {
  let last = 0
  const counting: ISerializer<Items, Response> = {
    ...serializer,
    serializeRequest(items) {
      const bytes = serializer.serializeRequest(items)
      last = bytes?.length ?? 0
      return bytes
    },
  }
  return Object.assign(new OTLPExporterBase(delegate(counting)), { lastBytes: () => last })
}

/** What both kinds of exporters have; `Items` are spans or log records. */
interface Exporter<Items> extends Measured {
  export(items: Items, done: (result: ExportResult) => void): void
  forceFlush(): Promise<void>
  shutdown(): Promise<void>
}

function choose<Items, Otlp extends Exporter<Items>, Console extends Exporter<Items>>(
  variable: string,
  names: string,
  otlp: () => Otlp,
  console: () => Console,
): Exporter<Items> | undefined {
  const chosen = new Set(names.split(',').map((name) => name.trim()))
  const exporters: Exporter<Items>[] = []
  for (const name of chosen) {
    if (name === 'otlp') {
      const protocol = process.env.OTEL_EXPORTER_OTLP_PROTOCOL
      if (protocol && protocol !== 'http/protobuf')
        diag.warn(`OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}: using http/protobuf`)
      exporters.push(otlp())
    } else if (name === 'console') exporters.push(console())
    else if (name !== 'none') diag.warn(`${variable}: there is no exporter ${name}; use otlp, console or none`)
  }
  return exporters.length > 1 ? together(exporters) : exporters[0]
}

/** All get everything; it has failed when one of them has. */
export function together<Items>(exporters: readonly Exporter<Items>[]): Exporter<Items> {
  const exportTo = (exporter: Exporter<Items>, items: Items) =>
    new Promise<ExportResult>((done) => exporter.export(items, done))
  return {
    export(items, done) {
      void Promise.all(exporters.map((exporter) => exportTo(exporter, items))).then((results) =>
        done(results.find(({ code }) => code !== ExportResultCode.SUCCESS) ?? results[0]!),
      )
    },
    lastBytes: () => exporters.reduce((sum, exporter) => sum + (exporter.lastBytes?.() ?? 0), 0),
    forceFlush: async () => void (await Promise.all(exporters.map((exporter) => exporter.forceFlush()))),
    shutdown: async () => void (await Promise.all(exporters.map((exporter) => exporter.shutdown()))),
  }
}
