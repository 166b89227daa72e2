/**
 * Times in Go's layouts (https://pkg.go.dev/time#Layout), where "Mon Jan 2 15:04:05 MST 2006" shows by example how each
 * part is written.
 */
const PART =
  /January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|Z07|-07:00|-0700|-07|002|__2|_2(?!006)|15|01|02|03|04|05|06|PM|pm|[.,]0+(?!\d)|[.,]9+(?!\d)|[12345]/g

const MONTHS = 'January February March April May June July August September October November December'.split(' ')
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')
const two = (value: number): string => String(value).padStart(2, '0')

/** Throws an Error on a zone that isn't known. */
export function formatTime(ns: bigint, layout: string, zone = 'UTC'): string {
  const ms = Number(ns / 1_000_000n)
  const fraction = String(((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n).padStart(9, '0')
  const offset = zoneOffset(ms, zone)
  const at = new Date(Math.floor(Number(ns / 1_000_000n)) + offset * 60_000)
  const hour = at.getUTCHours()
  const dayOfYear = Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0, 1)) / 86_400_000) + 1
  const zoned = (colon: string): string =>
    `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${colon}${two(Math.abs(offset) % 60)}`
  return layout.replace(PART, (part) => {
    if (/^[.,]/.test(part)) {
      const digits = fraction.slice(0, part.length - 1)
      if (part[1] === '0') return part[0] + digits
      const trimmed = digits.replace(/0+$/, '')
      return trimmed ? part[0] + trimmed : ''
    }
    switch (part) {
      case 'January':
        return MONTHS[at.getUTCMonth()]!
      case 'Jan':
        return MONTHS[at.getUTCMonth()]!.slice(0, 3)
      case 'Monday':
        return DAYS[at.getUTCDay()]!
      case 'Mon':
        return DAYS[at.getUTCDay()]!.slice(0, 3)
      case 'MST':
        return zoneName(ms, zone)
      case '2006':
        return String(at.getUTCFullYear()).padStart(4, '0')
      case '06':
        return two(at.getUTCFullYear() % 100)
      case '01':
        return two(at.getUTCMonth() + 1)
      case '1':
        return String(at.getUTCMonth() + 1)
      case '02':
        return two(at.getUTCDate())
      case '_2':
        return String(at.getUTCDate()).padStart(2)
      case '2':
        return String(at.getUTCDate())
      case '002':
        return String(dayOfYear).padStart(3, '0')
      case '__2':
        return String(dayOfYear).padStart(3)
      case '15':
        return two(hour)
      case '03':
        return two(hour % 12 || 12)
      case '3':
        return String(hour % 12 || 12)
      case '04':
        return two(at.getUTCMinutes())
      case '4':
        return String(at.getUTCMinutes())
      case '05':
        return two(at.getUTCSeconds())
      case '5':
        return String(at.getUTCSeconds())
      case 'PM':
        return hour < 12 ? 'AM' : 'PM'
      case 'pm':
        return hour < 12 ? 'am' : 'pm'
      case 'Z07:00':
        return offset === 0 ? 'Z' : zoned(':')
      case 'Z0700':
        return offset === 0 ? 'Z' : zoned('')
      case '-07:00':
        return zoned(':')
      case '-0700':
        return zoned('')
      default:
        return part.startsWith('Z') && offset === 0 ? 'Z' : zoned('').slice(0, 3)
    }
  })
}

