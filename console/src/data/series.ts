/** Values over time, as PromQL, LogQL and TraceQL metrics answer them alike. */
import { labelsText } from './frame.ts'

export type Labels = Record<string, string>

/** A number as Prometheus and Loki write it: `+Inf`, `NaN` and all others as text. */
export type Sample = [seconds: number, value: string]

export interface Series {
  readonly labels: Labels
  /** Milliseconds since 1970, ascending. */
  readonly times: readonly number[]
  /** One per time; null where there is none. */
  readonly values: readonly (number | null)[]
}

/** Every step of the range gets a point, so that a hole in the data is a hole in the line. */
export function onGrid(
  samples: readonly Sample[],
  from: number,
  to: number,
  stepMs: number,
): { times: number[]; values: (number | null)[] } {
  const byTime = new Map(samples.map(([seconds, value]) => [Math.round(seconds * 1000), parseSample(value)]))
  const times: number[] = []
  const values: (number | null)[] = []
  for (let time = from; time <= to; time += stepMs) {
    times.push(time)
    values.push(byTime.get(time) ?? null)
  }
  return { times, values }
}

/** Null for NaN, which no chart can draw. */
export function parseSample(text: string): number | null {
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
  return Number.isNaN(value) ? null : value
}

/** `{{service}}` templates; `__auto` or nothing gives the only label's value, else all labels. */
export function legendText(format: string | undefined, labels: Readonly<Labels>, expr: string): string {
  if (format && format !== '__auto')
    return format.replaceAll(/\{\{\s*([^}]+?)\s*\}\}/g, (_all, name: string) => labels[name] ?? '')
  const own = Object.entries(labels).filter(([name]) => name !== '__name__')
  if (own.length === 0) return labels.__name__ ?? expr
  return own.length === 1 ? own[0]![1] : labelsText(labels)
}
