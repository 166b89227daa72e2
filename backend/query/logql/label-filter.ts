/** `| status >= 500 and method="GET"` on one row. */
import { parseSignedDuration } from '../language/durations.ts'
import { parseBytes } from '../language/sizes.ts'
import type { LabelFilter, Matcher } from './ast.ts'
import { COMPARISONS } from './comparisons.ts'
import { parseIpPattern } from './ip.ts'
import { compileMatcher } from './matcher.ts'
import type { Row } from './row.ts'

export type RowTest = (row: Row) => boolean

/**
 * A test of one row. A value that can't be read as a number marks the row with an error and keeps it, so that it isn't lost
 * unseen, unless `unreadable` says `drop`. Throws an Error on a pattern or address that is none.
 */
export function compileLabelFilter(filter: LabelFilter, unreadable: 'mark' | 'drop' = 'mark'): RowTest {
  switch (filter.kind) {
    case 'and': {
      const [left, right] = [compileLabelFilter(filter.left, unreadable), compileLabelFilter(filter.right, unreadable)]
      return (row) => left(row) && right(row)
    }
    case 'or': {
      const [left, right] = [compileLabelFilter(filter.left, unreadable), compileLabelFilter(filter.right, unreadable)]
      return (row) => left(row) || right(row)
    }
    case 'match': {
      const test = compileTextFilter(filter.matcher)
      const { name } = filter.matcher
      return (row) => test(row.get(name))
    }
    case 'ip': {
      const test = parseIpPattern(filter.value)
      const { name, op } = filter
      return (row) => {
        // A line that could not be read may have had the address.
        if (row.error) return true
        const address = row.find(name)
        return address !== undefined && test(address) === (op === '=')
      }
    }
    case 'compare':
      return compileComparison(filter, unreadable)
  }
}

/** A matcher behind a `|`: there an empty pattern is one that everything meets, as in Loki; in a selector only an absent label does. */
export function compileTextFilter(matcher: Matcher): (text: string) => boolean {
  const { op, value } = matcher
  if (value === '' && (op === '=~' || op === '!~')) return () => op === '=~'
  return compileMatcher(matcher)
}

/** An absent label matches nothing, and one that is there is compared, in a line that a parser could not read, too. */
function compileComparison(filter: LabelFilter & { kind: 'compare' }, unreadable: 'mark' | 'drop'): RowTest {
  const { name, unit, value } = filter
  const compare = COMPARISONS[filter.op]
  const convert = CONVERTERS[unit]
  return (row) => {
    const text = row.find(name)
    if (text === undefined) return false
    const number = convert(text)
    if (number === undefined) {
      if (unreadable === 'drop') return false
      row.fail('LabelFilterErr', conversionProblem(unit, text))
      return true
    }
    return compare(number, value)
  }
}

/**
 * Values of labels as numbers: plain, nanoseconds (without days and longer units, as Go reads them), bytes; undefined
 * when they are none.
 */
export const CONVERTERS = {
  number: parseFloatText,
  duration: (text: string) => parseSignedDuration(text, false),
  bytes: parseBytes,
}

/** What is wrong with a value that is no number of the unit, in Go's words. */
export function conversionProblem(unit: keyof typeof CONVERTERS, text: string): string {
  if (unit === 'duration') return `time: invalid duration ${JSON.stringify(text)}`
  if (unit === 'bytes') return `invalid size ${JSON.stringify(text)}`
  return `strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`
}

function parseFloatText(text: string): number | undefined {
  if (/^[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text)
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text)
  if (!special) return undefined
  if (special[2]!.toLowerCase() === 'nan') return Number.NaN
  return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

/** Whether only rows without an error pass: `__error__=""`. */
export function demandsNoError(filter: LabelFilter): boolean {
  if (filter.kind === 'and') return demandsNoError(filter.left) || demandsNoError(filter.right)
  return filter.kind === 'match' && filter.matcher.name === '__error__' && isEqualToNone(filter.matcher)
}

const isEqualToNone = ({ op, value }: Matcher) => op === '=' && value === ''

/** Whether a filter looks at texts only: then it never marks an error and may run on columns. */
export function isTextOnly(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return isTextOnly(filter.left) && isTextOnly(filter.right)
  return filter.kind === 'match' && !filter.matcher.name.startsWith('__error')
}
