/** A telemetry backend for tests: takes OTLP over HTTP, keeps what it got as plain objects, and can be told to misbehave. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fromBinary } from '@bufbuild/protobuf'
import {
  type AnyValue,
  ExportLogsServiceRequestSchema,
  ExportTraceServiceRequestSchema,
  type KeyValue,
} from '@sightline/otlp-messages'

/** A span as plain values; ids are hex, `parentId` is empty for a root. */
export interface SinkSpan {
  service: string
  scope: string
  name: string
  kind: string
  traceId: string
  spanId: string
  parentId: string
  status: 'unset' | 'ok' | 'error'
  message: string
  attributes: Record<string, unknown>
  events: Array<{ name: string; attributes: Record<string, unknown> }>
  links: Array<{ traceId: string; spanId: string }>
  startNs: bigint
  endNs: bigint
}

/** A log record as plain values; ids are hex. */
export interface SinkLog {
  service: string
  body: unknown
  severity: string
  traceId: string
  spanId: string
  attributes: Record<string, unknown>
}

/** A backend that listens. */
export interface OtlpSink extends AsyncDisposable {
  url: string
  spans: SinkSpan[]
  logs: SinkLog[]
  /** Bytes of the bodies of what was answered 200. */
  bytes: number
  /** Status of the answers; 0 never answers. */
  status: number
  close(): Promise<void>
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
const STATUSES = ['unset', 'ok', 'error'] as const

/** Listens on a free port; only what is answered 200 is kept. */
export async function startOtlpSink(): Promise<OtlpSink> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    if (sink.status === 0) return
    const body = Buffer.concat(chunks)
    if (sink.status === 200) {
      sink.bytes += body.length
      take(sink, request.url ?? '', body)
    }
    response.writeHead(sink.status, { 'content-type': 'application/x-protobuf' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  async function close() {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  const sink: OtlpSink = {
    url: `http://127.0.0.1:${port}`,
    spans: [],
    logs: [],
    bytes: 0,
    status: 200,
    close,
    [Symbol.asyncDispose]: close,
  }
  return sink
}

function take(sink: OtlpSink, path: string, bytes: Uint8Array): void {
  if (path === '/v1/traces') takeSpans(sink, bytes)
  else takeLogs(sink, bytes)
}

function takeSpans(sink: OtlpSink, bytes: Uint8Array): void {
  for (const { resource, scopeSpans } of fromBinary(ExportTraceServiceRequestSchema, bytes).resourceSpans) {
    const service = String(attributesOf(resource?.attributes ?? [])['service.name'])
    for (const { scope, spans } of scopeSpans) {
      for (const span of spans) {
        sink.spans.push({
          service,
          scope: scope?.name ?? '',
          name: span.name,
          kind: KINDS[span.kind] ?? String(span.kind),
          traceId: hex(span.traceId),
          spanId: hex(span.spanId),
          parentId: hex(span.parentSpanId),
          status: STATUSES[span.status?.code ?? 0] ?? 'unset',
          message: span.status?.message ?? '',
          attributes: attributesOf(span.attributes),
          events: span.events.map((event) => ({ name: event.name, attributes: attributesOf(event.attributes) })),
          links: span.links.map((link) => ({ traceId: hex(link.traceId), spanId: hex(link.spanId) })),
          startNs: span.startTimeUnixNano,
          endNs: span.endTimeUnixNano,
        })
      }
    }
  }
}

function takeLogs(sink: OtlpSink, bytes: Uint8Array): void {
  for (const { resource, scopeLogs } of fromBinary(ExportLogsServiceRequestSchema, bytes).resourceLogs) {
    const service = String(attributesOf(resource?.attributes ?? [])['service.name'])
    for (const record of scopeLogs.flatMap((scope) => scope.logRecords)) {
      sink.logs.push({
        service,
        body: record.body && plain(record.body),
        severity: record.severityText,
        traceId: hex(record.traceId),
        spanId: hex(record.spanId),
        attributes: attributesOf(record.attributes),
      })
    }
  }
}

function attributesOf(list: KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(list.map(({ key, value }) => [key, value && plain(value)]))
}

function plain({ value }: AnyValue): unknown {
  if (value.case === 'arrayValue') return value.value.values.map(plain)
  if (value.case === 'intValue') return Number(value.value)
  return value.value
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
