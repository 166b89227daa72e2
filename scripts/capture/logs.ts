/** Log lines through Loki's API: page by page, oldest first, and written as OTLP/JSON. */

import { maskedLabels, maskedText } from '@sightline/console/masks'
import type { LogLine } from '@sightline/console/trace-file'
import { getJson, type System, TooMuch } from '../ask/system.ts'
import type { Archive } from './archive.ts'
import { NAMES } from './format.ts'
import type { Notes, Range } from './run.ts'

/** Lines of a page: what Loki allows unless it is told otherwise. */
const MOST_OF_A_PAGE = 5000
/** Lines of one request of OTLP. */
const MOST_OF_A_REQUEST = 1000

type Labels = Record<string, string>

interface Line {
  readonly timeNs: bigint
  readonly text: string
  readonly labels: Labels
  readonly metadata: Labels
}

interface Streams {
  data: { result: { stream: Labels; values: [string, string, { structuredMetadata?: Labels }?][] }[] }
}

/** Writes every line of the range; with `traceId` those of that trace. Resolves to how many. */
export async function captureLogs(
  system: System,
  range: Range,
  traceId: string | undefined,
  archive: Archive,
  { say, leaveOut }: Notes,
): Promise<number> {
  let count = 0
  const filter = traceId ? ` | trace_id="${traceId}"` : ''
  await archive.add(NAMES.logs, async (write) => {
    for (const selector of await selectors(system, range)) {
      for await (const lines of pages(system, selector + filter, range, leaveOut)) {
        if (archive.room() <= 0) {
          leaveOut(
            `Log lines of ${selector} from ${new Date(Number(lines[0]!.timeNs / 1_000_000n)).toISOString()} on: the capture is full. Take a shorter range.`,
          )
          break
        }
        for (let at = 0; at < lines.length; at += MOST_OF_A_REQUEST)
          await write(`${JSON.stringify(otlpOf(lines.slice(at, at + MOST_OF_A_REQUEST)))}\n`)
        count += lines.length
        say(`log lines: ${count}`)
      }
    }
  })
  return count
}

/** The first `most` lines of a trace within the range, newest first, as the console takes them. Not masked. */
export async function linesOf(system: System, traceId: string, range: Range, most: number): Promise<LogLine[]> {
  const found: Line[] = []
  for (const selector of await selectors(system, range)) {
    const query = `${selector} | trace_id="${traceId}"`
    for await (const lines of pages(system, query, range, () => undefined)) {
      found.push(...lines)
      if (found.length >= most) break
    }
  }
  return found
    .slice(0, most)
    .sort((a, b) => (a.timeNs < b.timeNs ? 1 : a.timeNs > b.timeNs ? -1 : 0))
    .map(({ timeNs, text, labels, metadata }) => ({ timeNs: String(timeNs), line: text, labels, metadata }))
}

/** Loki asks for a label that has a value: one selector for the streams of each label that those before have not found. */
async function selectors(system: System, range: Range): Promise<string[]> {
  const { data = [] } = await getJson<{ data?: string[] }>('Loki', system.loki, {
    path: '/loki/api/v1/labels',
    query: nanoseconds(range),
  })
  const names = ['service_name', ...data.filter((name) => name !== 'service_name' && !name.startsWith('__'))]
  return names.map((name, at) => {
    const found = names.slice(0, at).map((other) => `, ${other}=""`)
    return `{${name}=~".+"${found.join('')}}`
  })
}

const nanoseconds = ({ from, to }: Range) => ({ start: `${from}000000`, end: `${to}000000` })

async function* pages(
  system: System,
  query: string,
  range: Range,
  leaveOut: Notes['leaveOut'],
): AsyncGenerator<Line[]> {
  const endNs = BigInt(range.to) * 1_000_000n
  let startNs = BigInt(range.from) * 1_000_000n
  let limit = MOST_OF_A_PAGE
  while (startNs < endNs) {
    let lines: Line[]
    try {
      lines = await page(system, { query, start: String(startNs), end: String(endNs), limit: String(limit) })
    } catch (error) {
      // Lines can be long: fewer of them are read.
      if (!(error instanceof TooMuch) || limit === 1) throw error
      limit = Math.ceil(limit / 8)
      continue
    }
    if (lines.length < limit) {
      if (lines.length > 0) yield lines
      return
    }
    // More lines may have the time of the last one: they come with the next page.
    const last = lines.at(-1)!.timeNs
    const whole = lines.filter(({ timeNs }) => timeNs < last)
    if (whole.length > 0) yield whole
    else {
      yield lines
      leaveOut(`Log lines of ${query} at ${last} ns: more than the ${limit} that are read of one moment.`)
    }
    startNs = whole.length > 0 ? last : last + 1n
  }
}

