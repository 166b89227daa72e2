/** OTEL_TRACES_EXPORTER and OTEL_LOGS_EXPORTER: otlp (HTTP, protobuf), console, both as a list, or none. */
import { diag } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { ConsoleLogRecordExporter, type LogRecordExporter } from '@opentelemetry/sdk-logs'
import { ConsoleSpanExporter, type SpanExporter } from '@opentelemetry/sdk-trace'

/** undefined for `none`: spans are still made, so that trace ids reach logs, answers and the next hop. */
export function spanExporter(name: string): SpanExporter | undefined {
  return choose(
    'OTEL_TRACES_EXPORTER',
    name,
    () => new OTLPTraceExporter(),
    () => new ConsoleSpanExporter(),
  )
}

/** undefined for `none`: log lines then go to stdout and files only. */
export function logExporter(name: string): LogRecordExporter | undefined {
  return choose(
    'OTEL_LOGS_EXPORTER',
    name,
    () => new OTLPLogExporter(),
    () => new ConsoleLogRecordExporter(),
  )
}

/** What both kinds of exporters have; `Items` are spans or log records. */
interface Exporter<Items> {
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
function together<Items>(exporters: readonly Exporter<Items>[]): Exporter<Items> {
  const exportTo = (exporter: Exporter<Items>, items: Items) =>
    new Promise<ExportResult>((done) => exporter.export(items, done))
  return {
    export(items, done) {
      void Promise.all(exporters.map((exporter) => exportTo(exporter, items))).then((results) =>
        done(results.find(({ code }) => code !== ExportResultCode.SUCCESS) ?? results[0]!),
      )
    },
    forceFlush: async () => void (await Promise.all(exporters.map((exporter) => exporter.forceFlush()))),
    shutdown: async () => void (await Promise.all(exporters.map((exporter) => exporter.shutdown()))),
  }
}
