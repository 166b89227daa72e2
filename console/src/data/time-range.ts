/** Time ranges as Grafana writes them: `now-1h`, `now/d`, milliseconds, or a date. */
export interface RawRange {
  readonly from: string
  readonly to: string
}

/** Milliseconds since 1970. */
export interface TimeRange {
  readonly from: number
  readonly to: number
}

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  M: 2_592_000_000,
  y: 31_536_000_000,
}

/** `90s`, `1h30m`, `500ms` -> milliseconds; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  let total = 0
  let rest = text.trim()
  if (!rest) return undefined
  while (rest) {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w|M|y)/.exec(rest)
    if (!match) return undefined
    total += Number(match[1]) * UNIT_MS[match[2]!]!
    rest = rest.slice(match[0].length)
  }
  return total
}

/** Resolves both ends against `now` (ms). Throws with the offending text. */
export function resolveRange(raw: RawRange, now: number): TimeRange {
  const from = resolveTime(raw.from, now, false)
  const to = resolveTime(raw.to, now, true)
  if (from >= to) throw new Error(`The range from "${raw.from}" to "${raw.to}" is empty: it must end after it starts.`)
  return { from, to }
}

function resolveTime(text: string, now: number, roundUp: boolean): number {
  if (/^\d{9,}$/.test(text)) return Number(text)
  if (!text.startsWith('now')) {
    const date = parseDate(text)
    if (Number.isNaN(date)) throw new Error(`"${text}" is no time. Write e.g. now-1h or 2026-01-31T12:00:00Z.`)
    return date
  }
  let time = now
  let rest = text.slice(3)
  while (rest) {
    const match = /^([+-])(\d+)(ms|[smhdwMy])|^\/([smhdwMy])/.exec(rest)
    if (!match) throw new Error(`"${text}" is no time. Write e.g. now-1h, now-7d or now/d.`)
    if (match[4]) time = roundTo(time, match[4], roundUp)
    else time = shift(time, (match[1] === '+' ? 1 : -1) * Number(match[2]), match[3]!)
    rest = rest.slice(match[0].length)
  }
  if (Number.isNaN(time)) throw new Error(`"${text}" is no time: it lies beyond all calendars.`)
  return time
}

/** A written time in ms, NaN when it is none. Without a zone it is local, a date alone too. */
export const parseDate = (text: string): number =>
  Date.parse(/^\d{4}(?:-\d\d){0,2}$/.test(text) ? `${text}T00:00` : text)

/** Days and longer go by the local calendar: a day may have 23 hours, and a month ends where it ends. */
function shift(time: number, count: number, unit: string): number {
  if (!'dwMy'.includes(unit)) return time + count * UNIT_MS[unit]!
  const date = new Date(time)
  if (unit === 'd' || unit === 'w') return date.setDate(date.getDate() + count * (unit === 'w' ? 7 : 1))
  const day = date.getDate()
  date.setDate(1)
  date.setMonth(date.getMonth() + count * (unit === 'y' ? 12 : 1))
  const lastDay = new Date(date.getFullYear(), date.getMonth() + 1, 0).getDate()
  return date.setDate(Math.min(day, lastDay))
}

/** Start (or end) of the calendar unit in local time. */
function roundTo(time: number, unit: string, up: boolean): number {
  const date = new Date(time)
  if (unit === 's') date.setMilliseconds(0)
  if (unit === 'm') date.setSeconds(0, 0)
  if (unit === 'h') date.setMinutes(0, 0, 0)
  if ('dwMy'.includes(unit)) date.setHours(0, 0, 0, 0)
  if (unit === 'w') date.setDate(date.getDate() - ((date.getDay() + 6) % 7))
  if (unit === 'M') date.setDate(1)
  if (unit === 'y') date.setMonth(0, 1)
  if (!up) return date.getTime()
  return shift(date.getTime(), 1, unit) - 1
}

/** Whether the range moves with the clock. */
export const isRelative = (raw: RawRange): boolean => raw.to.startsWith('now')

/** How often to ask again: as chosen, else as the board says, unless its range stands still. */
export const refreshOf = (raw: RawRange, chosen: string | null, byDefault: string): string =>
  chosen ?? (isRelative(raw) ? byDefault || 'off' : 'off')

const QUICK_LABELS: Record<string, string> = {
  'now-5m': 'Last 5 minutes',
  'now-15m': 'Last 15 minutes',
  'now-30m': 'Last 30 minutes',
  'now-1h': 'Last 1 hour',
  'now-3h': 'Last 3 hours',
  'now-6h': 'Last 6 hours',
  'now-12h': 'Last 12 hours',
  'now-24h': 'Last 24 hours',
  'now-2d': 'Last 2 days',
  'now-7d': 'Last 7 days',
}

/** To choose from, shortest first. */
export const QUICK_RANGES: readonly { label: string; raw: RawRange }[] = Object.entries(QUICK_LABELS).map(
  ([from, label]) => ({ label, raw: { from, to: 'now' } }),
)

/** `Last 5 minutes`, or both ends in local time. */
export function rangeLabel(raw: RawRange): string {
  if (raw.to === 'now' && QUICK_LABELS[raw.from]) return QUICK_LABELS[raw.from]!
  const minutes = raw.to === 'now' && /^now-(\d+)m$/.exec(raw.from)?.[1]
  if (minutes) return `Last ${minutes} minute${minutes === '1' ? '' : 's'}`
  return `${timeLabel(raw.from)} to ${timeLabel(raw.to)}`
}

const timeLabel = (text: string): string => (/^\d{9,}$/.test(text) ? localDateTime(Number(text)) : text)

const pad = (value: number, width = 2): string => String(value).padStart(width, '0')

/** `2026-01-31 12:00:00` in local time. */
export function localDateTime(ms: number): string {
  const date = new Date(ms)
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${localTime(ms)}`
}

/** Whether a moment (ms since 1970) lies in the present day, by the local calendar. */
export const isToday = (ms: number): boolean => new Date(ms).toDateString() === new Date().toDateString()

/** `12:00:00`, or `12:00:00.250` with `millis`. */
export function localTime(ms: number, millis = false): string {
  const date = new Date(ms)
  const base = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  return millis ? `${base}.${pad(date.getMilliseconds(), 3)}` : base
}
