/** What OTLP is answered, over HTTP and gRPC alike. */
import { create } from '@bufbuild/protobuf'
import {
  type ExportLogsServiceResponse,
  ExportLogsServiceResponseSchema,
  type ExportMetricsServiceResponse,
  ExportMetricsServiceResponseSchema,
  type ExportTraceServiceResponse,
  ExportTraceServiceResponseSchema,
} from '@sightline/otlp-messages'
import type { ReadCounts } from '../otlp/traces.ts'

export const METRICS_REFUSED =
  'Metrics are not stored here: let Prometheus scrape them, name one in PROMETHEUS_REMOTE_WRITE_URL, or set OTEL_METRICS_EXPORTER=none.'
export const NOT_STORED = 'The batch could not be stored. Send it again.'
/** How long a sender should wait after that. */
export const RETRY_SECONDS = 5

/** A partial success where something was rejected, else empty. */
export function tracesResponse({ rejected, reason }: ReadCounts): ExportTraceServiceResponse {
  const partialSuccess = { rejectedSpans: BigInt(rejected), errorMessage: because(rejected, reason) }
  return create(ExportTraceServiceResponseSchema, rejected ? { partialSuccess } : {})
}

/** The same for log records. */
export function logsResponse({ rejected, reason }: ReadCounts): ExportLogsServiceResponse {
  const partialSuccess = { rejectedLogRecords: BigInt(rejected), errorMessage: because(rejected, reason) }
  return create(ExportLogsServiceResponseSchema, rejected ? { partialSuccess } : {})
}

/** The same for data points. */
export function metricsResponse({ rejected, reason }: ReadCounts): ExportMetricsServiceResponse {
  const partialSuccess = { rejectedDataPoints: BigInt(rejected), errorMessage: because(rejected, reason) }
  return create(ExportMetricsServiceResponseSchema, rejected ? { partialSuccess } : {})
}

const because = (rejected: number, reason: string) => `${rejected} rejected: ${reason}`
