/** Samples and exemplars through Prometheus' API, written so that `promtool tsdb create-blocks-from openmetrics` takes them. */

import { maskedJson, maskedLabels } from '@sightline/console/masks'
import { counted } from '@sightline/contracts/counted'
import { getJson, type System, TooMuch } from '../ask/system.ts'
import { Unanswered } from '../incident/place.ts'
import type { Archive } from './archive.ts'
import { metricsName, NAMES } from './format.ts'
import { inOrder, type Notes, type Range } from './run.ts'

type Labels = Record<string, string>

/** Of one file. Prometheus' blocks of two hours are whole numbers of it. */
const WINDOW_MS = 10 * 60_000
/** What a metric has within this is read at once, however much it is. */
const SHORTEST_MS = 5_000
/** Metrics read at the same time. */
const AT_ONCE = 4
/** Names and labels that every promtool reads. */
const CLASSIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/** Writes all samples of the range, window by window; resolves to how many. */
export async function captureMetrics(
  system: System,
  range: Range,
  archive: Archive,
  { say, leaveOut }: Notes,
): Promise<number> {
  const all = await metricNames(system, range)
  const names = all.filter((name) => CLASSIC_NAME.test(name))
  if (names.length < all.length)
    leaveOut(
      `${counted(all.length - names.length, 'metric')}: names that are not of letters, digits, "_" and ":" alone.`,
    )
  let count = 0
  const skipped = new Set<string>()
  const windows = windowsOf(range)
  // The newest first: when the capture gets full, they are what it has.
  for (const [index, window] of [...windows.entries()].toReversed()) {
    if (archive.room() <= 0) {
      leaveOut(`Metrics before ${new Date(window.to).toISOString()}: the capture is full. Take a shorter range.`)
      break
    }
    await archive.add(metricsName(index + 1), async (write) => {
      const before = count
      try {
        const texts = (name: string) => Array.fromAsync(textOf(system, name, window, skipped))
        for await (const pieces of inOrder(names, AT_ONCE, texts)) {
          for (const { text, samples } of pieces) {
            await write(text)
            count += samples
          }
          say(`metric samples: ${count}`)
        }
      } finally {
        if (count > before) await write('# EOF\n')
      }
    })
  }
  // Real engines have dozens of them.
  const native = [...skipped].toSorted()
  const more = native.length > NAMED ? ` and ${native.length - NAMED} more` : ''
  if (native.length > 0)
    leaveOut(`Native histograms, which OpenMetrics can't hold: ${native.slice(0, NAMED).join(', ')}${more}.`)
  return count
}

/** So many are said by name. */
const NAMED = 5

const seconds = (ms: number) => String(ms / 1000)
const within = ({ from, to }: Range) => ({ start: seconds(from), end: seconds(to) })

async function metricNames(system: System, range: Range): Promise<string[]> {
  const { data } = await getJson<{ data: string[] }>('Prometheus', system.prometheus, {
    path: '/api/v1/label/__name__/values',
    query: within(range),
  })
  return data
}

/** In order of time; they begin and end at whole multiples of their length. */
export function windowsOf({ from, to }: Range): Range[] {
  const windows: Range[] = []
  for (let start = from; start < to; ) {
    const end = Math.min(Math.floor(start / WINDOW_MS + 1) * WINDOW_MS, to)
    windows.push({ from: start, to: end })
    start = end
  }
  return windows
}

interface Series {
  metric: Labels
  values?: [number, string][]
  histograms?: unknown[]
}

/** A metric's samples as text: in one piece, or when that is too much in two halves. */
async function* textOf(
  system: System,
  name: string,
  window: Range,
  skipped: Set<string>,
): AsyncGenerator<{ text: string; samples: number }> {
  let series: Series[]
  try {
    series = await rawSamples(system, name, window)
  } catch (error) {
    const isTooMuch = error instanceof TooMuch || (error instanceof Unanswered && error.status === 422)
    const middle = Math.floor((window.from + window.to) / 2)
    if (!isTooMuch || middle - window.from < SHORTEST_MS) throw error
    yield* textOf(system, name, { from: window.from, to: middle }, skipped)
    yield* textOf(system, name, { from: middle, to: window.to }, skipped)
    return
  }
  let text = ''
  let samples = 0
  for (const { metric, values = [], histograms } of series) {
    if (histograms) skipped.add(name)
    const labels = labelsText(metric)
    for (const [time, value] of values) {
      // Whether a range holds its own begin depends on Prometheus' version.
      if (time * 1000 < window.from || time * 1000 >= window.to) continue
      text += `${name}${labels} ${value} ${time}\n`
      samples++
    }
  }
  if (samples > 0) yield { text, samples }
}

/** As scraped: at their own times, not at steps. */
async function rawSamples(system: System, name: string, { from, to }: Range): Promise<Series[]> {
  const { data } = await getJson<{ data: { result: Series[] } }>('Prometheus', system.prometheus, {
    path: '/api/v1/query',
    query: { query: `{__name__="${name}"}[${Math.ceil(to - from)}ms]`, time: seconds(to) },
    narrower: 'Take a shorter range.',
  })
  return data.result
}

/** `{job="x"}`, or nothing. Masked. */
export function labelsText({ __name__, ...labels }: Labels): string {
  const pairs = Object.entries(maskedLabels(labels)).map(([name, value]) => {
    const quoted = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    return `${name}="${quoted}"`
  })
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

/** Writes the exemplars of the range; resolves to how many. Prometheus keeps them in memory, and only so many. */
export async function captureExemplars(
  system: System,
  range: Range,
  archive: Archive,
  { leaveOut }: Notes,
): Promise<number> {
  let count = 0
  await archive.add(NAMES.exemplars, async (write) => {
    for (const name of (await metricNames(system, range)).filter((one) => CLASSIC_NAME.test(one))) {
      // Only what counts has exemplars.
      if (!/_(total|bucket|count)$/.test(name)) continue
      if (archive.room() <= 0) {
        leaveOut(`Exemplars from ${name} on: the capture is full. Take a shorter range.`)
        return
      }
      for (const { seriesLabels, exemplars } of await exemplarsOf(system, name, range)) {
        await write(
          `${JSON.stringify({
            seriesLabels: maskedLabels(seriesLabels),
            exemplars: exemplars.map((one) => ({ ...one, labels: maskedLabels(one.labels) })),
          })}\n`,
        )
        count += exemplars.length
      }
    }
  })
  return count
}

interface ExemplarSeries {
  seriesLabels: Labels
  exemplars: { labels: Labels; value: string; timestamp: number }[]
}

async function exemplarsOf(system: System, name: string, range: Range): Promise<ExemplarSeries[]> {
  const { data } = await getJson<{ data: ExemplarSeries[] | null }>('Prometheus', system.prometheus, {
    path: '/api/v1/query_exemplars',
    query: { query: name, ...within(range) },
  })
  return data ?? []
}

/** Longer ago than this, what fires now isn't what fired at the end of the range. */
const NOW_MS = 60_000

/** Writes which alerts fire, when the range ends now. */
export async function captureRules(system: System, range: Range, archive: Archive, { leaveOut }: Notes): Promise<void> {
  if (Date.now() - range.to > NOW_MS) {
    leaveOut('What the page of alerts shows: the range ends in the past. Boards have the history of alerts.')
    return
  }
  const { data } = await getJson<{ data: unknown }>('Prometheus', system.prometheus, {
    path: '/api/v1/rules',
    query: { type: 'alert' },
  })
  await archive.add(NAMES.rules, (write) => write(JSON.stringify(maskedJson({ status: 'success', data }))))
}
