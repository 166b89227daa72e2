/** `| status >= 500 and method="GET"` on one row. */
import { parseSignedDuration } from '../language/durations.ts'
import { parseBytes } from '../language/sizes.ts'
import type { LabelFilter } from './ast.ts'
import { COMPARISONS } from './comparisons.ts'
import { parseIpPattern } from './ip.ts'
import { compileMatcher } from './matcher.ts'
import type { Row } from './row.ts'

export type RowTest = (row: Row) => boolean

/** A test of one row, which may mark it with an error. Throws an Error on a pattern or address that is none. */
export function compileLabelFilter(filter: LabelFilter): RowTest {
  switch (filter.kind) {
    case 'and': {
      const [left, right] = [compileLabelFilter(filter.left), compileLabelFilter(filter.right)]
      return (row) => left(row) && right(row)
    }
    case 'or': {
      const [left, right] = [compileLabelFilter(filter.left), compileLabelFilter(filter.right)]
      return (row) => left(row) || right(row)
    }
    case 'match': {
      const test = compileMatcher(filter.matcher)
      const { name } = filter.matcher
      return (row) => test(row.get(name))
    }
    case 'ip': {
      const test = parseIpPattern(filter.value)
      const { name, op } = filter
      return (row) => {
        const address = row.find(name)
        return address !== undefined && (row.error !== '' || test(address) === (op === '='))
      }
    }
    case 'compare':
      return compileComparison(filter)
  }
}

/** A value that is no number keeps the row and marks it with an error, so that it isn't lost unseen. */
function compileComparison(filter: LabelFilter & { kind: 'compare' }): RowTest {
  const { name, unit, value } = filter
  const compare = COMPARISONS[filter.op]
  const convert = CONVERTERS[unit]
  return (row) => {
    const text = row.find(name)
    if (text === undefined || text === '') return false
    if (row.error) return true
    const number = convert(text)
    if (number === undefined) {
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

/** Whether a filter looks at texts only: then it never marks an error and may run on columns. */
export function isTextOnly(filter: LabelFilter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return isTextOnly(filter.left) && isTextOnly(filter.right)
  return filter.kind === 'match' && !filter.matcher.name.startsWith('__error')
}
