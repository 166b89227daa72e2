/** What can be told of a TraceQL query by its text alone. */

/** The query with every string in it emptied: what is left are words of the language and names. */
export const outsideStrings = (query: string): string => query.replaceAll(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '""')

const METRICS_STAGE = /\|\s*(rate|compare|\w+_over_time)\s*\(/

/** Whether a pipeline stage makes series out of spans. */
export const isMetricsQuery = (query: string): boolean => METRICS_STAGE.test(outsideStrings(query))

/** The part of a metrics query that finds its spans. */
export const spansOfMetrics = (query: string): string =>
  query.slice(0, METRICS_STAGE.exec(wordsOf(query))?.index).trim()

const HINTS = /\bwith\s*\([^()]*\)\s*$/
const QUIET = /"(?:[^"\\]|\\.)*"|`[^`]*`|\/\*.*?\*\/|\/\/[^\n]*/gs

/** The query with strings and comments blanked. As long as the query, so that places in it are places in the query. */
const wordsOf = (query: string): string => query.replaceAll(QUIET, (text) => ' '.repeat(text.length))

const withoutComments = (query: string): string =>
  query.replaceAll(QUIET, (text) => (text.startsWith('/') ? ' '.repeat(text.length) : text))

const COMPARE = /\|\s*compare\s*\(\s*\{/
const COMPARE_ENDS = /^\s*(?:,\s*\d+\s*(?:,\s*(\d+)\s*,\s*(\d+)\s*)?)?\)\s*$/

/** A query that compares: the query of its spans, the filter that selects some of them, and from when to when, nanoseconds. */
export interface CompareParts {
  readonly spans: string
  readonly selection: string
  readonly window?: { readonly from: string; readonly to: string }
}

/** Undefined for all queries but those that end in a `compare()`, but for hints. How many values it asks for is left aside. */
export function compareParts(query: string): CompareParts | undefined {
  const text = withoutComments(splitHints(query).stages)
  const words = wordsOf(text)
  const stage = COMPARE.exec(words)
  if (!stage) return undefined
  const opened = stage.index + stage[0].length
  const closed = words.indexOf('}', opened)
  const end = closed < 0 ? null : COMPARE_ENDS.exec(words.slice(closed + 1))
  if (!end) return undefined
  const [, from, to] = end
  return {
    spans: text.slice(0, stage.index).trim(),
    selection: text.slice(opened, closed).trim(),
    ...(from && to && { window: { from, to } }),
  }
}

/** A query without its hints, and the hints, `with(…)`, which can stand at its end only; '' where it has none. */
export function splitHints(query: string): { stages: string; hints: string } {
  const at = HINTS.exec(wordsOf(query))?.index ?? query.length
  return { stages: query.slice(0, at), hints: query.slice(at) }
}

/**
 * The same search, which answers with the status of the spans it finds, too, and passes over no newer trace (Tempo's hint
 * `most_recent`, unless the query has hints of its own). What is added stands on a line of its own: a comment may end the query.
 */
export function withStatus(query: string): string {
  const { stages, hints } = splitHints(query)
  return `${stages.trimEnd()}\n| select(status) ${hints || 'with(most_recent=true)'}`
}

/** Of the traces that a search finds those that have an error in any span. */
export const withErrors = (query: string): string =>
  `(${splitHints(query).stages.trimEnd()}\n) && ({ status = error }) with(most_recent=true)`

/** Series that count the spans a search finds; undefined for a search with a pipeline: what that keeps are no single spans. */
export function withCount(query: string): string | undefined {
  const { stages } = splitHints(query)
  const piped = /(^|[^|])\|(?!\|)/.test(stages.replaceAll(QUIET, '""'))
  return piped ? undefined : `${stages.trimEnd()}\n| count_over_time()`
}

/** Lengths in seconds; `longer` is no part of what is between. 0 and infinity are no bounds. */
export interface Durations {
  readonly longer: number
  readonly upTo: number
}

/** A filter for spans of such a length, '' for all. */
export const durationFilter = ({ longer, upTo }: Durations): string =>
  [
    ...(longer > 0 ? [`duration > ${durationLiteral(longer)}`] : []),
    ...(Number.isFinite(upTo) ? [`duration <= ${durationLiteral(upTo)}`] : []),
  ].join(' && ')

/** Seconds as TraceQL writes them, to the microsecond. */
function durationLiteral(seconds: number): string {
  const micros = Math.round(seconds * 1e6)
  if (micros % 1e6 === 0) return `${micros / 1e6}s`
  return micros < 1000 ? `${micros}us` : `${micros / 1000}ms`
}
