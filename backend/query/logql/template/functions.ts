/**
 * The functions that templates may call (https://grafana.com/docs/loki/latest/query/template_functions/), with Go's order
 * of arguments: what is piped in comes last.
 */
import { parseSignedDuration } from '../../language/durations.ts'
import { countRegex, replaceAllRegex } from '../../language/regex.ts'
import { parseBytes } from '../../language/sizes.ts'
import { decodeBase64 } from './base64.ts'
import { calculate, type DecimalOp } from './decimal.ts'
import { formatValue, isList, printValue, type TimeValue, typeName, type Value } from './format.ts'
import { formatTime, isZone, parseTime } from './go-time.ts'
import { sprintf } from './sprintf.ts'

export interface TemplateFunction {
  readonly least: number
  readonly most: number
  call(values: readonly Value[]): Value
}

const fixed = (count: number, call: (...values: Value[]) => Value): TemplateFunction => ({
  least: count,
  most: count,
  call: (values) => call(...values),
})
const atLeast = (least: number, call: (...values: Value[]) => Value): TemplateFunction => ({
  least,
  most: Number.POSITIVE_INFINITY,
  call: (values) => call(...values),
})
const between = (least: number, most: number, call: (...values: Value[]) => Value): TemplateFunction => ({
  least,
  most,
  call: (values) => call(...values),
})

/** Nothing is turned into a text for a function that takes one. */
const text = (value: Value): string =>
  typeof value === 'string' ? value : fail(`wrong type for value; expected string; got ${typeName(value)}`)
/** What Go calls an int, where no other number is taken. */
const whole = (value: Value): number =>
  typeof value === 'bigint' ? Number(value) : fail(`wrong type for value; expected int; got ${typeName(value)}`)
const texts = (count: number, call: (...values: string[]) => Value): TemplateFunction =>
  fixed(count, (...values) => call(...values.map(text)))

/** A letter begins a word unless a letter, a digit, `_`, or a sign beyond ASCII stands before it. */
const FIRST_LETTER = /(?<![\p{L}\p{N}_]|(?![\s\x21-\x7e])\P{Cc})\p{L}/gu

/** As a lenient cast: what is no number is 0. */
function float(value: Value): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value !== 'string') return 0
  const [, sign, special] = /^([+-]?)(inf|infinity|nan)$/i.exec(value) ?? []
  if (special !== undefined) return /nan/i.test(special) ? Number.NaN : sign === '-' ? -Infinity : Infinity
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value) ? Number(value) : 0
}

/** Whole numbers as Go writes them, in any base; what stands behind a point is cut off. */
const WHOLE = /^([+-]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)(?:\.\d*)?$/

function wholeOf(value: string): bigint {
  const [, sign, digits] = WHOLE.exec(value) ?? []
  if (digits === undefined) return 0n
  const number = BigInt(digits.replace(/^0(?=[0-7])/, '0o'))
  if (number >= 2n ** 63n) return 0n
  return sign === '-' ? -number : number
}

function int(value: Value): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'string') return wholeOf(value)
  const number = Math.trunc(float(value))
  return Number.isFinite(number) ? BigInt.asIntN(64, BigInt(number)) : 0n
}

/** Characters of the longest text that a template may make. */
export const MAX_TEXT = 1 << 20

function bounded(length: number): void {
  if (length > MAX_TEXT) throw new Error(`the result is longer than ${MAX_TEXT} characters`)
}

function repeat(unit: string, count: number): string {
  if (count < 0) throw new Error('negative repeat count')
  bounded(unit.length * count)
  return unit.repeat(count)
}

const escapeSet = (set: string): string => set.replace(/[\\\]^-]/g, '\\$&')
const trimLeft = (value: string, set: string): string =>
  set ? value.replace(new RegExp(`^[${escapeSet(set)}]+`, 'u'), '') : value
function trimRight(value: string, set: string): string {
  const points = [...value]
  const cut = new Set(set)
  let end = points.length
  while (end > 0 && cut.has(points[end - 1]!)) end -= 1
  return points.slice(0, end).join('')
}
const trimPrefix = (value: string, prefix: string): string =>
  value.startsWith(prefix) ? value.slice(prefix.length) : value
const trimSuffix = (value: string, suffix: string): string =>
  suffix && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value

function align(count: number, value: string, right: boolean): string {
  const points = [...value]
  if (count <= points.length)
    return count < 0 ? value : (right ? points.slice(points.length - count) : points.slice(0, count)).join('')
  const blanks = repeat(' ', count - points.length)
  return right ? blanks + value : value + blanks
}

