/** Main thread. A push in JSON. */
import { z } from 'zod'
import { httpError } from '../../http.ts'
import type { PushedStream } from './stream.ts'

const labels = z.record(
  z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'label names are letters, digits and _'),
  z.string('the value of a label is a string'),
  'the labels of a stream are an object',
)
const metadata = z.record(
  z.string(),
  z.string('the value of metadata is a string'),
  'the metadata of an entry is an object',
)
const TIME = 'the time is a string of nanoseconds since the epoch'
const nanoseconds = z
  .string(TIME)
  .regex(/^\d{1,20}$/, TIME)
  .transform(BigInt)
  .refine((time) => time < 2n ** 64n, 'the time is beyond 64 bits of nanoseconds')
const entry = z.tuple(
  [nanoseconds, z.string('the line is a string'), metadata.optional()],
  'an entry is a list of time, line and, if you like, an object of metadata',
)
const stream = z.object(
  {
    stream: labels.refine((set) => Object.keys(set).length > 0, 'a stream needs at least one label'),
    values: z.array(entry, 'the values of a stream are a list of entries'),
  },
  'a stream is an object with its labels as stream, and values',
)
const body = z.object({ streams: z.array(stream, 'streams is a list') }, 'a push is an object with a list of streams')

/** Throws an HttpError 400 that names the first fault, and where it is. */
export function readJsonPush(bytes: Uint8Array): PushedStream[] {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
  } catch (error) {
    throw httpError(400, `the body is no JSON: ${error instanceof Error ? error.message : error}`)
  }
  const checked = body.safeParse(value)
  if (checked.success) {
    return checked.data.streams.map(({ stream, values }) => ({
      labels: new Map(Object.entries(stream)),
      entries: values.map(([timeNs, line, more = {}]) => ({ timeNs, line, metadata: Object.entries(more) })),
    }))
  }
  const issue = checked.error.issues[0]!
  const message = issue.code === 'invalid_key' ? issue.issues[0]!.message : issue.message
  throw httpError(400, `${issue.path.join('.') || 'body'}: ${message}`)
}