async function page(system: System, query: Record<string, string>): Promise<Line[]> {
  const { data } = await getJson<Streams>('Loki', system.loki, {
    path: '/loki/api/v1/query_range',
    query: { ...query, direction: 'forward' },
    headers: { 'x-loki-response-encoding-flags': 'categorize-labels' },
  })
  return data.result
    .flatMap(({ stream, values }) =>
      values.map(([time, text, more]): Line => {
        const metadata = more?.structuredMetadata ?? {}
        return { timeNs: BigInt(time), text, labels: stream, metadata }
      }),
    )
    .sort((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0))
}

/** A request with these lines, grouped by their streams. Masked. */
export function otlpOf(lines: readonly Line[]): object {
  const groups = Map.groupBy(lines, (line) => JSON.stringify([line.labels, scopeOf(line), line.metadata.scope_version]))
  const resourceLogs = [...groups.values()].map((group) => {
    const [first] = group as [Line]
    const scope = scopeOf(first)
    const attributes = scope === AS_PUSHED ? first.labels : { 'service.name': first.labels.service_name! }
    return {
      resource: { attributes: keyValues(maskedLabels(attributes)) },
      scopeLogs: [{ scope: scopeFields(scope, first), logRecords: group.map((line) => recordOf(line, scope)) }],
    }
  })
  return { resourceLogs }
}

/**
 * The scope of lines whose resource is their stream's labels and whose attributes are their structured metadata: streams that OTLP's
 * fields can't describe. The embedded backend stores what is pushed to Loki's API in this form (backend/receive/loki-push/index.ts).
 */
const AS_PUSHED = 'loki.push'
const LEVELS = ['unknown', 'trace', 'debug', 'info', 'warn', 'error', 'fatal']
/** Structured metadata that Loki makes of OTLP's own fields. */
const OWN_FIELDS = [
  'trace_id',
  'span_id',
  'severity_number',
  'severity_text',
  'detected_level',
  'event_name',
  'flags',
  'observed_timestamp',
  'scope_name',
  'scope_version',
]

/** AS_PUSHED unless the same labels would come of OTLP's fields: service_name and job of the service's name, level of the severity. */
function scopeOf({ labels, metadata }: Line): string {
  const { service_name, level, job, ...more } = labels
  const severity = Number(metadata.severity_number ?? 0)
  const isOwn =
    fieldsFit(metadata) &&
    service_name !== undefined &&
    job === service_name &&
    Object.keys(more).length === 0 &&
    severity > 0 &&
    level === LEVELS[Math.min(6, Math.floor((severity + 3) / 4))] &&
    metadata.detected_level === level
  return isOwn ? (metadata.scope_name ?? '') : AS_PUSHED
}

/** The largest number that each of these fields of OTLP holds. */
const LARGEST: Record<string, bigint> = {
  severity_number: 2n ** 31n - 1n,
  flags: 2n ** 32n - 1n,
  observed_timestamp: 2n ** 64n - 1n,
}

/** An attribute may have the name of such a field, and any value: it is none of OTLP's then. */
function fieldsFit(metadata: Labels): boolean {
  const { trace_id, span_id } = metadata
  if ((trace_id !== undefined && !isId(trace_id, 32)) || (span_id !== undefined && !isId(span_id, 16))) return false
  return Object.entries(LARGEST).every(([name, largest]) => isWhole(metadata[name] ?? '1', largest))
}

const isWhole = (text: string, largest: bigint) => /^[1-9]\d{0,19}$/.test(text) && BigInt(text) <= largest

const scopeFields = (scope: string, { metadata: { scope_version } }: Line) => ({
  ...(scope && { name: scope }),
  ...(scope_version && scope !== AS_PUSHED && { version: scope_version }),
})

function recordOf({ timeNs, text, metadata }: Line, scope: string): object {
  const { trace_id, span_id, severity_number, severity_text, event_name, flags, observed_timestamp } = metadata
  const others = Object.entries(metadata).filter(([name]) => scope === AS_PUSHED || !OWN_FIELDS.includes(name))
  return {
    timeUnixNano: String(timeNs),
    body: { stringValue: maskedText('', text) },
    attributes: keyValues(maskedLabels(Object.fromEntries(others))),
    ...(isWhole(severity_number ?? '', LARGEST.severity_number!) && { severityNumber: Number(severity_number) }),
    ...(severity_text && { severityText: severity_text }),
    ...(scope !== AS_PUSHED && {
      ...(event_name && { eventName: event_name }),
      ...(flags && { flags: Number(flags) }),
      ...(observed_timestamp && { observedTimeUnixNano: observed_timestamp }),
    }),
    ...(isId(trace_id, 32) && { traceId: trace_id }),
    ...(isId(span_id, 16) && { spanId: span_id }),
  }
}

const isId = (text: string | undefined, digits: number) =>
  text !== undefined && /^[0-9a-f]+$/.test(text) && text.length === digits

const keyValues = (values: Labels) =>
  Object.entries(values).map(([key, value]) => ({ key, value: { stringValue: value } }))
