/** `| json` and `| unpack`: labels out of lines that are JSON objects. */
import { type JsonPath, parseJsonPath, walkJsonPath } from './json-path.ts'
import { createPlainSearch } from './json-plain.ts'
import { type LeafVisitor, MALFORMED, NOT_AN_OBJECT, scanJson } from './json-scan.ts'
import { type Extraction, labelName, type ParsedRow, type RowStep } from './row-step.ts'

/**
 * All leaves as labels, or with `extractions` only what stands at their paths. Throws an Error on a path that can't be
 * read.
 */
export function compileJson(extractions: readonly Extraction[]): RowStep {
  if (extractions.length > 0) {
    const paths = extractions.map((one): [string, JsonPath] => [one.label, parseJsonPath(one.expression)])
    return (row) => {
      if (row.line === '') return
      const value = parseObject(row.line)
      if (value === NOT_AN_OBJECT && !/^\s*[["]/.test(row.line)) {
        row.fail('JSONParserErr', value)
        return
      }
      const find = typeof value === 'object' ? (path: JsonPath) => jsonText(walkJsonPath(value, path)) : lookUp(row)
      for (const [label, path] of paths) {
        const found = find(path)
        if (found !== undefined) row.assign(label, found)
        else if (row.find(label) === undefined) row.assign(label, '')
      }
    }
  }
  const search = createPlainSearch()
  return (row) => {
    const { wanted, stored } = row
    if (wanted !== undefined && stored !== undefined && search(row, stored, wanted)) return
    let characters = 0
    const problem = scanJson(row.line, (path, text) => {
      for (const key of path) characters += key.length
      if (characters > MAX_NAMES) return
      const name = joinPath(path)
      if (name) row.extract(name, text)
    })
    if (problem) row.fail('JSONParserErr', problem)
    else if (characters > MAX_NAMES)
      row.fail('JSONParserErr', `nested keys make names of more than ${MAX_NAMES} characters`)
  }
}

/** Characters of all names of a line: each leaf repeats the keys above it. */
const MAX_NAMES = 4 << 20

/** A line that breaks off still has what stands before the break; a value that was asked for and breaks marks the row. */
function lookUp(row: ParsedRow): (path: JsonPath) => string | undefined {
  const leaves = new Map<string, string>()
  let broken: string | undefined
  const visit: LeafVisitor = (path, text) => {
    const key = path.join('\0')
    if (!leaves.has(key)) leaves.set(key, text)
  }
  const problem = scanJson(row.line, visit, (_, path) => {
    broken = path.join('\0')
  })
  return (path) => {
    const key = path.join('\0')
    if (problem === MALFORMED && key === broken) row.fail('JSONParserErr', problem)
    return leaves.get(key)
  }
}

/** Keys of nested objects are joined by underscores. */
function joinPath(path: readonly string[]): string {
  return path.length === 1 ? labelName(path[0]!) : labelName(path.join('_'))
}

/** All leaves of a line's object as labels, with the keys that lead there; undefined when the line is none. */
export function jsonPairs(line: string): [name: string, value: string, path: string[]][] | undefined {
  const pairs: [string, string, string[]][] = []
  const problem = scanJson(line, (path, text) => pairs.push([joinPath(path), text, [...path]]))
  return problem === undefined ? pairs : undefined
}

/**
 * Numbers whose text JavaScript may change (1.0, 1e3, -0, 0.0000001, 16 digits); only these lines pay for exact texts.
 */
const FRAGILE_NUMBER = /[:,[]\s*(?:-0(?![\d.])|-?(?:[\d.]{16}|0\.0{6}|\d+(?:\.\d*0(?!\d)|(?:\.\d*)?[eE])))/

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
const keepNumberText = ((_key: string, value: unknown, context: { source?: string }) =>
  typeof value === 'number' ? { [NUMBER_TEXT]: context.source ?? String(value) } : value) as Reviver
const NUMBER_TEXT = Symbol('number')

/** The object that the line begins with; undefined, with the row marked, when there is none. */
function readJson(row: ParsedRow): object | undefined {
  let value = parseObject(row.line)
  if (value === MALFORMED) {
    const read = (end: number) => {
      value = parseObject(row.line.slice(0, end))
    }
    scanJson(row.line, () => {}, read)
  }
  if (typeof value === 'object') return value
  row.fail('JSONParserErr', value)
  return undefined
}

/** The object, or what is wrong with the text. */
function parseObject(line: string): object | string {
  try {
    const exact = FRAGILE_NUMBER.test(line) ? (keepNumberText as (key: string, value: unknown) => unknown) : undefined
    const value: unknown = JSON.parse(line, exact)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && !(NUMBER_TEXT in value)
    return isObject ? value : NOT_AN_OBJECT
  } catch {
    return line.trimStart().startsWith('{') ? MALFORMED : NOT_AN_OBJECT
  }
}

/** A value as a label; objects and arrays as JSON; undefined for nothing. */
function jsonText(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  if (typeof value !== 'object') return String(value)
  if (NUMBER_TEXT in value) return value[NUMBER_TEXT] as string
  return stringify(value)
}

function stringify(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (NUMBER_TEXT in value) return value[NUMBER_TEXT] as string
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`
  return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}:${stringify(one)}`)}}`
}

/** The reverse of an agent's packing: text fields become labels, `_entry` becomes the line. */
export const unpack: RowStep = (row) => {
  if (row.line === '') return
  const value = readJson(row)
  if (value === undefined) return
  // Without an entry the line was not packed.
  const entry = (value as Record<string, unknown>)._entry
  if (typeof entry !== 'string') return
  for (const [key, one] of Object.entries(value)) {
    if (key !== '_entry' && typeof one === 'string') row.extract(labelName(key), one)
  }
  row.line = entry
}
