/**
 * Main thread. OTLP/HTTP: POST /v1/traces, /v1/logs and /v1/metrics as protobuf or JSON, gzip or zstd or plain. Answers in
 * the request's encoding (https://opentelemetry.io/docs/specs/otlp/#otlphttp). 200 means that the batch is on disk, or in
 * Prometheus. Beside it Zipkin's POST /api/v2/spans, in JSON, where that is 202, and
 * POST /browser/v1/traces for what the gateway lets through from browsers.
 */
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Message } from '@bufbuild/protobuf'
import { create, toBinary, toJson } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import {
  ExportLogsServiceRequestSchema,
  ExportLogsServiceResponseSchema,
  ExportMetricsServiceRequestSchema,
  ExportMetricsServiceResponseSchema,
  ExportTraceServiceRequestSchema,
  ExportTraceServiceResponseSchema,
  RpcStatusSchema,
} from '@sightline/otlp-messages'
import type { AllowedHosts } from '@sightline/service-kit/allowed-hosts'
import { type ApiResponse, assertAllowed, createUploads, httpError, isHttpError, send, splitUrl } from '../http.ts'
import type { ReadCounts } from '../otlp/traces.ts'
import { isWireError } from '../otlp/wire.ts'
import { logsResponse, METRICS_REFUSED, metricsResponse, NOT_STORED, RETRY_SECONDS, tracesResponse } from './answers.ts'
import { contentCoding, decompressed, mediaType } from './body.ts'
import { browserSpans, MOST_BROWSER_BYTES } from './browser.ts'
import { isPreflight, type Origins, pageOf, preflightAnswer, readableBy } from './cors.ts'
import { MOST_MESSAGES } from './metrics/decode.ts'
import { jsonToProtobuf } from './otlp-json.ts'
import { zipkinToProtobuf } from './zipkin.ts'

export interface ReceiverDeps {
  ingestTraces(bytes: Uint8Array): Promise<ReadCounts>
  ingestLogs(bytes: Uint8Array): Promise<ReadCounts>
  /** Undefined where there is no Prometheus to write to: metrics are then refused by name. */
  ingestMetrics?: ((bytes: Uint8Array) => Promise<ReadCounts>) | undefined
  /** Metrics have come, and been refused for that. */
  onNoMetrics?(): void
  readonly hosts: AllowedHosts
  /** Besides those of this machine: pages that may send from a browser. Undefined: none may, not even those. */
  readonly origins?: Origins
  /** What is taken where; `PATHS` by default. */
  readonly paths?: ReadonlyMap<string, SignalName>
  /** Largest body accepted, before and after decompression. */
  readonly maxBodyBytes: number
  /** After so long without a byte an upload is cut; 10 s by default. */
  readonly idleMs?: number
  onError(error: unknown): void
  onRequest?(outcome: { signal: string; status: number; bytes: number }): void
}

type Encoding = 'protobuf' | 'json'

/** What comes in at a path: a signal of OTLP, Zipkin's spans, or those of browsers. */
type SignalName = 'traces' | 'logs' | 'metrics' | 'zipkin' | 'browser'
const PATHS = new Map<string, SignalName>([
  ['/v1/traces', 'traces'],
  ['/v1/logs', 'logs'],
  ['/v1/metrics', 'metrics'],
  ['/api/v2/spans', 'zipkin'],
  ['/browser/v1/traces', 'browser'],
])
const WHERE = "OTLP/HTTP goes to /v1/traces, /v1/logs or /v1/metrics, Zipkin's JSON to /api/v2/spans."
/** Where Loki itself takes OTLP: for log lines alone. */
export const LOKI_OTLP_PATHS: ReadonlyMap<string, SignalName> = new Map([['/otlp/v1/logs', 'logs']])

/** google.rpc codes of the statuses used here. */
const RPC_CODES: Record<number, number> = {
  400: 3,
  403: 7,
  404: 5,
  405: 12,
  408: 4,
  413: 3,
  415: 3,
  421: 7,
  429: 8,
  500: 13,
  503: 14,
}

/**
 * What OTLP_HTTP_PORT serves, and LOKI_PORT at `LOKI_OTLP_PATHS`. Refusals are a google.rpc.Status; what can't be stored is a 503 to be sent again, and
 * `onError` is told.
 */
