/** What can be told of a TraceQL query by its text alone. */

/** The query with every string in it emptied: what is left are words of the language and names. */
export const outsideStrings = (query: string): string => query.replaceAll(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '""')

/** Whether a pipeline stage makes series out of spans. */
export const isMetricsQuery = (query: string): boolean =>
  /\|\s*(rate|compare|\w+_over_time)\s*\(/.test(outsideStrings(query))
