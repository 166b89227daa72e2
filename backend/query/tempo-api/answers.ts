/** Answers as JSON or, to who asks for it, in protobuf: the same messages, of which the JSON is protobuf's own. */
import { type DescMessage, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf'
import { type ApiRequest, type ApiResponse, json } from '../../http.ts'

/** `value` is the message's JSON. */
export function answer(request: ApiRequest, message: DescMessage, value: object): ApiResponse {
  return wantsProtobuf(request) ? protobuf(toBinary(message, fromJson(message, value as JsonValue))) : json(200, value)
}

export const wantsProtobuf = (request: ApiRequest) => (request.headers.accept ?? '').includes('application/protobuf')

export const protobuf = (body: Uint8Array): ApiResponse => ({
  status: 200,
  headers: { 'content-type': 'application/protobuf' },
  body,
})
