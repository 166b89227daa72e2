// Writes an answer of Tempo, Loki or Prometheus in lines that fit a terminal; ask.sh hands it over on stdin. Plain
// JavaScript, because the Node of whoever learns runs it.
import { readFileSync } from 'node:fs'

const text = readFileSync(0, 'utf8')
const answer = read(text)
if (answer === undefined || answer.error) {
  console.error(answer?.error ?? (text.trim() || 'Nothing answers. Start the system in another terminal: npm start'))
  process.exitCode = 1
} else {
  const lines = answer.traces
    ? answer.traces.flatMap(traceLines)
    : answer.series
      ? answer.series.map(({ labels, value }) => [labels.map(attribute).join(' '), value]).map(metricLine)
      : resultLines(answer.data)
  console.log(lines.join('\n') || 'nothing found')
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
function traceLines({ traceID, durationMs = 0, rootServiceName, rootTraceName, spanSets = [] }) {
  const spans = spanSets.flatMap((set) => set.spans)
  const matched = spanSets.reduce((sum, set) => sum + set.matched, 0)
  const head = `${traceID.padStart(32, '0')}  ${durationMs} ms  ${rootServiceName}: ${rootTraceName}`
  const own = spans.map(({ name, durationNanos, attributes = [] }) =>
    ['   ', `${(Number(durationNanos) / 1e6).toFixed(1)} ms`.padStart(9), name, ...attributes.map(attribute)]
      .filter(Boolean)
      .join(' '),
  )
  return [head, ...own, ...(matched > spans.length ? [`    and ${matched - spans.length} more`] : [])]
}

function attribute({ key, value }) {
  return `${key}=${Object.values(value)[0]}`
}

function resultLines({ resultType, result }) {
  if (resultType === 'streams')
    return result
      .flatMap(logLines)
      .sort(newestFirst)
      .map(([, line]) => line)
  if (resultType === 'scalar') return [String(result[1])]
  return result
    .map(({ metric, value }) => [
      Object.entries(metric)
        .map(([key, label]) => `${key}=${label}`)
        .join(' '),
      Number(value[1]),
    ])
    .sort(([, a], [, b]) => b - a)
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

/** Of a number what can be told apart: 4 digits. */
function metricLine([labels, value]) {
  return `${String(Number(value.toPrecision(4))).padStart(10)}  ${labels}`.trimEnd()
}
