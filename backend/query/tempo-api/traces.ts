/** Trace by id, in the two versions of Tempo's API. */
import { create, toBinary, toJson } from '@bufbuild/protobuf'
import { type Trace, TraceByIdResponseSchema, TraceSchema } from '@sightline/otlp-messages'
import { type ApiRequest, type ApiResponse, httpError, text } from '../../http.ts'
import type { StoredSpans } from '../../store/stored-spans.ts'
import { toOtlp } from './otlp.ts'

export interface TraceStore {
  /** `idHex`: 32 lower-case hex characters. */
  trace(idHex: string): StoredSpans | undefined
}

/** v1: 404 for an unknown id; JSON has `batches`. */
export function traceV1(store: TraceStore, id: string, request: ApiRequest): ApiResponse {
  const found = store.trace(traceIdOf(id))
  if (found === undefined) return text(404, 'trace not found')
  const trace = toOtlp(found)
  if (wantsProtobuf(request)) return protobuf(toBinary(TraceSchema, trace))
  return jsonText(JSON.stringify({ batches: resourceSpansJson(trace) }))
}

/** v2: always 200, with an empty trace for an unknown id. */
export function traceV2(store: TraceStore, id: string, request: ApiRequest): ApiResponse {
  const found = store.trace(traceIdOf(id))
  const trace = found === undefined ? create(TraceSchema) : toOtlp(found)
  if (wantsProtobuf(request))
    return protobuf(toBinary(TraceByIdResponseSchema, create(TraceByIdResponseSchema, { trace })))
  const body = found === undefined ? {} : { resourceSpans: resourceSpansJson(trace) }
  return jsonText(JSON.stringify({ trace: body, metrics: {} }))
}

const resourceSpansJson = (trace: Trace) =>
  (toJson(TraceSchema, trace) as { resourceSpans?: unknown }).resourceSpans ?? []

/** Ids are written with or without their leading zeros. */
function traceIdOf(id: string): string {
  if (!/^[0-9a-fA-F]{1,32}$/.test(id)) {
    throw httpError(400, 'trace IDs can only contain hex characters, at most 32 of them')
  }
  return id.toLowerCase().padStart(32, '0')
}

const wantsProtobuf = (request: ApiRequest) => (request.headers.accept ?? '').includes('application/protobuf')

const protobuf = (body: Uint8Array): ApiResponse => ({
  status: 200,
  headers: { 'content-type': 'application/protobuf' },
  body,
})

const jsonText = (body: string): ApiResponse => ({ status: 200, headers: { 'content-type': 'application/json' }, body })
