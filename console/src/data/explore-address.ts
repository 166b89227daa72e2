/** Explore's state in the address, and links to it from everywhere else. */

import type { SourceId } from './source-id.ts'
import type { RawRange } from './time-range.ts'
import { withParams } from './url.ts'

/** Explore with this query already asked. */
export const exploreHref = (source: Exclude<SourceId, 'postgres'>, query: string, range: RawRange): string =>
  withParams('/explore', { source, query, from: range.from, to: range.to })

/** A trace's page; `extra` are further parameters, such as the `span` to select. */
export const traceHref = (traceId: string, extra: Record<string, string> = {}): string =>
  withParams(`/trace/${traceId}`, extra)
