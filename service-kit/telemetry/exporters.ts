/** OTEL_TRACES_EXPORTER and OTEL_LOGS_EXPORTER: otlp (HTTP, protobuf), console or none. */
import { diag } from '@opentelemetry/api'
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

function choose<Otlp, Console>(variable: string, name: string, otlp: () => Otlp, console: () => Console) {
  if (name === 'otlp') {
    const protocol = process.env.OTEL_EXPORTER_OTLP_PROTOCOL
    if (protocol && protocol !== 'http/protobuf')
      diag.warn(`OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}: using http/protobuf`)
    return otlp()
  }
  if (name === 'console') return console()
  if (name !== 'none') diag.warn(`${variable}=${name}: use otlp, console or none; nothing is exported`)
  return undefined
}
