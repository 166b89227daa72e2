/**
 * Main thread. Tempo's streaming API over gRPC (https://grafana.com/docs/tempo/latest/api_docs/#tempo-grpc-api), on the port of its
 * HTTP API: a connection that begins as HTTP/2 does is handed to the gRPC server. A call is a question to the HTTP API, and the
 * answer its only message: the whole one is there as soon as a first part would be.
 *
 * No browser speaks HTTP/2 without TLS, so no page reaches it, and there is no `Origin` to look at.
 */
import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf'
import {
  type handleServerStreamingCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import {
  QueryInstantRequestSchema,
  QueryRangeRequestSchema,
  SearchRequestSchema,
  SearchTagsRequestSchema,
  SearchTagValuesRequestSchema,
} from '@sightline/otlp-messages/tempo'
import { bytesCall } from '../../grpc.ts'
import type { ApiHandler, ApiRequest, ApiResponse } from '../../http.ts'

export interface StreamDeps {
  /** Answers the HTTP API. */
  readonly tempo: ApiHandler
  readonly onError: (error: unknown) => void
}

const SERVICE = 'tempopb.StreamingQuerier'
/** Queries are short; answers may be as long as over HTTP. */
const MAX_QUESTION_BYTES = 1 << 20
/** Of one connection, at once; further ones wait at the client. */
const MOST_CALLS = 16
/** The first bytes of HTTP/2; no method of HTTP/1 begins so. */
const PREFACE = 'PRI'
/** A connection that says nothing for so long is cut, as Node's HTTP server does. */
const SILENT_MS = 60_000
/** Calls under way may take so long to end when the port closes. */
const DRAIN_MS = 3_000

type Query = Record<string, string | number | bigint>
interface Question {
  readonly path: string
  readonly query: Query
}

/** Takes the connections of the server that speak HTTP/2. The returned function ends them. */
export function attachStreaming(server: HttpServer, deps: StreamDeps): () => void {
  const grpc = new Server({
    'grpc.max_concurrent_streams': MOST_CALLS,
    'grpc.max_receive_message_length': MAX_QUESTION_BYTES,
    'grpc.max_send_message_length': -1,
  })
  addCalls(grpc, deps)
  const streaming = grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const undecided = new Set<Socket>()
  const [serveHttp] = server.listeners('connection') as ((socket: Socket) => void)[]
  const decide = (socket: Socket): void => {
    undecided.add(socket)
    firstBytes(socket, (http2) => {
      undecided.delete(socket)
      if (http2 === true) streaming.injectConnection(socket)
      else if (http2 === false) {
        serveHttp!.call(server, socket)
        // It reads from the socket beneath; what came already lies above, and flows only when told.
        socket.resume()
      }
    })
  }
  server.off('connection', serveHttp!).on('connection', decide)
  return () => {
    server.off('connection', decide).on('connection', serveHttp!)
    for (const socket of undecided) socket.destroy()
    streaming.drain(DRAIN_MS)
  }
}

/** Tells whether it begins as HTTP/2 does, when that is clear, and leaves the bytes to be read; undefined when it ended before. */
function firstBytes(socket: Socket, tell: (http2: boolean | undefined) => void): void {
  let head = Buffer.alloc(0)
  const end = (http2: boolean | undefined): void => {
    socket.off('data', read).off('end', gone).off('close', gone).off('error', gone).off('timeout', gone).setTimeout(0)
    if (http2 === undefined) socket.destroy()
    else socket.pause().unshift(head)
    tell(http2)
  }
  const gone = (): void => end(undefined)
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const start = head.toString('latin1', 0, PREFACE.length)
    if (start.length === PREFACE.length || !PREFACE.startsWith(start)) end(start === PREFACE)
  }
  socket.on('data', read).on('end', gone).on('close', gone).on('error', gone).on('timeout', gone).setTimeout(SILENT_MS)
}

