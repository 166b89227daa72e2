/**
 * Names of OTLP as Prometheus has them, by the strategy that its own receiver calls UnderscoreEscapingWithSuffixes
 * (https://prometheus.io/docs/guides/opentelemetry/,
 * https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#otlp-metric-points-to-prometheus).
 */

/** A counter is a monotonic sum. */
export type Kind = 'gauge' | 'counter' | 'other'

const UNITS = new Map([
  ['d', 'days'],
  ['h', 'hours'],
  ['min', 'minutes'],
  ['s', 'seconds'],
  ['ms', 'milliseconds'],
  ['us', 'microseconds'],
  ['ns', 'nanoseconds'],
  ['By', 'bytes'],
  ['KiBy', 'kibibytes'],
  ['MiBy', 'mebibytes'],
  ['GiBy', 'gibibytes'],
  ['TiBy', 'tebibytes'],
  ['KBy', 'kilobytes'],
  ['MBy', 'megabytes'],
  ['GBy', 'gigabytes'],
  ['TBy', 'terabytes'],
  ['m', 'meters'],
  ['V', 'volts'],
  ['A', 'amperes'],
  ['J', 'joules'],
  ['W', 'watts'],
  ['g', 'grams'],
  ['Cel', 'celsius'],
  ['Hz', 'hertz'],
  ['%', 'percent'],
  // A count of something: no unit. Of a gauge it is a ratio, which is said by `metricName`.
  ['1', ''],
])

const PER = new Map([
  ['s', 'second'],
  ['m', 'minute'],
  ['h', 'hour'],
  ['d', 'day'],
  ['w', 'week'],
  ['mo', 'month'],
  ['y', 'year'],
])

/** `http.server.duration`, `s` -> `http_server_duration_seconds`; '' when no character of the name can stay. */
export function metricName(name: string, unit: string, kind: Kind): string {
  let words = name.split(/[^a-zA-Z0-9:]+/).filter((word) => word !== '')
  if (words.length === 0) return ''
  for (const part of unitParts(unit)) if (!words.includes(part.at(-1)!)) words.push(...part)
  const ending = kind === 'counter' ? 'total' : kind === 'gauge' && unit.trim() === '1' ? 'ratio' : undefined
  if (ending !== undefined) words = [...words.filter((word) => word !== ending), ending]
  const whole = words.join('_')
  return /^\d/.test(whole) ? `_${whole}` : whole
}

/** `By/s` -> bytes, and per second. What stands in braces is a remark. */
function unitParts(unit: string): string[][] {
  const [main = '', ...rest] = unit.replaceAll(/\{[^}]*\}/g, '').split('/')
  const parts = [[inWords(main, UNITS)], ['per', inWords(rest.join('/'), PER)]]
  return parts.filter((part) => part.at(-1) !== '')
}

function inWords(unit: string, known: ReadonlyMap<string, string>): string {
  const trimmed = unit.trim()
  return known.get(trimmed) ?? trimmed.replaceAll(/[^a-zA-Z0-9]+/g, '_').replaceAll(/^_|_$/g, '')
}

/** `http.route` -> `http_route`; what would begin with a digit or with `_`, as names that are Prometheus' own do, with `key_`. */
export function labelName(key: string): string {
  const name = key.replaceAll(/[^a-zA-Z0-9]+/g, '_')
  if (/^\d/.test(name)) return `key_${name}`
  return name.startsWith('_') ? `key${name}` : name
}
