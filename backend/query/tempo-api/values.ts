/** TraceQL's values as OTLP/JSON, the way Tempo writes them: durations, statuses and kinds as words. */
import { formatDuration } from '../language/durations.ts'
import type { NamedValue, TypedValue } from '../traceql/index.ts'

/** Labels and attributes as OTLP's list of `key` and `value`. */
export function keyValues(list: readonly NamedValue[]): { key: string; value: unknown }[] {
  return list.map(({ key, value }) => ({ key, value: anyValue(value) }))
}

function anyValue({ type, value }: TypedValue): unknown {
  if (value === null) return { stringValue: 'nil' }
  if (type === 'duration') return { stringValue: formatDuration(Number(value)) }
  if (type === 'float') return double(value)
  if (type === 'floats') return { arrayValue: { values: (value as readonly unknown[]).map(double) } }
  return plain(value)
}

const double = (value: unknown) => ({ doubleValue: jsonNumber(Number(value)) })

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return { arrayValue: { values: value.map(plain) } }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'bigint') return { intValue: String(value) }
  if (typeof value === 'number') {
    return Number.isInteger(value) ? { intValue: String(value) } : double(value)
  }
  return { stringValue: String(value) }
}

/** protobuf's JSON writes what JSON has no number for as a word. */
export const jsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value))
