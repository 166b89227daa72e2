/** Trace by id, in the two versions of Tempo's API. */
import { create, toBinary, toJson } from '@bufbuild/protobuf'
import { type Trace, TraceByIdResponseSchema, TraceSchema } from '@sightline/otlp-messages'
import { type ApiRequest, type ApiResponse, httpError, text } from '../../http.ts'
import { protobuf, wantsProtobuf } from './answers.ts'
import type { TempoContext } from './context.ts'

/** v1: 404 for an unknown id; JSON has `batches`. */
export function traceV1({ traceById }: TempoContext, request: ApiRequest, id: string): ApiResponse {
  const trace = traceById(traceIdOf(id))
  if (trace === undefined) return text(404, 'trace not found')
  if (wantsProtobuf(request)) return protobuf(toBinary(TraceSchema, trace))
  return jsonText(JSON.stringify({ batches: resourceSpansJson(trace) }))
}

/** v2: always 200, with an empty trace for an unknown id. */
export function traceV2({ traceById }: TempoContext, request: ApiRequest, id: string): ApiResponse {
  const found = traceById(traceIdOf(id))
  const trace = found ?? create(TraceSchema)
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

const jsonText = (body: string): ApiResponse => ({ status: 200, headers: { 'content-type': 'application/json' }, body })
