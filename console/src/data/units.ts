/** Numbers as people read them, by the unit names of Grafana's JSON. */

interface Scale {
  /** Divisor and symbol, ascending. */
  readonly steps: readonly (readonly [number, string])[]
}

const SI: Scale = {
  steps: [
    [1, ''],
    [1e3, 'k'],
    [1e6, 'M'],
    [1e9, 'G'],
    [1e12, 'T'],
  ],
}
const SHORT: Scale = {
  steps: [
    [1, ''],
    [1e3, ' K'],
    [1e6, ' Mil'],
    [1e9, ' Bil'],
  ],
}
const IEC: Scale = {
  steps: [
    [1, ' B'],
    [2 ** 10, ' KiB'],
    [2 ** 20, ' MiB'],
    [2 ** 30, ' GiB'],
    [2 ** 40, ' TiB'],
  ],
}
const DECIMAL_BYTES: Scale = {
  steps: [
    [1, ' B'],
    [1e3, ' kB'],
    [1e6, ' MB'],
    [1e9, ' GB'],
    [1e12, ' TB'],
  ],
}
const SECONDS: Scale = {
  steps: [
    [1e-9, ' ns'],
    [1e-6, ' µs'],
    [1e-3, ' ms'],
    [1, ' s'],
    [60, ' min'],
    [3600, ' h'],
    [86_400, ' d'],
    [604_800, ' w'],
  ],
}

const shift = (scale: Scale, factor: number): Scale => ({
  steps: scale.steps.map(([at, symbol]) => [at * factor, symbol]),
})
const suffix = (scale: Scale, text: string): Scale => ({
  steps: scale.steps.map(([at, symbol]) => [at, `${symbol ? ` ${symbol}` : ' '}${text}`]),
})

const SCALES: Readonly<Record<string, Scale>> = {
  short: SHORT,
  locale: { steps: [[1, '']] },
  none: { steps: [[1, '']] },
  percent: { steps: [[1, '%']] },
  percentunit: { steps: [[0.01, '%']] },
  string: { steps: [[1, '']] },
  s: SECONDS,
  ms: shift(SECONDS, 1e3),
  µs: shift(SECONDS, 1e6),
  ns: shift(SECONDS, 1e9),
  m: shift(SECONDS, 1 / 60),
  h: shift(SECONDS, 1 / 3600),
  d: shift(SECONDS, 1 / 86_400),
  bytes: IEC,
  decbytes: DECIMAL_BYTES,
  kbytes: shift(IEC, 2 ** -10),
  mbytes: shift(IEC, 2 ** -20),
  binBps: suffixed(IEC, '/s'),
  Bps: suffixed(DECIMAL_BYTES, '/s'),
  reqps: suffix(SI, 'req/s'),
  rps: suffix(SI, 'req/s'),
  ops: suffix(SI, 'ops/s'),
  wps: suffix(SI, 'w/s'),
  cps: suffix(SI, 'c/s'),
  rowsps: suffix(SI, 'rows/s'),
  hertz: suffix(SI, 'Hz'),
  si: SI,
}

/** Its steps are powers of two. */
export const isBinary = (unit = ''): boolean => ['bytes', 'kbytes', 'mbytes', 'binBps'].includes(unit)

function suffixed(scale: Scale, text: string): Scale {
  return { steps: scale.steps.map(([at, symbol]) => [at, symbol + text]) }
}

export interface FormatOptions {
  readonly unit?: string | undefined
  readonly decimals?: number | null | undefined
}

/** `0.0367`, unit `s` -> `36.7 ms`. Times (`dateTimeAsIso` and kin) take milliseconds. Null gives `-`. */
export function formatValue(value: number | null | undefined, { unit = '', decimals }: FormatOptions = {}): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '-'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (unit.startsWith('dateTime')) return formatTime(value, unit)
  if (unit.startsWith('currency')) {
    const cents = value === 0 || Math.abs(value) >= 0.01 ? 2 : undefined
    return `${unit === 'currencyEUR' ? '€' : '$'}${fixed(value, decimals ?? cents)}`
  }
  if (unit === 'bool') return value ? 'True' : 'False'
  const [divisor, symbol] = pickStep(scaleOf(unit), value)
  return fixed(value / divisor, decimals) + symbol
}

