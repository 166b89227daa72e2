/** `drilldown-limits`: what Logs Drilldown asks before it shows anything. */
import { type ApiResponse, json } from '../../http.ts'
import { MAX_SERIES } from '../logql/index.ts'
import type { LokiContext } from './context.ts'
import { MAX_ENTRIES } from './params.ts'

/** The limits that hold here by Loki's names, and that patterns can be had. */
export function drilldownLimits({ retentionMs, timeoutMs }: LokiContext, version: string): ApiResponse {
  const seconds = (ms: number) => `${ms / 1000}s`
  return json(200, {
    limits: {
      ...(retentionMs !== undefined && { retention_period: seconds(retentionMs) }),
      query_timeout: seconds(timeoutMs),
      // None.
      max_query_length: '0s',
      max_query_series: MAX_SERIES,
      max_entries_limit_per_query: MAX_ENTRIES,
      volume_enabled: true,
      volume_max_series: MAX_ENTRIES,
      discover_log_levels: true,
      allow_structured_metadata: true,
    },
    pattern_ingester_enabled: true,
    version,
  })
}
