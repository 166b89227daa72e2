/** A line filter, compiled once: for single lines, and for many rows of a table at a time. */
import { searchRegex } from '../language/regex.ts'
import type { Stage } from './ast.ts'
import { findIp, parseIpPattern } from './ip.ts'
import { keepContaining, keepTested } from './line-search.ts'
import type { LogTable } from './log-table.ts'
import { compileLinePattern } from './parsers/pattern.ts'

export interface LineFilter {
  test(line: string): boolean
  /** Of these a line contains one, or it doesn't pass; undefined where that can't be said. */
  readonly oneOf: readonly string[] | undefined
  /** Compacts the first `count` entries of `rows` to those that pass and returns how many these are. */
  keep(table: LogTable, rows: Uint32Array, count: number, tick: () => void): number
}

/** Throws an Error on a pattern or address that is none. */
export function compileLineFilter({ op, patterns: given }: Stage & { kind: 'line-filter' }): LineFilter {
  const wanted = !op.startsWith('!')
  // As in Loki: an empty text beside others is passed over where one of them is to be found.
  const said = given.filter(({ value }) => value !== '')
  const patterns = wanted && said.length > 0 ? said : given
  const tests = patterns.map(({ value, ip }): ((line: string) => boolean) => {
    if (ip) {
      const matches = parseIpPattern(value)
      return (line) => findIp(line, matches)
    }
    if (op === '|~' || op === '!~') return searchRegex(value).test
    if (op === '|>' || op === '!>') return compileLinePattern(value)
    return (line) => line.includes(value)
  })
  const any = tests.length === 1 ? tests[0]! : (line: string) => tests.some((test) => test(line))
  const test = (line: string): boolean => any(line) === wanted
  if ((op === '|=' || op === '!=') && patterns.every((pattern) => !pattern.ip)) {
    const texts = patterns.map((pattern) => pattern.value)
    return {
      test,
      oneOf: wanted ? texts : undefined,
      keep: (table, rows, count) => keepContaining(table, rows, count, texts, wanted),
    }
  }
  // A text that every match contains is looked for first; for a negated filter that would be of no use.
  const literals = wanted && op === '|~' ? requiredTexts(patterns.map((pattern) => pattern.value)) : undefined
  return {
    test,
    oneOf: literals,
    keep(table, rows, count, tick) {
      const left = literals ? keepContaining(table, rows, count, literals, true) : count
      return keepTested(table, rows, left, any, wanted, tick)
    },
  }
}

function requiredTexts(patterns: readonly string[]): string[] | undefined {
  const all = patterns.map((pattern) => searchRegex(pattern).literals)
  return all.every((literals) => literals !== undefined) ? all.flatMap((literals) => [...literals!]) : undefined
}