/** Reads a text by a layout; undefined when it doesn't fit. */
export function parseTime(layout: string, text: string, zone = 'UTC'): bigint | undefined {
  const tokens = [...layout.matchAll(PART)]
  const parts = tokens.map(([part]) => part)
  let pattern = ''
  let end = 0
  for (const [index, found] of tokens.entries()) {
    // A group behind (?=...) is tried in one way only: layouts of many parts would have the engine try all splits.
    const inner = partPattern(found[0], parts[index + 1])
    pattern += `${quoteMeta(layout.slice(end, found.index))}${padding(found[0])}(?=(${inner}))(?:\\${index + 1})`
    end = found.index + found[0].length
  }
  const found = new RegExp(`^${pattern}${quoteMeta(layout.slice(end))}$`).exec(text)
  if (!found) return undefined
  let [year, month, day, hour, minute, second] = [0, 1, 1, 0, 0, 0]
  let fraction = 0n
  let afternoon: boolean | undefined
  let offset: number | undefined
  for (const [index, part] of parts.entries()) {
    const value = found[index + 1] ?? ''
    if (part === '2006') year = Number(value)
    else if (part === '06') year = Number(value) + (Number(value) >= 69 ? 1900 : 2000)
    else if (part === '01' || part === '1') month = Number(value)
    else if (part === 'January' || part === 'Jan') month = MONTHS.findIndex((name) => isStart(value, name)) + 1
    else if (part === '02' || part === '2' || part === '_2') day = Number(value)
    else if (part === '15' || part === '03' || part === '3') hour = Number(value)
    else if (part === '04' || part === '4') minute = Number(value)
    else if (part === '05' || part === '5') second = Number(value)
    else if (part === 'PM' || part === 'pm') afternoon = value.toLowerCase() === 'pm'
    else if (/^[.,]/.test(part)) fraction = BigInt(value.slice(1).padEnd(9, '0').slice(0, 9) || 0)
    else if (/07/.test(part)) offset = parseOffset(value)
  }
  if (afternoon !== undefined) hour = (hour % 12) + (afternoon ? 12 : 0)
  // Go reads a fraction behind the seconds even when the layout has none; so does the pattern of "05".
  const inSeconds = /\.(\d+)/.exec(found[parts.findIndex((part) => part === '05' || part === '5') + 1] ?? '')
  if (inSeconds) fraction = BigInt(inSeconds[1]!.padEnd(9, '0').slice(0, 9))
  const local = Date.UTC(year, month - 1, day, hour, minute, Math.floor(second))
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second >= 60) return undefined
  const shift = offset ?? zoneOffset(local - zoneOffset(local, zone) * 60_000, zone)
  return BigInt(local - shift * 60_000) * 1_000_000n + fraction
}

const quoteMeta = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

const isStart = (start: string, text: string): boolean => text.toLowerCase().startsWith(start.toLowerCase())

const padding = (part: string): string => (part === '_2' ? ' ?' : part === '002' || part === '__2' ? ' *' : '')

/** In any case, as Go reads names. */
const oneOf = (words: readonly string[]): string =>
  words.join('|').replace(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`)
const short = (words: readonly string[]): string[] => words.map((word) => word.slice(0, 3))
const NAME_PATTERNS: Readonly<Record<string, string>> = {
  January: oneOf(MONTHS),
  Jan: oneOf(short(MONTHS)),
  Monday: oneOf(DAYS),
  Mon: oneOf(short(DAYS)),
  PM: 'AM|PM',
  pm: 'am|pm',
}

/** `next`: the part behind it. */
function partPattern(part: string, next = ''): string {
  // A fraction that the layout asks for is not also the seconds'.
  const fraction = /^[.,]/.test(next) ? '' : '(?:\\.\\d+)?'
  if (part === '2006') return '\\d{4}'
  if (part === '05') return `\\d{2}${fraction}`
  if (part === '5') return `\\d{1,2}${fraction}`
  if (/^(01|02|03|04|06|15)$/.test(part)) return '\\d{2}'
  if (/^[1234]$/.test(part) || part === '_2') return '\\d{1,2}'
  if (part === '002' || part === '__2') return '\\d{1,3}'
  if (/^[.,]0/.test(part)) return `[.,]\\d{${part.length - 1}}`
  if (/^[.,]9/.test(part)) return '(?:[.,]\\d*)?'
  if (/07/.test(part)) return 'Z|[+-]\\d{2}:?(?:\\d{2})?'
  if (part === 'MST') return '[A-Z]{3,5}|[+-]\\d{2,4}'
  return NAME_PATTERNS[part]!
}

function parseOffset(text: string): number {
  if (text === 'Z' || text === '') return 0
  const found = /^([+-])(\d{2}):?(\d{2})?$/.exec(text)
  return found ? (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3] ?? 0)) : 0
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Minutes east of UTC. */
function zoneOffset(ms: number, zone: string): number {
  if (zone === 'UTC' || zone === '' || zone === 'Local') return 0
  const shown = zoneFormat(zone, 'longOffset')
    .formatToParts(ms)
    .find((part) => part.type === 'timeZoneName')!.value
  return parseOffset(shown.replace('GMT', '') || 'Z')
}

/** Whether a time zone is known by this name. */
export function isZone(zone: string): boolean {
  try {
    return zoneOffset(0, zone) !== undefined
  } catch {
    return false
  }
}

function zoneName(ms: number, zone: string): string {
  if (zone === 'UTC' || zone === '' || zone === 'Local') return 'UTC'
  return zoneFormat(zone, 'short')
    .formatToParts(ms)
    .find((part) => part.type === 'timeZoneName')!.value
}

function zoneFormat(zone: string, style: 'longOffset' | 'short'): Intl.DateTimeFormat {
  const key = `${zone} ${style}`
  let format = formats.get(key)
  if (!format) {
    try {
      format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: style })
    } catch (error) {
      throw new Error(`unknown time zone ${zone}`, { cause: error })
    }
    formats.set(key, format)
  }
  return format
}
