/** Values of templates and how Go prints them: `{{ . }}` and `printf`. */
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

export type Value = string | number | boolean | undefined | TimeValue | MapValue | readonly Value[]

/** Tells lists from the other values that are objects. */
export const isList = (value: Value): value is readonly Value[] => Array.isArray(value)

/** As `{{ . }}` prints a value. */
export function formatValue(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatNumber(value)
  if (value === undefined) return '<no value>'
  if (typeof value === 'boolean') return String(value)
  if (isList(value)) return `[${value.map(formatValue).join(' ')}]`
  if ('kind' in value && value.kind === 'time')
    return formatTime(value.ns, '2006-01-02 15:04:05.999999999 -0700 MST', value.zone)
  const entries = [...(value as MapValue).entries].sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${entries.map(([key, one]) => `${key}:${formatValue(one)}`).join(' ')}]`
}

/** Shortest digits; an exponent of two digits at least from 1e21 on and below 1e-4. */
function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  const magnitude = Math.abs(value)
  if (value === 0 || (magnitude >= 1e-4 && magnitude < 1e21) || Number.isNaN(value)) return String(value)
  return goExponent(value.toExponential())
}

const goExponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2')

const MAX_WIDTH = 10_000

/** Go's `fmt.Sprintf` for the verbs that make sense on log lines. */
export function sprintf(format: string, values: readonly Value[]): string {
  let index = 0
  const text = format.replace(
    /%([-+# 0]*)(\*|\d+)?(?:\.(\d*))?([a-zA-Z%])/g,
    (_, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      const wanted = width === '*' ? Number(values[index++] ?? 0) : Number(width ?? 0)
      if (index >= values.length) return `%!${verb}(MISSING)`
      const digits = precision === undefined ? undefined : Math.min(Number(precision), 100)
      return pad(formatVerb(verb, values[index++], digits, flags), Math.min(wanted, MAX_WIDTH), flags)
    },
  )
  if (index >= values.length) return text
  const extra = values.slice(index).map((value) => `${typeName(value)}=${formatValue(value)}`)
  return `${text}%!(EXTRA ${extra.join(', ')})`
}

function formatVerb(verb: string, value: Value, precision: number | undefined, flags: string): string {
  const wrong = `%!${verb}(${typeName(value)}=${formatValue(value)})`
  const sign = (number: number, text: string): string => (flags.includes('+') && number >= 0 ? `+${text}` : text)
  switch (verb) {
    case 's':
    case 'v': {
      const text = formatValue(value)
      return precision === undefined ? text : [...text].slice(0, precision).join('')
    }
    case 'q':
      return typeof value === 'string' ? JSON.stringify(value) : wrong
    case 'd':
      return typeof value === 'number' && Number.isInteger(value) ? sign(value, String(value)) : wrong
    case 'f':
    case 'F':
      return typeof value === 'number' ? sign(value, value.toFixed(precision ?? 6)) : wrong
    case 'e':
      return typeof value === 'number' ? sign(value, goExponent(value.toExponential(precision ?? 6))) : wrong
    case 'g':
      if (typeof value !== 'number') return wrong
      return sign(
        value,
        precision === undefined ? formatNumber(value) : String(Number(value.toPrecision(precision || 1))),
      )
    case 't':
      return typeof value === 'boolean' ? String(value) : wrong
    case 'x':
    case 'X': {
      const text = typeof value === 'string' ? Buffer.from(value).toString('hex') : Number(value).toString(16)
      return verb === 'x' ? text : text.toUpperCase()
    }
    case 'b':
    case 'o':
      return typeof value === 'number' ? value.toString(verb === 'b' ? 2 : 8) : wrong
    case 'c':
      return typeof value === 'number' ? String.fromCodePoint(value) : wrong
    case 'T':
      return typeName(value)
    default:
      return wrong
  }
}

function typeName(value: Value): string {
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'string' ? 'string' : '<nil>'
}

function pad(text: string, width: number, flags: string): string {
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (flags.includes('-')) return text + ' '.repeat(missing)
  if (!flags.includes('0')) return ' '.repeat(missing) + text
  const signed = /^[+-]/.test(text) ? 1 : 0
  return text.slice(0, signed) + '0'.repeat(missing) + text.slice(signed)
}
