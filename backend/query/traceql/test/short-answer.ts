/** Answers in a short notation for tables of verdicts: `2:[2,3 <count()=2>]` is trace 2 with its spans 2 and 3. */
import { formatDuration } from '../../language/durations.ts'
import type { InstantSeries, Series, TraceResult, TypedValue } from '../index.ts'
import { exampleTraceId } from './data.ts'

const NUMBER_OF = new Map([1, 2, 3, 4, 5, 6].map((trace) => [exampleTraceId(trace), trace]))

/** Traces and spans by their numbers in the example data, in their order. */
export function shortTraces(results: readonly TraceResult[]): string {
  const traces = results.map(({ traceId, spanSets }) => {
    const sets = spanSets.map(({ spans, attributes }) => {
      const ids = spans.map(({ spanId }) => Number.parseInt(spanId.slice(-2), 16)).sort((a, b) => a - b)
      const notes = attributes.map(({ key, value }) => `${key}=${shortValue(value)}`)
      return notes.length === 0 ? ids.join(',') : `${ids.join(',')} <${notes.join(' ')}>`
    })
    return `${NUMBER_OF.get(traceId)}:[${sets.sort().join(' ; ')}]`
  })
  return traces.sort().join(' ') || '(none)'
}

/** `{name=value} [5:2 10:0]`: samples with their time in seconds after `baseNs`. */
export function shortSeries(series: readonly (Series | InstantSeries)[], baseNs: bigint): string[] {
  return series.map((own) => {
    const labels = own.labels.map(({ key, value }) => `${key}=${shortValue(value)}`).join(',')
    if (!('samples' in own)) return `{${labels}} ${rounded(own.value)}`
    const samples = own.samples.map(
      ({ timestampMs, value }) => `${(timestampMs - Number(baseNs / 1_000_000n)) / 1000}:${rounded(value)}`,
    )
    return `{${labels}} ${samples.join(' ')}`
  })
}

/** Twelve digits: sums of floats differ in the last ones with the order of adding. */
function rounded(value: number): number {
  return Number(value.toPrecision(12))
}

function shortValue({ type, value }: TypedValue): string {
  return type === 'duration' ? formatDuration(Number(value)) : String(value ?? 'nil')
}
