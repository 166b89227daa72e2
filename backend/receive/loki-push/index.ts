/**
 * Main thread. `push`: lines from ordinary Loki clients, in JSON or in protobuf with snappy
 * (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs).
 *
 * They are stored as OTLP like all other lines. The scope's name tells the store that the resource's attributes are the
 * stream's labels as the client chose them, and the record's attributes its structured metadata; with what Loki adds to both.
 */
import { create, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '@sightline/otlp-messages'
import { type BodyHandler, httpError } from '../../http.ts'
import { MAX_ATTRIBUTES } from '../../otlp/traces.ts'
import { LOKI_PUSH_SCOPE } from '../../store/signal-store.ts'
import { contentCoding, decompressed, mediaType } from '../body.ts'
import { discovered } from './discover.ts'
import { readJsonPush } from './json.ts'
import { readProtobufPush } from './protobuf.ts'
import { unsnappy } from './snappy.ts'
import type { PushedEntry, PushedStream } from './stream.ts'

export interface PushDeps {
  /** Stores an ExportLogsServiceRequest; what it resolves to is not looked at. */
  ingestLogs(bytes: Uint8Array): Promise<unknown>
  /** Largest body accepted after decompression. */
  readonly maxBodyBytes: number
}

/** As Loki reads them: without a type it is protobuf. */
const PROTOBUF = ['', 'application/x-protobuf', 'application/protobuf']

/**
 * 204 when the lines are stored. Throws an HttpError: 400 names the first fault, 413 is beyond `maxBodyBytes`, 415 a type
 * or a compression that is not known.
 */
export function createLokiPush({ ingestLogs, maxBodyBytes }: PushDeps): BodyHandler {
  async function read(
    { headers, body = new Uint8Array() }: Parameters<BodyHandler>[0],
    grown: (bytes: number) => void,
  ): Promise<PushedStream[]> {
    const type = mediaType(headers['content-type'])
    const coding = contentCoding(headers['content-encoding'])
    const protobuf = PROTOBUF.includes(type)
    if (!protobuf && type !== 'application/json') {
      throw httpError(415, `${type} is not supported: send application/json, or application/x-protobuf with snappy`)
    }
    const sent = Buffer.from(body.buffer, body.byteOffset, body.length)
    // Protobuf always has snappy, named in the header or not.
    const plain = await decompressed(protobuf && coding === 'snappy' ? '' : coding, sent, maxBodyBytes)
    if (plain !== sent) grown(plain.length)
    if (!protobuf) return readJsonPush(plain)
    const message = unsnappy(plain, maxBodyBytes)
    grown(message.length)
    return readProtobufPush(message)
  }

  return async (request, grown) => {
    if (request.method !== 'POST') throw httpError(405, 'push takes a POST', { allow: 'POST' })
    const bytes = toOtlp((await read(request, grown)).map(discovered))
    if (bytes.length > 0) await ingestLogs(bytes)
    return { status: 204, headers: {}, body: '' }
  }
}

function toOtlp(streams: readonly PushedStream[]): Uint8Array {
  const resourceLogs = streams
    .filter(({ entries }) => entries.length > 0)
    .map(({ labels, entries }) => ({
      resource: { attributes: attributes(labels, 'a stream has labels') },
      scopeLogs: [{ scope: { name: LOKI_PUSH_SCOPE }, logRecords: entries.map(toRecord) }],
    }))
  return toBinary(ExportLogsServiceRequestSchema, create(ExportLogsServiceRequestSchema, { resourceLogs }))
}

const toRecord = ({ timeNs, line, metadata }: PushedEntry) => ({
  timeUnixNano: timeNs,
  body: textValue(line),
  attributes: attributes(metadata, 'an entry has metadata'),
})

/** An empty value is none, as in Prometheus. What the store would leave out is refused: nobody would be told. */
function attributes(values: Iterable<readonly [string, string]>, what: string) {
  const given = [...values].filter(([, value]) => value !== '')
  if (given.length > MAX_ATTRIBUTES)
    throw httpError(400, `${what} of ${given.length} names, more than ${MAX_ATTRIBUTES}`)
  return given.map(([key, value]) => ({ key: key.toWellFormed(), value: textValue(value) }))
}

/** A line cut in the middle of a character pair keeps the rest of it, which protobuf couldn't hold. */
const textValue = (value: string) => ({ value: { case: 'stringValue' as const, value: value.toWellFormed() } })
