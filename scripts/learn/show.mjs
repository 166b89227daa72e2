// Writes an answer of Tempo, Loki or Prometheus in lines that fit a terminal; ask.sh hands it over on stdin. Plain
// JavaScript, because the Node of whoever learns runs it.
import { readFileSync } from 'node:fs'

/** What nobody reads to its end. */
const MOST_LINES = 60

const text = readFileSync(0, 'utf8')
const answer = read(text)
if (answer === undefined || answer.error) {
  console.error(answer?.error ?? (text.trim() || 'Nothing answers. Start the system in another terminal: npm start'))
  process.exitCode = 1
} else {
  const lines = answer.traces
    ? answer.traces.flatMap(traceLines)
    : answer.series
      ? answer.series
          .map(({ labels, value }) => [
            labels
              .filter(({ key }) => key !== '__name__')
              .map(attribute)
              .join(' '),
            value,
          ])
          .map(metricLine)
      : resultLines(answer.data)
  const shown =
    lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), `and ${lines.length - MOST_LINES} more`] : lines
  console.log(shown.join('\n') || 'nothing found')
}

/** undefined for what is no answer: Tempo and Loki say in a text what is wrong. */
function read(json) {
  try {
    const value = JSON.parse(json)
    return value.traces || value.series || value.status ? value : undefined
  } catch {
    return undefined
  }
}

/** A line per trace, then one per span that matched, with what the query asked about it. */
function traceLines({ traceID, durationMs = 0, rootServiceName, rootTraceName = '', spanSets = [] }) {
  const spans = spanSets.flatMap((set) => set.spans)
  const matched = spanSets.reduce((sum, set) => sum + set.matched, 0)
  const head = `${traceID.padStart(32, '0')}  ${durationMs} ms  ${rootServiceName}${rootTraceName && `: ${rootTraceName}`}`
  const own = spans.map(({ spanID, name, durationNanos, attributes = [] }) =>
    [
      '   ',
      spanID,
      `${(Number(durationNanos) / 1e6).toFixed(1)} ms`.padStart(9),
      name,
      ...attributes.map(attribute).sort(),
    ]
      .filter(Boolean)
      .join(' '),
  )
  return [head, ...own, ...(matched > spans.length ? [`    and ${matched - spans.length} more`] : [])]
}

function attribute({ key, value }) {
  const values = value.arrayValue?.values ?? [value]
  return `${key}=${values.map((one) => Object.values(one)[0]).join(',')}`
}

function resultLines(data) {
  if (Array.isArray(data)) return exemplarLines(data)
  const { resultType, result } = data
  if (process.argv[2] === 'fields') return fieldLines(result)
  if (resultType === 'streams')
    return result
      .flatMap(logLines)
      .sort(newestFirst)
      .map(([, line]) => line)
  if (resultType === 'scalar') return [String(result[1])]
  return result
    .map(({ metric: { __name__, instance, ...labels }, value }) => ({ labels, value: Number(value[1]) }))
    .sort((a, b) => limitOf(a) - limitOf(b) || b.value - a.value)
    .map(({ labels, value }) => [
      Object.entries(labels)
        .map(([key, label]) => `${key}=${label}`)
        .join(' '),
      value,
    ])
    .map(metricLine)
}

function logLines({ stream, values }) {
  return values.map(([time, line]) => {
    const clock = new Date(Number(BigInt(time) / 1_000_000n)).toISOString().slice(11, 23)
    return [
      BigInt(time),
      [clock, (stream.level ?? '').padEnd(5), stream.service_name?.padEnd(13), line].filter(Boolean).join('  '),
    ]
  })
}

function newestFirst([a], [b]) {
  return a < b ? 1 : a > b ? -1 : 0
}

/** Of a bucket its upper limit, so that buckets stand in their order. */
function limitOf({ labels: { le } }) {
  if (le === undefined) return 0
  return le === '+Inf' ? Number.MAX_VALUE : Number(le)
}

/** A line per field, of the one line that was asked for. */
function fieldLines([newest]) {
  if (!newest) return []
  const fields = { line: newest.values[0][1], ...newest.stream }
  return Object.entries(fields).map(([name, value]) => `${name.padEnd(30)}${value.split('\n')[0]}`)
}

/** The five largest: what was measured, of which trace, and the series. */
function exemplarLines(series) {
  return series
    .flatMap(({ seriesLabels, exemplars }) => exemplars.map((exemplar) => ({ ...exemplar, seriesLabels })))
    .sort((a, b) => b.value - a.value)
    .slice(0, 5)
    .map(({ value, labels, seriesLabels: { le, http_route } }) =>
      [`${(Number(value) * 1000).toFixed(1)} ms`.padStart(10), labels.trace_id, http_route, `le=${le}`].join('  '),
    )
}

/** Of a number what can be told apart: 4 digits. */
function metricLine([labels, value]) {
  return `${String(Number(value.toPrecision(4))).padStart(10)}  ${labels}`.trimEnd()
}
