/** From a page; the exporters have their defaults. */
import { metrics } from '@opentelemetry/api'
import { SeverityNumber } from '@opentelemetry/api-logs'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web'
import { brew } from './brew.mjs'

const resource = resourceFromAttributes({ 'service.name': 'from-browser' })
const spans = new WebTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] })
const linesToSend = new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })
const lines = new LoggerProvider({ resource, processors: [linesToSend] })
const readers = [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })]
const meters = new MeterProvider({ resource, readers })
spans.register()
metrics.setGlobalMeterProvider(meters)

const logger = lines.getLogger('tea')
brew((body) => logger.emit({ severityNumber: SeverityNumber.WARN, severityText: 'WARN', body }))

Promise.all([spans, lines, meters].map((provider) => provider.forceFlush())).then(
  () => {
    document.title = 'sent'
  },
  (error) => {
    document.title = `failed: ${error.message}`
  },
)
