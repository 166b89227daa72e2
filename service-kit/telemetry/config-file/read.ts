/** OTEL_CONFIG_FILE: a file of OpenTelemetry's declarative configuration, read and checked as a whole, or refused with all that is wrong in it. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'
import { entryPackage } from '../entry-package.ts'
import { type ConfigurationModel, configurationModel, UNUSED } from './schema.ts'
import { substitute } from './substitute.ts'

/** A file that was read. */
export interface ConfigFile {
  /** Absolute. */
  path: string
  model: ConfigurationModel
  /** Variables that are set and ignored: the file doesn't refer to them. */
  ignored: string[]
  /** What of the file has no effect here, and why, a sentence each. */
  unused: string[]
}

/** The file can't be obeyed. Its message says where, what is wrong and what to write; nothing has been started. */
export class ConfigFileError extends Error {
  override name = 'ConfigFileError'
}

/**
 * Reads `file` and puts variables of `env` in. ${OTEL_SERVICE_NAME} is there in any case: the name of the program's package where
 * it is not set. So one file serves several services. Throws a ConfigFileError.
 */
export function readConfigFile(file: string, env: NodeJS.ProcessEnv): ConfigFile {
  const lines = new LineCounter()
  const absolute = path.resolve(file)
  const text = textOf(absolute)
  const document = parseDocument(text, {
    version: '1.2',
    lineCounter: lines,
    prettyErrors: false,
    // Tags that make a set or bytes of a value: nothing here is one.
    resolveKnownTags: false,
  })
  const parsing = [...document.errors, ...document.warnings].map(({ code, pos, message }) => {
    const { line } = lines.linePos(pos[0])
    const written = text.split('\n', line).at(-1)!
    if (IN_BRACES.test(written)) return `line ${line}: between { and } a reference must stand in quotes, "\${NAME}"`
    return `line ${line}: ${code === 'MULTIPLE_DOCS' ? 'a second document begins here' : message.replace(/\s+/g, ' ')}`
  })
  const problems = [...new Set(parsing)]
  const at = (node: Node | undefined) => (node?.range ? `line ${lines.linePos(node.range[0]).line}, ` : '')
  const names = substitute(document, { ...env, OTEL_SERVICE_NAME: serviceName(env) }, (node, reference) =>
    problems.push(`${at(node)}${reference} is no reference: write \${NAME} or \${NAME:-default}, and $$ for a dollar`),
  )
  refuse(absolute, problems)
  const content = contentOf(document, absolute)
  refuse(absolute, formatProblems(content, writtenAt(document, ['file_format']), at(nodeAt(document, ['file_format']))))
  const result = configurationModel.safeParse(content, { reportInput: true })
  if (!result.success)
    throw refusal(
      absolute,
      result.error.issues.flatMap((issue) => linesOf(issue, document, at)),
    )
  const told = new Set([...names, 'OTEL_CONFIG_FILE'])
  const ignored = Object.keys(env).filter((name) => name.startsWith('OTEL_') && env[name] && !told.has(name))
  return {
    path: absolute,
    model: result.data,
    ignored: ignored.sort(),
    unused: UNUSED.flatMap(([where, instead]) =>
      document.hasIn(where) ? [`${pathText(where)} is not used: ${instead}`] : [],
    ),
  }
}

