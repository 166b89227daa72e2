/** Traces through Tempo's API: found window by window, then read one by one, and written as OTLP/JSON. */
import type { OtlpTrace } from '@sightline/console/otlp'
import { portable } from '@sightline/console/portable-trace'
import { counted } from '@sightline/contracts/counted'
import { startError } from '@sightline/local/settings'
import { getJson, MOST_OF_A_TRACE, type System } from '../ask/system.ts'
import type { Archive } from './archive.ts'
import { NAMES } from './format.ts'
import { inOrder, type Notes, type Range } from './run.ts'

/** Traces asked for at once; a window that has more is halved. */
const MOST_OF_A_WINDOW = 2000
/** Tempo's API counts in whole seconds. */
const SECOND_MS = 1000
/** Traces read at the same time. */
const AT_ONCE = 6

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
        if (traceId)
          throw startError(
            `${system.tempo} has no trace ${id}. An old one may be past retention, and where traces are sampled it may have been left out (docs/sampling.md).`,
          )
        gone++
        continue
      }
      await write(`${JSON.stringify(portable(trace))}\n`)
      found.traces++
      found.spans += spans
      say(`traces: ${found.traces}`)
    }
  })
  if (gone > 0) leaveOut(`${counted(gone, 'trace')}: found by Tempo, but not there any more when they were read.`)
  if (unread > 0) leaveOut(`${counted(unread, 'trace')}: the capture is full. Take a shorter range.`)
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

interface Answer extends OtlpTrace {
  trace?: OtlpTrace
  /** 1 or PARTIAL: more than Tempo is set to answer. */
  status?: string | number
}

async function readOne(
  system: System,
  id: string,
  leaveOut: Notes['leaveOut'],
): Promise<{ id: string; trace: OtlpTrace | undefined }> {
  const answer = await getJson<Answer>('Tempo', system.tempo, {
    path: `/api/v2/traces/${id}`,
    most: MOST_OF_A_TRACE,
    narrower: `Trace ${id} is too long for a capture.`,
  })
  if (answer.status === 'PARTIAL' || answer.status === 1) leaveOut(`Spans of trace ${id}: Tempo answers a part of it.`)
  return { id, trace: answer.trace }
}

const spansIn = ({ resourceSpans = [] }: OtlpTrace): number =>
  resourceSpans.reduce(
    (sum, { scopeSpans = [] }) => sum + scopeSpans.reduce((inner, { spans = [] }) => inner + spans.length, 0),
    0,
  )
