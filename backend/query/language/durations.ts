/**
 * Durations as both query languages and the parameters of both APIs write them: `1h30m`, `1.5s`, numbers with the units of
 * Go's (https://pkg.go.dev/time#ParseDuration) and days, weeks and years.
 */

/** Nanoseconds of each unit, small to large; the two µ differ. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['μs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
  ['d', 86_400e9],
  ['w', 7 * 86_400e9],
  ['y', 365 * 86_400e9],
])
const DAY = 86_400e9

const NUMBER = '(?:\\d+(?:\\.\\d*)?|\\.\\d+)'
const PART = /(\d*)(\.\d*)?([a-zµμ]+)/y

/** For lexers: a duration inside a longer text, no letter or digit behind it. Queries know one of the two µ, the micro sign. */
const WRITTEN_UNITS = [...UNITS.keys()].filter((unit) => unit !== 'μs')
export const DURATION_TOKEN = new RegExp(`(?:${NUMBER}(?:${WRITTEN_UNITS.join('|')}))+(?![A-Za-z0-9_])`, 'y')

/**
 * `1h30m`, `1.5s`, `.5ms` -> nanoseconds, a fraction of one cut off; undefined when it is no duration, `Infinity` when it
 * is longer than numbers go. Days, weeks and years, which Go's own notation doesn't have, only where `calendar`.
 */
export function parseDuration(text: string, calendar = true): number | undefined {
  let total = 0
  let end = 0
  while (end < text.length) {
    PART.lastIndex = end
    const part = PART.exec(text)
    const unit = part === null ? undefined : UNITS.get(part[3]!)
    if (unit === undefined || (!calendar && unit >= DAY)) return undefined
    const [found, whole, fraction] = part!
    if (whole !== '') total += Number(whole) * unit
    else if (fraction === undefined || fraction === '.') return undefined
    // 1.001 s is no round number of nanoseconds in binary: the digits beyond a double's precision are rounded off.
    if (fraction !== undefined) total += Math.trunc(Number((Number(`0${fraction}`) * unit).toPrecision(15)))
    end += found.length
  }
  return end > 0 ? total : undefined
}

/** The same with a sign, a bare 0 and within a number's reach, as values of labels and parameters are. */
export function parseSignedDuration(text: string, calendar = true): number | undefined {
  const body = /^[+-]/.test(text) ? text.slice(1) : text
  const ns = body === '0' ? 0 : parseDuration(body, calendar)
  if (ns === undefined || ns === Number.POSITIVE_INFINITY) return undefined
  return text.startsWith('-') && ns !== 0 ? -ns : ns
}

const PRINTED_UNITS = ['h', 'm', 's', 'ms', 'us', 'ns'].map((name) => [name, UNITS.get(name)!] as const)

/**
 * Nanoseconds in the largest units that hold them exactly, as queries write them: `1h30m`, `1s500ms`, `0s`. More than 104 days are one
 * number: in parts of so much, and in their sum, a double rounds.
 */
export function printDuration(ns: number): string {
  if (ns === 0) return '0s'
  if (Math.abs(ns) > Number.MAX_SAFE_INTEGER) return `${BigInt(ns)}ns`
  let rest = Math.abs(ns)
  let text = ns < 0 ? '-' : ''
  for (const [unit, size] of PRINTED_UNITS) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return text
}

/**
 * Nanoseconds as Go's `Duration.String` writes them, which is how Tempo's answers carry them: `1.8s`, `250ms`,
 * `1m30s`, `0s`.
 */
export function formatDuration(ns: number): string {
  const sign = ns < 0 ? '-' : ''
  const size = Math.abs(ns)
  if (size === 0) return '0s'
  if (size < 1e3) return `${sign}${size}ns`
  if (size < 1e6) return `${sign}${shifted(size, 3)}µs`
  if (size < 1e9) return `${sign}${shifted(size, 6)}ms`
  const minutes = Math.floor(size / 60e9)
  const seconds = `${shifted(size - minutes * 60e9, 9)}s`
  if (minutes === 0) return sign + seconds
  return minutes < 60 ? `${sign}${minutes}m${seconds}` : `${sign}${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`
}

/** `value / 10^digits` in decimal, without the rounding of a division. */
function shifted(value: number, digits: number): string {
  const text = String(Math.trunc(value)).padStart(digits + 1, '0')
  const fraction = text.slice(-digits).replace(/0+$/, '')
  return text.slice(0, -digits) + (fraction === '' ? '' : `.${fraction}`)
}
