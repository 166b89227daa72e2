/**
 * Main thread. OTLP/gRPC: `Export` of traces, logs and metrics, plain or gzip, and the standard health service
 * (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc). OK means that the batch is on disk, or in Prometheus.
 *
 * No browser speaks HTTP/2 without TLS, so no page reaches this port, and there is no `Origin` to look at.
 */
import { toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import {
  type handleUnaryCall,
  logVerbosity,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  setLogVerbosity,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import {
  ExportLogsServiceResponseSchema,
  ExportMetricsServiceResponseSchema,
  ExportTraceServiceResponseSchema,
} from '@sightline/otlp-messages'
import type { Component } from '@sightline/service-kit/run-group'
import { bytesCall } from '../grpc.ts'
import { isHttpError } from '../http.ts'
import type { ReadCounts } from '../otlp/traces.ts'
import { isWireError } from '../otlp/wire.ts'
import { logsResponse, METRICS_REFUSED, metricsResponse, NOT_STORED, RETRY_SECONDS, tracesResponse } from './answers.ts'

export interface GrpcDeps {
  ingestTraces(bytes: Uint8Array): Promise<ReadCounts>
  ingestLogs(bytes: Uint8Array): Promise<ReadCounts>
  /** Undefined where there is no Prometheus to write to: metrics are then refused by name. */
  ingestMetrics?: ((bytes: Uint8Array) => Promise<ReadCounts>) | undefined
  /** Metrics have come, and been refused for that. */
  onNoMetrics?(): void
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Largest message accepted, before and after decompression. */
  readonly maxBodyBytes: number
  onError(error: unknown): void
  /** `status` is that of the same answer over HTTP. */
  onRequest?(outcome: { signal: string; status: number; bytes: number }): void
}

export interface GrpcReceiver extends Required<Pick<Component, 'start' | 'stop'>> {
  /** The port it listens on, once it is started. */
  port(): number
}

const COLLECTOR = 'opentelemetry.proto.collector'
/** grpc.health.v1.HealthCheckResponse with SERVING. */
const SERVING = Buffer.from([1 << 3, 1])
/** Of one connection, at once; further ones wait at the client. */
const MOST_CALLS = 16
/** Calls under way may take so long to end when the port closes. */
const DRAIN_MS = 3_000

type Handler = (message: Buffer) => Promise<Uint8Array>

/** Rejects its start with the port's number and OTLP_GRPC_PORT when the port can't be opened. */
export function createGrpcReceiver(deps: GrpcDeps): GrpcReceiver {
  // What it has to say comes as an error, too; its own lines have no form.
  setLogVerbosity(logVerbosity.NONE)
  const server = new Server({
    'grpc.max_concurrent_streams': MOST_CALLS,
    'grpc.max_receive_message_length': deps.maxBodyBytes,
    'grpc.max_send_message_length': deps.maxBodyBytes,
  })
  let bound = 0

  const taking =
    (signal: string, take: (bytes: Uint8Array) => Promise<Uint8Array>): Handler =>
    async (message) => {
      let code = 200
      try {
        return await take(message)
      } catch (error) {
        const refusal = refusalOf(error, deps.onError)
        code = refusal.http
        throw refusal.error
      } finally {
        deps.onRequest?.({ signal, status: code, bytes: message.length })
      }
    }
  const takeTraces = async (bytes: Uint8Array) =>
    toBinary(ExportTraceServiceResponseSchema, tracesResponse(await deps.ingestTraces(bytes)))
  const takeLogs = async (bytes: Uint8Array) =>
    toBinary(ExportLogsServiceResponseSchema, logsResponse(await deps.ingestLogs(bytes)))
  const { ingestMetrics } = deps
  const metrics: Handler =
    ingestMetrics === undefined
      ? () => {
          deps.onNoMetrics?.()
          return Promise.reject(grpcError(status.UNIMPLEMENTED, METRICS_REFUSED))
        }
      : taking('metrics', async (bytes) =>
          toBinary(ExportMetricsServiceResponseSchema, metricsResponse(await ingestMetrics(bytes))),
        )

  add(server, `${COLLECTOR}.trace.v1.TraceService`, { Export: taking('traces', takeTraces) })
  add(server, `${COLLECTOR}.logs.v1.LogsService`, { Export: taking('logs', takeLogs) })
  add(server, `${COLLECTOR}.metrics.v1.MetricsService`, { Export: metrics })
  add(server, 'grpc.health.v1.Health', { Check: async () => SERVING })

  return {
    port: () => bound,
    start: () =>
      new Promise((resolve, reject) => {
        const address = deps.host.includes(':') ? `[${deps.host}]:${deps.port}` : `${deps.host}:${deps.port}`
        server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
          if (error) {
            const reason = /EADDRINUSE/.test(error.message) ? 'is in use' : `can't be opened (${error.message})`
            const advice = 'Stop what holds it, or choose another by OTLP_GRPC_PORT.'
            reject(new Error(`Port ${deps.port} ${reason}. ${advice}`, { cause: error }))
            return
          }
          bound = port
          resolve()
        })
      }),
    stop: () =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.forceShutdown(), DRAIN_MS)
        server.tryShutdown(() => {
          clearTimeout(cut)
          resolve()
        })
      }),
  }
}

