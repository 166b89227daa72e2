/** What can be told of a TraceQL query by its text alone. */

const STRINGS = /"(?:[^"\\]|\\.)*"|`[^`]*`/g

/** The query with every string in it emptied: what is left are words of the language and names. */
export const outsideStrings = (query: string): string => query.replaceAll(STRINGS, '""')

const METRICS_STAGE = /\|\s*(rate|compare|\w+_over_time)\s*\(/

/** Whether a pipeline stage makes series out of spans. */
export const isMetricsQuery = (query: string): boolean => METRICS_STAGE.test(outsideStrings(query))

/** The part of a metrics query that finds its spans. */
export function spansOfMetrics(query: string): string {
  // Strings keep their length, so that places are those of the query.
  const blanked = query.replaceAll(STRINGS, (string) => `"${'_'.repeat(string.length - 2)}"`)
  return query.slice(0, METRICS_STAGE.exec(blanked)?.index).trim()
}
