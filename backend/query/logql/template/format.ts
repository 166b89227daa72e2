/** Values of templates, and how Go prints them. */
import { formatTime } from './go-time.ts'

export interface TimeValue {
  readonly kind: 'time'
  readonly ns: bigint
  readonly zone: string
}

export interface MapValue {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, Value>
}

/** Go's ints are bigints, of 64 bits; its floats numbers. */
export type Value = string | bigint | number | boolean | undefined | TimeValue | MapValue | readonly Value[]

/** Tells lists from the other values that are objects. */
export const isList = (value: Value): value is readonly Value[] => Array.isArray(value)

/** As `{{ . }}` prints a value. */
export const formatValue = (value: Value): string => (value === undefined ? '<no value>' : printValue(value))

/** As `printf "%v"` and `print` do. */
export function printValue(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatFloat(value, 'g')
  if (value === undefined) return '<nil>'
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (isList(value)) return `[${value.map(printValue).join(' ')}]`
  if ('kind' in value && value.kind === 'time')
    return formatTime(value.ns, '2006-01-02 15:04:05.999999999 -0700 MST', value.zone)
  const entries = [...(value as MapValue).entries].sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${entries.map(([key, one]) => `${key}:${printValue(one)}`).join(' ')}]`
}

export function typeName(value: Value): string {
  if (typeof value === 'number') return 'float64'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'string' ? 'string' : '<nil>'
}

/** Digits of a float as Go's verbs `e`, `f` and `g` write them; without a precision `g` takes the shortest that is exact. */
export function formatFloat(value: number, verb: 'e' | 'f' | 'g', precision?: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Math.abs(value) === Number.POSITIVE_INFINITY) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return `-${formatFloat(0, verb, precision)}`
  if (verb === 'f') return value.toFixed(precision ?? 6)
  if (verb === 'e') return goExponent(value.toExponential(precision ?? 6))
  const scientific = value.toExponential(precision === undefined ? undefined : Math.max(precision - 1, 0))
  const exponent = Number(scientific.slice(scientific.indexOf('e') + 1))
  if (exponent < -4 || exponent >= (precision === undefined ? LARGE : precision || 1))
    return goExponent(scientific.replace(/(?:\.0+|(\.\d*?)0+)(?=e)/, '$1'))
  return precision === undefined ? String(value) : String(Number(value.toPrecision(precision || 1)))
}

/** The exponent from which on even the shortest digits have one. */
const LARGE = 6

const goExponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2')
