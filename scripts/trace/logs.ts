import { extent, type Span } from './spans.ts'

export interface LogLine {
  /** Nanoseconds since the epoch. */
  time: bigint
  service: string
  level: string
  message: string
}

const MARGIN_NS = 60_000_000_000n

/** The trace's lines from Loki's query_range, oldest first; looked for around the trace's own time. */
export async function readLogs(loki: string, traceId: string, spans: readonly Span[]): Promise<LogLine[]> {
  const { start, end } = extent(spans)
  const query = new URLSearchParams({
    query: `{service_name=~".+"} | trace_id="${traceId}"`,
    start: String(start - MARGIN_NS),
    end: String(end + MARGIN_NS),
    limit: '1000',
    direction: 'forward',
  })
  const response = await fetch(`${loki}/loki/api/v1/query_range?${query}`)
  if (!response.ok) throw new Error(`${loki} answered ${response.status}: ${await response.text()}`)
  const { data } = (await response.json()) as {
    data: { result: { stream: Record<string, string>; values: [string, string][] }[] }
  }
  return data.result
    .flatMap(({ stream, values }) =>
      values.map(([time, message]) => ({
        time: BigInt(time),
        service: stream.service_name ?? '',
        level: stream.level ?? stream.severity_text ?? '',
        message,
      })),
    )
    .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
}
