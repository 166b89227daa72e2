/** The parser stages: labels out of lines. Each takes a row, sets labels, and marks an error where the line can't be read. */
import type { Stage } from './ast.ts'
import { type JsonPath, parseJsonPath, walkJsonPath } from './json-path.ts'
import { parseLogfmt } from './logfmt.ts'
import { compilePattern } from './pattern.ts'
import { captureRegex } from './regex.ts'
import type { Row } from './row.ts'

export type RowStep = (row: Row) => void

/** Names as labels may be: other characters become underscores, a leading digit gets one in front. */
export function labelName(key: string): string {
  const name = key.replace(/[^a-zA-Z0-9_]/g, '_')
  return /^\d/.test(name) ? `_${name}` : name
}

export function compileJson({ extractions }: Stage & { kind: 'json' }): RowStep {
  if (extractions.length > 0) {
    const paths = extractions.map((one): [string, JsonPath] => [one.label, parseJsonPath(one.expression)])
    return (row) => {
      const value = readJson(row)
      if (value === undefined) return
      for (const [label, path] of paths) row.extract(label, jsonText(walkJsonPath(value, path)) ?? '')
    }
  }
  return (row) => {
    const value = readJson(row)
    if (value !== undefined) flatten(value, (name, text) => row.extract(name, text))
  }
}

/** Numbers whose text JavaScript would change (1.0, 1e3, 16 digits and more); only these lines pay for exact texts. */
const fragileNumber = /[:,[]\s*-?\d+(?:\.\d*0(?!\d)|\.?\d*[eE]|\d{15})/

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
const keepNumberText = ((_key: string, value: unknown, context: { source?: string }) =>
  typeof value === 'number' ? { [numberText]: context.source ?? String(value) } : value) as Reviver
const numberText = Symbol('number')

/** The object in the line; undefined, with the row marked, when it is none. */
function readJson(row: Row): object | undefined {
  const value = parseObject(row.line)
  if (typeof value === 'object') return value
  row.fail('JSONParserErr', value)
  return undefined
}

/** The object, or what is wrong with the text. */
function parseObject(line: string): object | string {
  try {
    const exact = fragileNumber.test(line) ? (keepNumberText as (key: string, value: unknown) => unknown) : undefined
    const value: unknown = JSON.parse(line, exact)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && !(numberText in value)
    return isObject ? value : 'expecting json object, but it is not'
  } catch (error) {
    return error instanceof Error ? error.message : 'malformed json'
  }
}

/** A value as a label; objects and arrays as JSON; undefined for nothing. */
function jsonText(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  if (typeof value !== 'object') return String(value)
  if (numberText in value) return value[numberText] as string
  return stringify(value)
}

function stringify(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (numberText in value) return value[numberText] as string
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`
  return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}:${stringify(one)}`)}}`
}

const maxNesting = 100

/** Leaves of nested objects by joined names; lists are left out. */
function flatten(object: object, found: (name: string, value: string) => void, prefix = '', depth = 0): void {
  for (const [key, value] of Object.entries(object)) {
    const name = prefix ? `${prefix}_${labelName(key).replace(/^_(?=\d)/, '')}` : labelName(key)
    if (value === null || Array.isArray(value) || name === '') continue
    if (typeof value === 'object' && !(numberText in value)) {
      if (depth < maxNesting) flatten(value, found, name, depth + 1)
    } else {
      found(name, jsonText(value)!)
    }
  }
}

/** Labels that `json` or else `logfmt` would make of a line. */
export function parseFields(line: string): { parser: 'json' | 'logfmt'; pairs: [string, string][] } {
  if (line.startsWith('{')) {
    const pairs: [string, string][] = []
    const value = parseObject(line)
    if (typeof value === 'object') {
      flatten(value, (name, one) => pairs.push([name, one]))
      return { parser: 'json', pairs }
    }
  }
  const pairs = parseLogfmt(line).pairs.filter(([, value]) => value !== '')
  return { parser: 'logfmt', pairs: pairs.map(([key, value]) => [labelName(key), value]) }
}

export function compileLogfmt({ strict, keepEmpty, extractions }: Stage & { kind: 'logfmt' }): RowStep {
  const wanted = extractions.map((one): [string, string] => [one.label, String(parseJsonPath(one.expression)[0])])
  return (row) => {
    const { pairs, problem } = parseLogfmt(row.line)
    if (wanted.length > 0) {
      const found = new Map(pairs)
      for (const [label, key] of wanted) row.extract(label, found.get(key) ?? '')
    } else {
      const seen = new Set<string>()
      for (const [key, value] of pairs) {
        const name = labelName(key)
        if (seen.has(name) || (value === '' && !keepEmpty)) continue
        seen.add(name)
        row.extract(name, value)
      }
    }
    if (problem && strict) row.fail('LogfmtParserErr', problem)
  }
}

export function compileRegexp(expression: string): RowStep {
  const { names, exec } = captureRegex(expression)
  return (row) => {
    const found = exec(row.line)
    if (!found) return
    for (const [index, name] of names.entries()) row.extract(name, found[index] ?? '')
  }
}

export function compilePatternParser(expression: string): RowStep {
  const match = compilePattern(expression)
  return (row) => {
    for (const [name, value] of match(row.line)) row.extract(name, value)
  }
}

/** The reverse of an agent's packing: text fields become labels, `_entry` becomes the line. */
export const unpack: RowStep = (row) => {
  const value = readJson(row)
  if (value === undefined) return
  const entry = Object.hasOwn(value, '_entry') ? (value as Record<string, unknown>)._entry : undefined
  for (const [key, one] of Object.entries(value)) {
    if (key !== '_entry' && typeof one === 'string') row.extract(labelName(key), one)
  }
  if (typeof entry === 'string') row.line = entry
}