/** Of bytes, as Go's texts are. */
function truncate(count: number, value: string): string {
  const bytes = Buffer.from(value)
  if (count < 0 && bytes.length + count > 0) return bytes.subarray(bytes.length + count).toString()
  return count >= 0 && bytes.length > count ? bytes.subarray(0, count).toString() : value
}

const indent = (count: number, value: string): string => {
  const blanks = repeat(' ', count)
  return blanks + replace(value, '\n', `\n${blanks}`, -1)
}

/**
 * As Go's strings.Replace: the first `count` of `from`, all when negative; an empty `from` stands before each
 * character and at the end.
 */
function replace(value: string, from: string, to: string, count: number): string {
  const parts = from === '' ? ['', ...value, ''] : value.split(from)
  const replaced = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1)
  bounded(value.length + replaced * (to.length - from.length))
  return [...parts.slice(0, replaced), parts.slice(replaced).join(from)].join(to)
}

function substring(start: number, end: number, value: string): string {
  const { length } = Buffer.from(value)
  if (start < 0) return bytesOf(value, 0, end)
  return bytesOf(value, start, end < 0 || end > length ? length : end)
}

/** Throws an Error where Go would slice out of bounds. */
function bytesOf(value: string, start: number, end: number): string {
  const bytes = Buffer.from(value)
  if (start < 0 || end < start || end > bytes.length) throw new Error(`slice bounds out of range [${start}:${end}]`)
  return bytes.subarray(start, end).toString()
}

function round(value: number, digits: number, turn: number): number {
  const scale = 10 ** digits
  const scaled = Math.abs(value) * scale
  const whole = Math.floor(scaled)
  const rounded = (scaled - whole >= turn ? whole + 1 : whole) / scale
  return value < 0 ? -rounded : rounded
}

const now = (): TimeValue => ({ kind: 'time', ns: BigInt(Date.now()) * 1_000_000n, zone: 'UTC' })

const time = (value: Value): TimeValue => {
  if (typeof value === 'object' && 'kind' in value && value.kind === 'time') return value
  const ns = typeof value === 'bigint' ? value * 1_000_000_000n : undefined
  if (ns === undefined) throw new Error(`${JSON.stringify(formatValue(value))} is no time; use toDate or unixToTime`)
  return { kind: 'time', ns, zone: 'UTC' }
}

function toDate(layout: string, zone: string, value: string): TimeValue {
  const known = isZone(zone) ? zone : 'UTC'
  const ns = parseTime(layout, value, known)
  // Go's zero time stands for what can't be read.
  return { kind: 'time', ns: ns ?? -62_135_596_800_000_000_000n, zone: known }
}

function unixToTime(value: string): TimeValue {
  const scale = { 5: 86_400_000_000_000n, 10: 1_000_000_000n, 13: 1_000_000n, 16: 1_000n, 19: 1n }[value.length]
  if (scale === undefined || !/^\d+$/.test(value)) throw new Error(`unable to parse time '${value}'`)
  return { kind: 'time', ns: BigInt(value) * scale, zone: 'UTC' }
}

function fromJson(value: unknown): Value {
  if (value === null || value === undefined) return undefined
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== 'object') return value as Value
  return { kind: 'map', entries: new Map(Object.entries(value).map(([key, one]) => [key, fromJson(one)])) }
}

function tryJson(value: string): Value {
  try {
    return fromJson(JSON.parse(value))
  } catch {
    // As in Go templates: what isn't JSON is nothing.
    return undefined
  }
}

/** As `if` and `and` take a value: empty texts, lists and maps, 0 and nothing are false. */
export function isTruthy(value: Value): boolean {
  if (isList(value)) return value.length > 0
  if (typeof value === 'object' && 'kind' in value && value.kind === 'map') return value.entries.size > 0
  return Boolean(value)
}

function same(a: Value, b: Value): boolean {
  if (typeof a !== typeof b) throw new Error('incompatible types for comparison')
  return typeof a === 'object' ? formatValue(a) === formatValue(b) : a === b
}

function compare(a: Value, b: Value): number {
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'bigint' && typeof a !== 'string')) {
    throw new Error('incompatible types for comparison')
  }
  return a < (b as typeof a) ? -1 : a > (b as typeof a) ? 1 : 0
}

function length(value: Value): bigint {
  if (typeof value === 'string') return BigInt(Buffer.byteLength(value))
  if (isList(value)) return BigInt(value.length)
  if (typeof value === 'object' && 'kind' in value && value.kind === 'map') return BigInt(value.entries.size)
  throw new Error(`len of ${formatValue(value)}`)
}