function addCalls(grpc: Server, deps: StreamDeps): void {
  const definition: Record<string, ServiceDefinition[string]> = {}
  const calls: UntypedServiceImplementation = {}
  const add = <Message extends DescMessage>(
    name: string,
    message: Message,
    questionOf: (asked: MessageShape<Message>) => Question,
  ): void => {
    definition[name] = bytesCall(SERVICE, name, true)
    const call: handleServerStreamingCall<Buffer, Buffer> = (stream) => {
      ask(deps, () => questionOf(fromBinary(message, stream.request))).then(
        (bytes) => {
          stream.write(bytes)
          stream.end()
        },
        (error: unknown) => stream.emit('error', error),
      )
    }
    calls[name] = call
  }

  add('Search', SearchRequestSchema, (asked) => ({
    path: '/api/search',
    query: {
      q: asked.query,
      tags: Object.entries(asked.tags)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join(' '),
      minDuration: milliseconds(asked.minDurationMs),
      maxDuration: milliseconds(asked.maxDurationMs),
      limit: asked.limit,
      spss: asked.spansPerSpanSet,
      ...times(asked),
    },
  }))
  const tags = (path: string) => (asked: MessageShape<typeof SearchTagsRequestSchema>) => ({
    path,
    query: { scope: asked.scope, q: asked.query, limit: asked.maxTagsPerScope, ...times(asked) },
  })
  add('SearchTags', SearchTagsRequestSchema, tags('/api/search/tags'))
  add('SearchTagsV2', SearchTagsRequestSchema, tags('/api/v2/search/tags'))
  const values = (above: string) => (asked: MessageShape<typeof SearchTagValuesRequestSchema>) => ({
    path: `${above}/${encodeURIComponent(asked.tagName)}/values`,
    query: { q: asked.query, limit: asked.maxTagValues, ...times(asked) },
  })
  add('SearchTagValues', SearchTagValuesRequestSchema, values('/api/search/tag'))
  add('SearchTagValuesV2', SearchTagValuesRequestSchema, values('/api/v2/search/tag'))
  add('MetricsQueryRange', QueryRangeRequestSchema, (asked) => ({
    path: '/api/metrics/query_range',
    query: {
      q: asked.query,
      step: asked.step === 0n ? '' : `${asked.step}ns`,
      exemplars: asked.exemplars,
      ...times(asked),
    },
  }))
  add('MetricsQueryInstant', QueryInstantRequestSchema, (asked) => ({
    path: '/api/metrics/query',
    query: { q: asked.query, ...times(asked) },
  }))
  grpc.addService(definition, calls)
}

const times = ({ start, end }: { start: number | bigint; end: number | bigint }): Query => ({ start, end })
const milliseconds = (ms: number) => (ms === 0 ? '' : `${ms}ms`)

/** The answer's bytes. Rejects with what gRPC says instead. */
async function ask({ tempo, onError }: StreamDeps, read: () => Question): Promise<Buffer> {
  let question: Question
  try {
    question = read()
  } catch (error) {
    const details = `The message can't be read: ${error instanceof Error ? error.message : String(error)}`
    throw grpcError(status.INVALID_ARGUMENT, details)
  }
  let response: ApiResponse
  try {
    response = await tempo(requestOf(question))
  } catch (error) {
    onError(error)
    throw grpcError(status.INTERNAL, 'internal error')
  }
  const body = Buffer.from(response.body)
  if (response.status !== 200) throw grpcError(CODES[response.status] ?? status.INTERNAL, body.toString().trim())
  return body
}

/** Protobuf leaves out what is 0 or empty, and so do parameters. */
function requestOf({ path, query }: Question): ApiRequest {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== 0 && value !== 0n)
  return {
    method: 'GET',
    path,
    query: new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])),
    headers: { accept: 'application/protobuf' },
  }
}

const CODES: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  404: status.NOT_FOUND,
  429: status.RESOURCE_EXHAUSTED,
  503: status.UNAVAILABLE,
}

const grpcError = (code: status, details: string) => Object.assign(new Error(details), { code, details })
