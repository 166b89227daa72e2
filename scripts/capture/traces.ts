/** Traces through Tempo's API: found window by window, then read one by one, and written as OTLP/JSON. */
import { hexId } from '@sightline/console/otlp'
import { getJson, MOST_OF_A_TRACE, type System } from '../ask/system.ts'
import { Unanswered } from '../incident/place.ts'
import type { Archive } from './archive.ts'
import { NAMES } from './format.ts'
import { type KeyValue, maskedAttributes, maskedText } from './masks.ts'
import { inOrder, type Notes, type Range } from './run.ts'

/** Traces asked for at once; a window that has more is halved. */
const MOST_OF_A_WINDOW = 2000
/** Tempo's API counts in whole seconds. */
const SECOND_MS = 1000
/** Traces read at the same time. */
const AT_ONCE = 6

interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name?: string
  kind?: string | number
  attributes?: KeyValue[]
  events?: { name?: string; attributes?: KeyValue[] }[]
  links?: { traceId?: string; spanId?: string; attributes?: KeyValue[] }[]
  status?: { code?: string | number; message?: string }
}

export interface OtlpSpans {
  resourceSpans?: {
    resource?: { attributes?: KeyValue[] }
    scopeSpans?: { scope?: { attributes?: KeyValue[] }; spans?: OtlpSpan[] }[]
  }[]
}

/** Writes every trace that has a span within the range, whole; with `traceId` that one alone. */
export async function captureTraces(
  system: System,
  range: Range,
  traceId: string | undefined,
  archive: Archive,
  { say, leaveOut }: Notes,
): Promise<{ traces: number; spans: number }> {
  const found = { traces: 0, spans: 0 }
  let gone = 0
  let unread = 0
  await archive.add(NAMES.traces, async (write) => {
    const ids = traceId ? [traceId] : idsWithin(system, range, leaveOut)
    for await (const { trace, id } of inOrder(ids, AT_ONCE, (id) => readOne(system, id, leaveOut))) {
      if (archive.room() <= 0) {
        unread++
        continue
      }
      const spans = trace === undefined ? 0 : spansIn(trace)
      if (trace === undefined || spans === 0) {
        if (traceId) throw new Unanswered(`${system.tempo} has no trace ${id}. An old one may be past retention.`)
        gone++
        continue
      }
      await write(`${JSON.stringify(portable(trace))}\n`)
      found.traces++
      found.spans += spans
      say(`traces: ${found.traces}`)
    }
  })
  if (gone > 0) leaveOut(`${gone} traces: found by Tempo, but not there any more when they were read.`)
  if (unread > 0) leaveOut(`${unread} traces: the capture is full. Take a shorter range.`)
  return found
}

/** Ids (32 digits), each once, the newest windows first. */
async function* idsWithin(system: System, range: Range, leaveOut: Notes['leaveOut']): AsyncGenerator<string> {
  const known = new Set<string>()
  const windows = [
    {
      from: Math.floor(range.from / SECOND_MS) * SECOND_MS,
      to: Math.ceil(range.to / SECOND_MS) * SECOND_MS,
    },
  ]
  for (let window = windows.pop(); window; window = windows.pop()) {
    const { from, to } = window
    const { traces = [] } = await getJson<{ traces?: { traceID: string }[] }>('Tempo', system.tempo, {
      path: '/api/search',
      query: {
        q: '{}',
        limit: String(MOST_OF_A_WINDOW),
        spss: '1',
        start: String(from / SECOND_MS),
        end: String(to / SECOND_MS),
      },
    })
    if (traces.length >= MOST_OF_A_WINDOW && to - from > SECOND_MS) {
      const middle = from + Math.floor((to - from) / 2 / SECOND_MS) * SECOND_MS
      windows.push({ from, to: middle }, { from: middle, to })
      continue
    }
    if (traces.length >= MOST_OF_A_WINDOW)
      leaveOut(
        `Traces of the second ${new Date(from).toISOString()}: it has more than the ${MOST_OF_A_WINDOW} that are read of one.`,
      )
    for (const { traceID } of traces) {
      const id = traceID.padStart(32, '0')
      if (known.has(id)) continue
      known.add(id)
      yield id
    }
  }
}

interface Answer extends OtlpSpans {
  trace?: OtlpSpans
  /** 1 or PARTIAL: more than Tempo is set to answer. */
  status?: string | number
}

async function readOne(
  system: System,
  id: string,
  leaveOut: Notes['leaveOut'],
): Promise<{ id: string; trace: OtlpSpans | undefined }> {
  const answer = await getJson<Answer>('Tempo', system.tempo, {
    path: `/api/v2/traces/${id}`,
    most: MOST_OF_A_TRACE,
    narrower: `Trace ${id} is too long for a capture.`,
  })
  if (answer.status === 'PARTIAL' || answer.status === 1) leaveOut(`Spans of trace ${id}: Tempo answers a part of it.`)
  return { id, trace: answer.trace }
}

const spansIn = ({ resourceSpans = [] }: OtlpSpans): number =>
  resourceSpans.reduce(
    (sum, { scopeSpans = [] }) => sum + scopeSpans.reduce((inner, { spans = [] }) => inner + spans.length, 0),
    0,
  )

/**
 * From the JSON of protobuf, as Tempo answers, to that of OTLP (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding):
 * ids in hex, enums as numbers. Masked on the way.
 */
export function portable({ resourceSpans = [] }: OtlpSpans): OtlpSpans {
  return {
    resourceSpans: resourceSpans.map(({ resource, scopeSpans = [], ...rest }) => ({
      ...rest,
      resource: { ...resource, attributes: maskedAttributes(resource?.attributes) },
      scopeSpans: scopeSpans.map(({ scope, spans = [], ...more }) => ({
        ...more,
        ...(scope && { scope }),
        spans: spans.map(portableSpan),
      })),
    })),
  }
}

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'].map((name) => `SPAN_KIND_${name}`)
const CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR']

function portableSpan(span: OtlpSpan): OtlpSpan {
  const { name = '', kind, attributes, events, links, status } = span
  return {
    ...span,
    ...idsOf(span),
    ...(span.parentSpanId && { parentSpanId: hexId(span.parentSpanId) }),
    name: maskedText('', name),
    ...(kind !== undefined && { kind: numberOf(KINDS, kind) }),
    attributes: maskedAttributes(attributes),
    ...(events && { events: events.map((event) => ({ ...event, attributes: maskedAttributes(event.attributes) })) }),
    ...(links && {
      links: links.map((link) => ({ ...link, ...idsOf(link), attributes: maskedAttributes(link.attributes) })),
    }),
    ...(status && {
      status: {
        ...(status.code !== undefined && { code: numberOf(CODES, status.code) }),
        ...(status.message !== undefined && { message: maskedText('', status.message) }),
      },
    }),
  }
}

const idsOf = ({ traceId = '', spanId = '' }: { traceId?: string; spanId?: string }) => ({
  traceId: hexId(traceId),
  spanId: hexId(spanId),
})

const numberOf = (names: readonly string[], value: string | number): number =>
  typeof value === 'number' ? value : Math.max(names.indexOf(value), 0)