function index(value: Value, ...keys: Value[]): Value {
  return keys.reduce((current: Value, key): Value => {
    if (isList(current)) {
      return current[position(key, current.length)]
    }
    if (typeof current === 'object' && 'kind' in current && current.kind === 'map')
      return current.entries.get(text(key))
    if (typeof current === 'string') {
      const bytes = Buffer.from(current)
      return BigInt(bytes[position(key, bytes.length)]!)
    }
    throw new Error(`can't index ${formatValue(current)}`)
  }, value)
}

function position(key: Value, length: number): number {
  const at = whole(key)
  return at >= 0 && at < length ? at : fail(`index out of range: ${at}`)
}

const seconds = texts(
  1,
  (value) => (parseSignedDuration(value, false) ?? fail(`time: invalid duration ${JSON.stringify(value)}`)) / 1e9,
)

function fail(message: string): never {
  throw new Error(message)
}

const HTML_ESCAPES: Record<string, string> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&#34;', "'": '&#39;' }
const urlEncode = (value: string): string =>
  encodeURIComponent(value.toWellFormed()).replace(/%20|[!'()*]/g, (one) =>
    one === '%20' ? '+' : `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
/** An invalid escape is an error, an invalid character is none. */
function urlDecode(value: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(value)) throw new Error(`invalid URL escape in ${JSON.stringify(value)}`)
  const bytes = Buffer.from(value.replaceAll('+', ' '))
    .toString('latin1')
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}

/** What could end a text of JavaScript or HTML, and what prints nothing, is escaped. */
function jsEscape(char: string): string {
  if (/[\\'"]/.test(char)) return `\\${char}`
  return [...char].map((one) => `\\u${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`).join('')
}

const divide = (a: bigint, b: bigint): bigint => (b === 0n ? fail('integer divide by zero') : a / b)
const fold = <T extends number | bigint>(step: (a: T, b: T) => T, cast: (value: Value) => T): TemplateFunction =>
  atLeast(1, (...values) => values.map(cast).reduce((a, b) => step(a, b)))
const isLess = (a: bigint, b: bigint): boolean => a < b
const smaller = (a: bigint, b: bigint): bigint => (isLess(b, a) ? b : a)
const larger = (a: bigint, b: bigint): bigint => (isLess(a, b) ? b : a)
const wrapped = (value: bigint): bigint => BigInt.asIntN(64, value)
const decimals = (op: DecimalOp): TemplateFunction => fold((a, b) => calculate(op, a, b), float)
const printed = (values: readonly Value[]): string =>
  values.reduce<string>((out, value, k) => {
    const spaced = k > 0 && typeof value !== 'string' && typeof values[k - 1] !== 'string'
    return out + (spaced ? ' ' : '') + printValue(value)
  }, '')

const lower = texts(1, (value) => value.toLowerCase())
const upper = texts(1, (value) => value.toUpperCase())

/** By name. A call throws an Error where Go's function would fail, and when a text would grow beyond `MAX_TEXT`. */
export const TEMPLATE_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = Object.assign(Object.create(null), {
  ToLower: lower,
  ToUpper: upper,
  lower,
  upper,
  title: texts(1, (value) => value.replace(FIRST_LETTER, (first) => first.toUpperCase())),
  Replace: fixed(4, (value, from, to, count) => replace(text(value), text(from), text(to), whole(count))),
  replace: texts(3, (from, to, value) => replace(value, from, to, -1)),
  Trim: texts(2, (value, set) => trimRight(trimLeft(value, set), set)),
  TrimLeft: texts(2, trimLeft),
  TrimRight: texts(2, trimRight),
  TrimPrefix: texts(2, trimPrefix),
  TrimSuffix: texts(2, trimSuffix),
  TrimSpace: texts(1, (value) => value.trim()),
  trim: texts(1, (value) => value.trim()),
  trimAll: texts(2, (set, value) => trimRight(trimLeft(value, set), set)),
  trimPrefix: texts(2, (prefix, value) => trimPrefix(value, prefix)),
  trimSuffix: texts(2, (suffix, value) => trimSuffix(value, suffix)),
  trunc: fixed(2, (count, value) => truncate(whole(count), text(value))),
  substr: fixed(3, (start, end, value) => substring(whole(start), whole(end), text(value))),
  repeat: fixed(2, (count, value) => repeat(text(value), whole(count))),
  indent: fixed(2, (count, value) => indent(whole(count), text(value))),
  nindent: fixed(2, (count, value) => `\n${indent(whole(count), text(value))}`),
  alignLeft: fixed(2, (count, value) => align(whole(count), text(value), false)),
  alignRight: fixed(2, (count, value) => align(whole(count), text(value), true)),
  contains: texts(2, (part, value) => value.includes(part)),
  hasPrefix: texts(2, (prefix, value) => value.startsWith(prefix)),
  hasSuffix: texts(2, (suffix, value) => value.endsWith(suffix)),
  count: texts(2, (pattern, value) => BigInt(countRegex(pattern)(value))),
  regexReplaceAll: texts(3, (pattern, value, to) => replaceAllRegex(pattern, false, MAX_TEXT)(value, to)),
  regexReplaceAllLiteral: texts(3, (pattern, value, to) => replaceAllRegex(pattern, true, MAX_TEXT)(value, to)),
  default: fixed(2, (other, value) => (isTruthy(value) ? value : other)),
  b64enc: texts(1, (value) => Buffer.from(value).toString('base64')),
  b64dec: texts(1, decodeBase64),
  urlencode: texts(1, urlEncode),
  urldecode: texts(1, urlDecode),
  urlquery: atLeast(0, (...values) => urlEncode(printed(values))),
  html: atLeast(0, (...values) => printed(values).replace(/[<>&"']/g, (char) => HTML_ESCAPES[char]!)),
  js: atLeast(0, (...values) => printed(values).replace(/[\\'"<>&=]|\p{C}|\p{Zl}|\p{Zp}/gu, jsEscape)),
  bytes: texts(1, (value) => parseBytes(value) ?? fail(`invalid size ${JSON.stringify(value)}`)),
  duration: seconds,
  duration_seconds: seconds,
  int: fixed(1, int),
  float64: fixed(1, float),
  add: fold((a, b) => wrapped(a + b), int),
  sub: fixed(2, (a, b) => wrapped(int(a) - int(b))),
  mul: fold((a, b) => wrapped(a * b), int),
  div: fixed(2, (a, b) => divide(int(a), int(b))),
  mod: fixed(2, (a, b) => (int(b) === 0n ? fail('integer divide by zero') : int(a) % int(b))),
  min: fold(smaller, int),
  max: fold(larger, int),
  addf: decimals('+'),
  subf: decimals('-'),
  mulf: decimals('*'),
  divf: decimals('/'),
  minf: fold(Math.min, float),
  maxf: fold(Math.max, float),
  ceil: fixed(1, (value) => Math.ceil(float(value))),
  floor: fixed(1, (value) => Math.floor(float(value))),
  round: between(2, 3, (value, digits, turn = 0.5) => round(float(value), whole(digits), float(turn))),
  fromJson: texts(1, tryJson),
  now: fixed(0, now),
  // Always in UTC, wherever the time came from; what is no time at all is now.
  date: fixed(2, (layout, value) =>
    formatTime((typeof value === 'bigint' || typeof value === 'object' ? time(value) : now()).ns, text(layout)),
  ),
  toDate: texts(2, (layout, value) => toDate(layout, 'UTC', value)),
  toDateInZone: texts(3, toDate),
  unixToTime: texts(1, unixToTime),
  unixEpoch: fixed(1, (value) => String(time(value).ns / 1_000_000_000n)),
  unixEpochMillis: fixed(1, (value) => String(time(value).ns / 1_000_000n)),
  unixEpochNanos: fixed(1, (value) => String(time(value).ns)),
  not: fixed(1, (value) => !isTruthy(value)),
  eq: atLeast(2, (first, ...others) => others.some((other) => same(first, other))),
  ne: fixed(2, (a, b) => !same(a, b)),
  lt: fixed(2, (a, b) => compare(a, b) < 0),
  le: fixed(2, (a, b) => compare(a, b) <= 0),
  gt: fixed(2, (a, b) => compare(a, b) > 0),
  ge: fixed(2, (a, b) => compare(a, b) >= 0),
  len: fixed(1, length),
  index: atLeast(1, index),
  slice: between(1, 3, (value, start = 0n, end?: Value) => {
    const size = end === undefined ? length(value) : end
    return isList(value) ? value.slice(whole(start), whole(size)) : bytesOf(text(value), whole(start), whole(size))
  }),
  print: atLeast(0, (...values) => printed(values)),
  println: atLeast(0, (...values) => `${values.map(printValue).join(' ')}\n`),
  printf: atLeast(1, (format, ...values) => sprintf(text(format), values)),
} satisfies Record<string, TemplateFunction>)