export function createReceiver(deps: ReceiverDeps): RequestListener {
  const { paths = PATHS } = deps
  const uploads = createUploads(deps.maxBodyBytes * 8, deps.idleMs)

  return (req, res) => {
    const started = { signal: 'unknown', bytes: 0 }
    void answer(req, started).then((response) => {
      deps.onRequest?.({ ...started, status: response.status })
      send(req, res, response)
    })
  }

  async function answer(req: IncomingMessage, started: { signal: string; bytes: number }): Promise<ApiResponse> {
    const refused = (error: unknown) => failure(error, encodingOf(req) ?? 'json')
    let page: string | undefined
    try {
      if (deps.origins === undefined) assertAllowed(req, deps.hosts)
      else page = pageOf(req, deps.hosts, deps.origins)
    } catch (error) {
      return refused(error)
    }
    const response = await receive(req, started, page !== undefined).catch(refused)
    return page === undefined ? response : readableBy(page, response)
  }

  async function receive(
    req: IncomingMessage,
    started: { signal: string; bytes: number },
    fromPage: boolean,
  ): Promise<ApiResponse> {
    const [path] = splitUrl(req.url ?? '/')
    const signal = paths.get(path)
    if (signal === undefined) throw httpError(404, `Nothing is served at ${path}. ${WHERE}`)
    started.signal = signal
    if (fromPage && isPreflight(req)) return preflightAnswer(req)
    if (req.method !== 'POST') throw httpError(405, `${path} takes POST, not ${req.method}.`, { allow: 'POST' })
    const encoding = encodingOf(req)
    if (signal === 'zipkin' && encoding !== 'json') {
      throw httpError(415, "Content-Type must be application/json: Zipkin's protobuf and Thrift are not read here.")
    }
    if (encoding === undefined) {
      throw httpError(415, 'Content-Type must be application/x-protobuf or application/json.')
    }
    const most = signal === 'browser' ? MOST_BROWSER_BYTES : deps.maxBodyBytes
    return uploads.take(req, most, async (sent, grown) => {
      const body = await decompressed(contentCoding(req.headers['content-encoding']), sent, most)
      if (body !== sent) grown(body.length)
      started.bytes = body.length
      if (signal === 'zipkin') return takeZipkin(body)
      return signal === 'metrics' ? takeMetrics(body, encoding) : ingest(signal, body, encoding)
    })
  }

  async function ingest(signal: 'traces' | 'logs' | 'browser', body: Buffer, encoding: Encoding): Promise<ApiResponse> {
    const traces = signal !== 'logs'
    const isJson = encoding === 'json'
    const spans = () => (isJson ? jsonToProtobuf(body, ExportTraceServiceRequestSchema) : body)
    const counts = traces
      ? await deps.ingestTraces(signal === 'browser' ? browserSpans(spans()) : spans())
      : await deps.ingestLogs(isJson ? jsonToProtobuf(body, ExportLogsServiceRequestSchema) : body)
    return traces
      ? reply(200, ExportTraceServiceResponseSchema, tracesResponse(counts), encoding)
      : reply(200, ExportLogsServiceResponseSchema, logsResponse(counts), encoding)
  }

  /** As Zipkin answers, with a word of what was left out. Clients look at the status alone: nothing taken is a 400. */
  async function takeZipkin(body: Buffer): Promise<ApiResponse> {
    const { bytes, problem } = zipkinToProtobuf(body)
    if (bytes.length === 0) return accepted
    const { accepted: taken, rejected, reason } = await deps.ingestTraces(bytes)
    if (rejected === 0) return accepted
    const counts = { accepted: taken, rejected, reason: problem || reason }
    if (taken === 0) throw httpError(400, `The body has no span that can be stored: ${counts.reason}`)
    return reply(202, ExportTraceServiceResponseSchema, tracesResponse(counts), 'json')
  }

  async function takeMetrics(body: Buffer, encoding: Encoding): Promise<ApiResponse> {
    if (deps.ingestMetrics === undefined) {
      deps.onNoMetrics?.()
      return refuseMetrics(encoding)
    }
    const bytes = encoding === 'json' ? jsonToProtobuf(body, ExportMetricsServiceRequestSchema, MOST_MESSAGES) : body
    const counts = await deps.ingestMetrics(bytes)
    return reply(200, ExportMetricsServiceResponseSchema, metricsResponse(counts), encoding)
  }

  function failure(error: unknown, encoding: Encoding): ApiResponse {
    if (isHttpError(error)) return status(error.status, error.message, encoding, { ...error.headers })
    if (isWireError(error)) return status(400, `The body is not an OTLP request: ${error.message}.`, encoding)
    deps.onError(error)
    return status(503, NOT_STORED, encoding, { 'retry-after': String(RETRY_SECONDS) })
  }
}

const accepted: ApiResponse = { status: 202, headers: {}, body: '' }

function encodingOf(req: IncomingMessage): Encoding | undefined {
  const type = mediaType(req.headers['content-type'])
  if (type === 'application/x-protobuf' || type === 'application/protobuf') return 'protobuf'
  return type === 'application/json' ? 'json' : undefined
}

function refuseMetrics(encoding: Encoding): ApiResponse {
  // A 4xx would make every SDK log an error per export; a partial success says the same once and is not retried.
  const partialSuccess = { rejectedDataPoints: 1n, errorMessage: METRICS_REFUSED }
  return reply(200, ExportMetricsServiceResponseSchema, { partialSuccess }, encoding)
}

function status(code: number, message: string, encoding: Encoding, headers: Record<string, string> = {}): ApiResponse {
  const response = reply(code, RpcStatusSchema, { code: RPC_CODES[code] ?? 2, message }, encoding)
  return { ...response, headers: { ...response.headers, ...headers } }
}

function reply<T extends Message>(
  code: number,
  schema: GenMessage<T>,
  value: Parameters<typeof create<GenMessage<T>>>[1],
  encoding: Encoding,
): ApiResponse {
  const message = create(schema, value) as T
  return encoding === 'json'
    ? { status: code, headers: { 'content-type': 'application/json' }, body: JSON.stringify(toJson(schema, message)) }
    : { status: code, headers: { 'content-type': 'application/x-protobuf' }, body: toBinary(schema, message) }
}
