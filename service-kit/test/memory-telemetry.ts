/** Telemetry in the test's own process, as services run it, with everything kept in memory. */
import { trace } from '@opentelemetry/api'
import { defaultResource } from '@opentelemetry/resources'
import { InMemoryLogRecordExporter, type ReadableLogRecord, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { NodeSDK } from '@opentelemetry/sdk-node'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { samplerFromEnvironment } from '../telemetry/sampler.ts'
import { createTracerProvider, limitsFromEnvironment } from '../telemetry/tracing/provider.ts'

/** What has been made so far. */
export interface MemoryTelemetry extends AsyncDisposable {
  /** Spans that have ended until now, oldest first. */
  spans(): ReadableSpan[]
  /** The one finished span of that name; throws when there are none or several. */
  span(name: string): ReadableSpan
  logs(): ReadableLogRecord[]
  /** Forgets all of it. */
  reset(): void
}

/** Once per process: OpenTelemetry's API is global. */
export function startMemoryTelemetry(): MemoryTelemetry {
  const spans: ReadableSpan[] = []
  const logs = new InMemoryLogRecordExporter()
  const sdk = new NodeSDK({
    autoDetectResources: false,
    instrumentations: [],
    metricReaders: [],
    spanProcessors: [],
    logRecordProcessors: [new SimpleLogRecordProcessor({ exporter: logs })],
  })
  sdk.start()
  const processor = {
    onStart() {},
    onEnd: (span: ReadableSpan) => void spans.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  const [sampler, limits] = [samplerFromEnvironment(), limitsFromEnvironment()]
  trace.setGlobalTracerProvider(createTracerProvider({ resource: defaultResource(), sampler, limits, processor }))
  return {
    spans: () => [...spans],
    span(name) {
      const found = spans.filter((span) => span.name === name)
      if (found.length !== 1) throw new Error(`${found.length} finished spans are called ${name}; one was expected`)
      return found[0]!
    },
    logs: () => logs.getFinishedLogRecords(),
    reset() {
      spans.length = 0
      logs.reset()
    },
    [Symbol.asyncDispose]: () => sdk.shutdown(),
  }
}
