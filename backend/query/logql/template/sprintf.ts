/** Go's `fmt.Sprintf` for the verbs that make sense on log lines. */
import { formatFloat, isList, printValue, typeName, type Value } from './format.ts'

const MAX_WIDTH = 10_000
const MAX_PRECISION = 100
const VERB = /%([-+# 0]*)(?:\[(\d+)\])?(\*|\d+)?(?:\.(\d*))?(?:\[(\d+)\])?(.?)/gsu

/** As many arguments as stand there are taken; what is missing, left over or of another type is said in the text. */
export function sprintf(format: string, values: readonly Value[]): string {
  let next = 0
  let reordered = false
  const text = format.replace(VERB, (_, flags: string, early, width, precision, late, verb: string) => {
    const chosen = early ?? late
    const wanted = width === '*' ? Number(values[next++] ?? 0) : Number(width ?? 0)
    if (chosen !== undefined) {
      next = Number(chosen) - 1
      reordered = true
    }
    if (verb === '%') return '%'
    if (verb === '') return '%!(NOVERB)'
    if (next < 0 || (next >= values.length && chosen !== undefined)) return `%!${verb}(BADINDEX)`
    if (next >= values.length) return `%!${verb}(MISSING)`
    const digits = precision === undefined ? undefined : Math.min(Number(precision), MAX_PRECISION)
    return formatVerb(verb, values[next++], digits, { flags, width: Math.min(wanted, MAX_WIDTH) })
  })
  if (reordered || next >= values.length) return text
  const extra = values
    .slice(next)
    .map((value) => (value === undefined ? '<nil>' : `${typeName(value)}=${printValue(value)}`))
  return `${text}%!(EXTRA ${extra.join(', ')})`
}

interface Shape {
  readonly flags: string
  readonly width: number
}

function formatVerb(verb: string, value: Value, precision: number | undefined, shape: Shape): string {
  if (verb === 'T') return pad(typeName(value), shape)
  if (isList(value)) return `[${value.map((one) => formatVerb(verb, one, precision, shape)).join(' ')}]`
  const text = simple(verb, value, precision, shape.flags)
  if (text !== undefined) return pad(text, shape)
  return value === undefined ? `%!${verb}(<nil>)` : `%!${verb}(${typeName(value)}=${printValue(value)})`
}

/** undefined for a value that the verb is not for. */
function simple(verb: string, value: Value, precision: number | undefined, flags: string): string | undefined {
  if (verb === 'v' && typeof value !== 'number') {
    if (typeof value !== 'string') return printValue(value)
    return flags.includes('#') ? quoted(value, '') : cut(value, precision)
  }
  if (typeof value === 'boolean') return verb === 't' ? String(value) : undefined
  if (typeof value === 'string') return ofText(verb, value, precision, flags)
  if (typeof value === 'bigint') return signed(ofInt(verb, value, flags), value < 0n, flags)
  if (typeof value === 'number') return signed(ofFloat(verb, value, precision), value < 0, flags)
  return verb === 's' && value !== undefined ? printValue(value) : undefined
}

const cut = (text: string, precision: number | undefined): string =>
  precision === undefined ? text : [...text].slice(0, precision).join('')

function signed(text: string | undefined, negative: boolean, flags: string): string | undefined {
  if (text === undefined || negative || /^[+'U]/.test(text)) return text
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text
}

function ofText(verb: string, value: string, precision: number | undefined, flags: string): string | undefined {
  if (verb === 's') return cut(value, precision)
  if (verb === 'q') return quoted(cut(value, precision), flags)
  if (verb !== 'x' && verb !== 'X') return undefined
  const hex = Buffer.from(value).toString('hex')
  return verb === 'x' ? hex : hex.toUpperCase()
}

/** As a constant of Go: between backquotes with `#` where they can hold it, in ASCII with `+`. */
function quoted(text: string, flags: string): string {
  if (flags.includes('#') && !NOT_IN_BACKQUOTES.test(text)) return `\`${text}\``
  return `"${Array.from(text, (char) => escaped(char, '"', flags)).join('')}"`
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NOT_IN_BACKQUOTES = /[\u0000-\u0008\u000a-\u001f`\u007f\ufeff]/

/** A character within such quotes. */
function escaped(char: string, quote: string, flags: string): string {
  if (char === quote || char === '\\') return `\\${char}`
  const code = char.codePointAt(0)!
  if (code < 0x7f ? code >= 0x20 : !flags.includes('+') && PRINTED.test(char)) return char
  const short = SHORT_ESCAPES[char]
  if (short !== undefined) return short
  const hex = code.toString(16)
  if (code < 0x20 || code === 0x7f) return `\\x${hex.padStart(2, '0')}`
  return code > 0xffff ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`
}

/** Letters, marks, numbers, punctuation and symbols. */
const PRINTED = /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** Halves of pairs are none by themselves. */
const isCharacter = (code: bigint) => code >= 0n && code <= 0x10ffffn && (code < 0xd800n || code > 0xdfffn)

const RADIX: Readonly<Record<string, number>> = { d: 10, b: 2, o: 8, x: 16, X: 16 }

function ofInt(verb: string, value: bigint, flags: string): string | undefined {
  const character = () => String.fromCodePoint(isCharacter(value) ? Number(value) : 0xfffd)
  if (verb === 'c') return character()
  if (verb === 'q') return `'${escaped(character(), "'", flags)}'`
  if (verb === 'U') return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`
  const radix = Object.hasOwn(RADIX, verb) ? RADIX[verb] : undefined
  const text = radix === undefined ? undefined : value.toString(radix)
  return verb === 'X' ? text!.toUpperCase() : text
}

function ofFloat(verb: string, value: number, precision: number | undefined): string | undefined {
  const kind = verb === 'v' ? 'g' : verb.toLowerCase()
  if (kind !== 'e' && kind !== 'f' && kind !== 'g') return undefined
  const text = formatFloat(value, kind, precision)
  return verb === 'E' || verb === 'G' ? text.toUpperCase() : text
}

function pad(text: string, { flags, width }: Shape): string {
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (flags.includes('-')) return text + ' '.repeat(missing)
  if (!flags.includes('0')) return ' '.repeat(missing) + text
  const sign = /^[+-]/.test(text) ? 1 : 0
  return text.slice(0, sign) + '0'.repeat(missing) + text.slice(sign)
}