/** A line with a reference that YAML takes for a map within a map. */
const IN_BRACES = /\{[^"'#]*[^"'#$]\$\{/

/** What a service is called where nobody says. */
function serviceName(env: NodeJS.ProcessEnv): string {
  return env.OTEL_SERVICE_NAME || entryPackage(process.argv[1]).name
}

/** Far above what anybody writes, and no strain to parse. */
const MOST_BYTES = 1_048_576

function textOf(file: string): string {
  let opened: number | undefined
  try {
    // Not to wait for the other end of a pipe, nor to read a device that has no end.
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const about = fstatSync(opened)
    if (!about.isFile()) throw new Error(about.isDirectory() ? 'it is a folder' : 'it is no file')
    if (about.size > MOST_BYTES) throw new Error(`it has ${about.size} bytes, and ${MOST_BYTES} are the most`)
    return readFileSync(opened, 'utf8')
  } catch (error) {
    throw new ConfigFileError(`OTEL_CONFIG_FILE=${file} can't be read: ${(error as Error).message}`)
  } finally {
    if (opened !== undefined) closeSync(opened)
  }
}

/** A reference within YAML (`*name`) may lead nowhere, to more than anybody means, or to what it stands in. */
function contentOf(document: Document, file: string): unknown {
  try {
    const content: unknown = document.toJS()
    // As text it has an end only where nothing is within itself.
    JSON.stringify(content)
    return content
  } catch (error) {
    const circular = error instanceof TypeError && error.message.includes('circular')
    throw refusal(file, [circular ? 'an alias (*name) leads to what it stands in' : (error as Error).message])
  }
}

function refusal(file: string, problems: readonly string[]): ConfigFileError {
  return new ConfigFileError(
    `OTEL_CONFIG_FILE=${file} can't be obeyed:\n${problems.map((one) => `  ${one}`).join('\n')}`,
  )
}

function refuse(file: string, problems: readonly string[]): void {
  if (problems.length > 0) throw refusal(file, problems)
}

/** A newer minor version may say more; what is unknown of that is named as such. What came before 1.0 means other things by the same names. */
function formatProblems(content: unknown, written: string | undefined, place: string): string[] {
  const format = (content as { file_format?: unknown } | null)?.file_format
  if (typeof format === 'string' && /^1\.\d+$/.test(format)) return []
  const said = format === undefined ? 'is missing' : `is ${written?.includes('$') ? written : JSON.stringify(format)}`
  return [`${place}file_format: ${said}; write file_format: "1.0", in quotes`]
}

/** An issue of the schema as lines. */
function linesOf(issue: z.core.$ZodIssue, document: Document, at: (node: Node | undefined) => string): string[] {
  const where = issue.path as (string | number)[]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const parent = document.getIn(where, true) ?? document.contents
      const pair = isMap(parent)
        ? parent.items.find((item) => isScalar(item.key) && String(item.key.value ?? '') === key)
        : undefined
      return `${at(pair?.key as Node | undefined)}${pathText([...where, key])} ${issue.message}`
    })
  const written = writtenAt(document, where)
  return [`${at(nodeAt(document, where))}${pathText(where)}: ${meaning(issue, written ? `, and is ${written}` : '')}`]
}

/** The value at a path as it stands in the file, short enough for a line: what a reference stands for may be a secret. */
function writtenAt(document: Document, where: readonly (string | number)[]): string | undefined {
  const node = document.getIn(where, true)
  if (!isScalar(node) || !node.source) return undefined
  const text = node.source.replace(/[\p{Cc}\s]+/gu, ' ')
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

/** The node at a path, or the nearest above it where the file has none. */
function nodeAt(document: Document, where: readonly (string | number)[]): Node | undefined {
  for (let length = where.length; length > 0; length--) {
    const node = document.getIn(where.slice(0, length), true)
    if (node) return node as Node
  }
  return document.contents as Node | undefined
}

const KINDS: Record<string, string> = { object: 'a map', array: 'a list', int: 'a whole number', record: 'a map' }

function meaning(issue: z.core.$ZodIssue, written: string): string {
  if (issue.code === 'custom') return issue.message
  if (issue.input === undefined) return 'is missing'
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${KINDS[issue.expected] ?? `a ${issue.expected}`}${written}`
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}${written}`
    case 'too_small':
      if (issue.origin === 'array') return 'must have an entry'
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}${written}`
    case 'too_big':
      return `must be at most ${issue.maximum}${written}`
    default:
      return `${issue.message}${written}`
  }
}

function pathText(where: readonly (string | number)[]): string {
  return (
    where
      .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
      .join('')
      .replace(/^\./, '') || 'the file'
  )
}