/** Messages are read where those of HTTP are. */
function add(server: Server, service: string, handlers: Record<string, Handler>): void {
  const definition: Record<string, ServiceDefinition[string]> = {}
  const calls: UntypedServiceImplementation = {}
  for (const [name, handler] of Object.entries(handlers)) {
    definition[name] = bytesCall(service, name, false)
    const call: handleUnaryCall<Buffer, Buffer> = ({ request }, answer) => {
      handler(request).then(
        (bytes) => answer(null, Buffer.from(bytes)),
        (error: ServiceError) => answer(error),
      )
    }
    calls[name] = call
  }
  server.addService(definition, calls)
}

/** As over HTTP: what is the sender's fault is not sent again, everything else is. */
function refusalOf(error: unknown, onError: (error: unknown) => void): { http: number; error: Partial<ServiceError> } {
  if (isWireError(error)) {
    const details = `The message is not an OTLP request: ${error.message}.`
    return { http: 400, error: grpcError(status.INVALID_ARGUMENT, details) }
  }
  if (isHttpError(error)) {
    const { status: http, message, headers } = error
    if (http === 429 || http === 503)
      return { http, error: later(message, Number(headers?.['retry-after'] ?? RETRY_SECONDS)) }
    if (http < 500) return { http, error: grpcError(status.INVALID_ARGUMENT, message) }
  }
  onError(error)
  return { http: 503, error: later(NOT_STORED, RETRY_SECONDS) }
}

function grpcError(code: status, details: string, metadata = new Metadata()): Partial<ServiceError> {
  return { code, details, metadata }
}

/**
 * To be sent again after so many seconds, in OTLP's way (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-throttling): a
 * google.rpc.Status with a RetryInfo.
 */
function later(message: string, seconds: number): Partial<ServiceError> {
  const delay = new BinaryWriter().tag(1, WireType.Varint).int64(seconds).finish()
  const retryInfo = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(delay).finish()
  const detail = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string('type.googleapis.com/google.rpc.RetryInfo')
    .tag(2, WireType.LengthDelimited)
    .bytes(retryInfo)
    .finish()
  const told = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(status.UNAVAILABLE)
    .tag(2, WireType.LengthDelimited)
    .string(message)
    .tag(3, WireType.LengthDelimited)
    .bytes(detail)
    .finish()
  const metadata = new Metadata()
  metadata.set('grpc-status-details-bin', Buffer.from(told))
  return grpcError(status.UNAVAILABLE, message, metadata)
}
