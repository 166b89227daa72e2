/** The OpenTelemetry SDK in the test's own process, as services run it, with everything kept in memory. */
import { InMemoryLogRecordExporter, type ReadableLogRecord, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { NodeSDK } from '@opentelemetry/sdk-node'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'

/** What the SDK has made so far. */
export interface MemoryTelemetry extends AsyncDisposable {
  /** Finished spans, oldest first. */
  spans(): ReadableSpan[]
  /** The one finished span of that name; throws when there are none or several. */
  span(name: string): ReadableSpan
  logs(): ReadableLogRecord[]
  /** Forgets all of it. */
  reset(): void
}

/** Once per process: the SDK is global. `first` sees each span before it is kept. */
export function startMemoryTelemetry(first: SpanProcessor[] = []): MemoryTelemetry {
  const spans = new InMemorySpanExporter()
  const logs = new InMemoryLogRecordExporter()
  const sdk = new NodeSDK({
    autoDetectResources: false,
    instrumentations: [],
    metricReaders: [],
    spanProcessors: [...first, new SimpleSpanProcessor({ exporter: spans })],
    logRecordProcessors: [new SimpleLogRecordProcessor({ exporter: logs })],
  })
  sdk.start()
  return {
    spans: () => spans.getFinishedSpans(),
    span(name) {
      const found = spans.getFinishedSpans().filter((span) => span.name === name)
      if (found.length !== 1) throw new Error(`${found.length} finished spans are called ${name}; one was expected`)
      return found[0]!
    },
    logs: () => logs.getFinishedLogRecords(),
    reset() {
      spans.reset()
      logs.reset()
    },
    [Symbol.asyncDispose]: () => sdk.shutdown(),
  }
}
