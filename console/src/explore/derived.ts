/** What Explore adds to a query of its own accord: the unit of its values, and a count of its lines. */

/** By the naming convention of metrics; a rate of seconds or a count of requests has no such unit. */
export function unitOf(query: string): string | undefined {
  if (/histogram_quantile/.test(query)) return /_bytes(_bucket)?\b/.test(query) ? 'bytes' : 's'
  if (/quantile_over_time\(duration|(avg|max|min)_over_time\(duration/.test(query)) return 's'
  if (/\brate\(|\bincrease\(|count/.test(query)) return undefined
  if (/_seconds\b/.test(query)) return 's'
  return /_bytes\b/.test(query) ? 'bytes' : undefined
}

/**
 * Lines by level, that found in the text of those that state none included. A line that a parser can't read counts like any other: its error would end the whole query. On a line
 * of its own because the query may end in a comment.
 */
export const volumeQuery = (query: string): string =>
  `sum by (detected_level) (count_over_time(${query}\n| drop __error__, __error_details__ [$__interval]))`
