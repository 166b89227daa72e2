/**
 * Main thread. `push`: lines from ordinary Loki clients, in JSON
 * (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs).
 *
 * They are stored as OTLP like all other lines. The scope's name tells the store that the resource's attributes are the
 * stream's labels as the client chose them, and the record's attributes its structured metadata.
 */
import { create, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '@sightline/otlp-messages'
import { z } from 'zod'
import { type ApiHandler, httpError } from '../http.ts'
import { LOKI_PUSH_SCOPE } from '../store/signal-store.ts'

export interface PushDeps {
  /** Stores an ExportLogsServiceRequest; what it resolves to is not looked at. */
  ingestLogs(bytes: Uint8Array): Promise<unknown>
}

const labels = z.record(
  z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'label names are letters, digits and _'),
  z.string(),
)
const metadata = z.record(z.string(), z.string())
const nanoseconds = z.string().regex(/^\d{1,19}$/, 'the time is a string of nanoseconds since the epoch')
const body = z.object({
  streams: z.array(
    z.object({
      stream: labels.refine((set) => Object.keys(set).length > 0, 'a stream needs at least one label'),
      values: z.array(z.union([z.tuple([nanoseconds, z.string()]), z.tuple([nanoseconds, z.string(), metadata])])),
    }),
  ),
})
type PushBody = z.infer<typeof body>

/**
 * 204 when the lines are stored. Throws an HttpError: 400 names the first fault, 415 is what protobuf and compressed
 * bodies get.
 */
export function createLokiPush({ ingestLogs }: PushDeps): ApiHandler {
  return async (request) => {
    if (request.method !== 'POST') throw httpError(405, 'push takes a POST', { allow: 'POST' })
    const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
    if (type !== 'application/json') {
      throw httpError(415, `${type || 'a body without a content type'} is not supported: send application/json`)
    }
    if (!/^(?:identity)?$/i.test(request.headers['content-encoding']?.trim() ?? ''))
      throw httpError(415, 'compressed bodies are not supported: send plain JSON')
    const bytes = toOtlp(readBody(request.body ?? new Uint8Array()))
    if (bytes.length > 0) await ingestLogs(bytes)
    return { status: 204, headers: {}, body: '' }
  }
}

function readBody(bytes: Uint8Array): PushBody {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString())
  } catch (error) {
    throw httpError(400, `the body is no JSON: ${error instanceof Error ? error.message : error}`)
  }
  const checked = body.safeParse(value)
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]!
  const message = issue.code === 'invalid_key' ? issue.issues[0]!.message : issue.message
  throw httpError(400, `${issue.path.join('.') || 'body'}: ${message}`)
}

function toOtlp({ streams }: PushBody): Uint8Array {
  const filled = streams.filter(({ values }) => values.length > 0)
  const resourceLogs = filled.map(({ stream, values }) => ({
    resource: { attributes: attributes(stream) },
    scopeLogs: [
      {
        scope: { name: LOKI_PUSH_SCOPE },
        logRecords: values.map(([time, line, more]) => ({
          timeUnixNano: BigInt(time),
          body: textValue(line),
          attributes: attributes(more ?? {}),
        })),
      },
    ],
  }))
  return toBinary(ExportLogsServiceRequestSchema, create(ExportLogsServiceRequestSchema, { resourceLogs }))
}

const attributes = (values: Record<string, string>) =>
  Object.entries(values).map(([key, value]) => ({ key: key.toWellFormed(), value: textValue(value) }))

/** A line cut in the middle of a character pair keeps the rest of it, which protobuf couldn't hold. */
const textValue = (value: string) => ({ value: { case: 'stringValue' as const, value: value.toWellFormed() } })