/** Of a unit nobody knows the name is said after the number. */
function scaleOf(unit: string): Scale {
  return SCALES[unit] ?? { steps: [[1, unit.startsWith('suffix:') ? unit.slice(7) : unit && ` ${unit}`]] }
}

/**
 * As `formatValue`, with one scale for all marks of an axis: 0 ms, 50 ms, 100 ms rather than 0 s, 50 ms. `gap` is the distance
 * of two marks.
 */
export function axisFormatter(
  max: number,
  { unit = '', decimals }: FormatOptions,
): (value: number, gap?: number) => string {
  // Half a truth is no mark.
  if (unit === 'bool') return (value) => (value === 0 || value === 1 ? formatValue(value, { unit }) : '')
  if (unit.startsWith('dateTime')) return (value) => formatValue(value, { unit })
  if (unit.startsWith('currency'))
    return (value, gap = 0) => formatValue(value, { unit, decimals: Math.max(decimals ?? 2, digitsFor(gap) ?? 0) })
  return (value, gap = 0) => {
    const [divisor, symbol] = axisStep(scaleOf(unit), max, gap)
    const whole = decimals === 0 && divisor === 1
    // Half a connection is no mark.
    if (whole && !Number.isInteger(value)) return ''
    const needed = whole ? undefined : digitsFor(gap / divisor)
    const digits = needed ?? decimals ?? undefined
    return (digits === undefined ? trim(value / divisor) : (value / divisor).toFixed(digits)) + symbol
  }
}

/** On a logarithmic axis each mark has the scale of its own size: 1 ms, 10 ms, 100 ms, 1 s. `decimals` are for one scale. */
export const logarithmicMark = (value: number, unit: string | undefined): string => formatValue(value, { unit })

/** Marks must differ from each other: their distance says how many digits that takes. */
const digitsFor = (gap: number): number | undefined => {
  if (!(gap > 0)) return undefined
  // 0.25 apart: a digit more than 0.1.
  const digits = Math.max(-Math.floor(Math.log10(gap) + 1e-9), 0)
  const exact = Math.abs(gap * 10 ** digits - Math.round(gap * 10 ** digits)) < 1e-6
  return Math.min(exact ? digits : digits + 1, 12)
}

/**
 * The largest scale in which the marks are round: every 20 seconds up to 80 is not 0.3, 0.7, 1.0, 1.3 minutes. Where none is, the
 * largest that fits.
 */
function axisStep(scale: Scale, max: number, gap: number): readonly [number, string] {
  const largest = pickStep(scale, max)
  if (!(gap > 0)) return largest
  const round = ([at]: readonly [number, string]) => Math.abs((gap / at) * 100 - Math.round((gap / at) * 100)) < 1e-6
  const fitting = scale.steps.filter((step) => step[0] <= largest[0] && max / step[0] < 10_000 && round(step))
  return fitting.at(-1) ?? largest
}

function pickStep(scale: Scale, value: number): readonly [number, string] {
  const size = Math.abs(value)
  const base = scale.steps.find(([at]) => at >= 1 - 1e-12) ?? scale.steps[0]!
  if (size === 0) return base
  let chosen = scale.steps[0]!
  for (const step of scale.steps) if (size >= step[0] * (1 - 1e-9)) chosen = step
  return chosen
}

const fixed = (value: number, decimals?: number | null): string =>
  decimals === null || decimals === undefined ? trim(value) : value.toFixed(decimals)

/** Three significant digits, no trailing zeros: 1.2, 36.7, 263, 1250. */
function trim(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(2 - Math.floor(Math.log10(size)), 8)
  return value
    .toFixed(digits)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '')
}

function formatTime(ms: number, unit: string): string {
  const date = new Date(ms)
  if (unit === 'dateTimeFromNow') return agoText(Date.now() - ms)
  if (unit.includes('Iso'))
    return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace('T', ' ')
  return date.toLocaleString()
}

/** 65000 -> `1 min ago`. */
export function agoText(ms: number): string {
  if (ms < 1500) return 'just now'
  return `${formatValue(Math.floor(ms / 1000), { unit: 's', decimals: 0 })} ago`
}

/** Nanoseconds as span durations are read: `640 µs`, `1.25 ms`, `3.2 s`. */
export const formatNanos = (ns: number): string => formatValue(ns, { unit: 'ns' })
