/**
 * `npm run ask -- TOOL ARGS`: one question to the running system, answered in bounded length for people or programs. The same tools
 * as `npm run mcp` (docs/ask.md).
 *
 * Exit code 0: answered, were it with nothing. 1: nobody answers, or the engine refuses. 2: it was asked for wrongly.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { startError } from '@sightline/local/settings'
import { colour, explain } from '@sightline/local/terminal'
import { z } from 'zod'
import { type List, type Next, type Row, render } from './ask/answer.ts'
import { tools } from './ask/index.ts'
import { type System, systemOf } from './ask/system.ts'
import type { Tool } from './ask/tool.ts'
import { isTold } from './incident/place.ts'
import { didYouMean } from './usage/closest.ts'

const FOLLOW_MS = 1000
const FOLLOW_BACK = '30s'

interface Parameter {
  type: string
  description?: string
  default?: unknown
  maximum?: number
}

// Whoever reads may have seen enough: npm run ask ... | head
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const [name, ...args] = process.argv.slice(2)
if (name === undefined || name === '--help' || name === '-h') {
  console.log(`Usage: ${usage()}`)
  process.exit(0)
}
const tool = tools.find((one) => one.name === name)
if (tool === undefined) {
  const names = tools.map((one) => one.name)
  misused(`There is no tool "${name}".${didYouMean(name, names)} There are: ${names.join(', ')}.`)
}
const parameters = z.toJSONSchema(tool.schema, { io: 'input' }).properties as Record<string, Parameter>
const { given, flags } = read(tool, parameters)
const format = flags.json ? 'json' : 'text'
try {
  const system = systemOf(flags.stack === true)
  if (flags.follow) await follow(tool, given, system)
  else print(render(await tool.run(given, system), Number(given.bytes), format, spelled))
} catch (error) {
  const message = isTold(error) ? error.message : explain(error)
  if (flags.json) print(JSON.stringify({ error: message }))
  else console.error(message)
  process.exitCode = 1
}

function usage(): string {
  const width = Math.max(...tools.map((one) => one.name.length))
  return `npm run ask -- TOOL ARGS [--json] [--follow] [--stack]

One question to the running system, answered in at most 8 kB: what was left out is said, with what brings it.
${tools.map((one) => `  ${one.name.padEnd(width)}  ${one.title}`).join('\n')}
  --json      an object, for programs
  --follow    ${tools
    .filter((one) => one.follow)
    .map((one) => one.name)
    .join(', ')}: what is new, as it comes
  --stack     asks the stack of docker-compose.yaml
  --bytes N   a longer answer: up to 65536
What a tool takes: npm run ask -- TOOL --help. The same tools for MCP clients: npm run mcp.
GATEWAY_URL, TEMPO_URL, LOKI_URL and PROMETHEUS_URL may point elsewhere.`
}

function toolUsage({ name, about, example, positionals }: Tool, parameters: Record<string, Parameter>): string {
  const width = Math.max(...Object.keys(parameters).map((one) => one.length))
  const lines = Object.entries(parameters).map(([one, { description = '', default: standard }]) => {
    const remark = standard === undefined || standard === false ? '' : ` (${standard})`
    return `  --${one.padEnd(width)}  ${description}${remark}`
  })
  const taken = positionals.map((one) => `[${one.toUpperCase()}]`).join(' ')
  return `npm run ask -- ${name} ${taken}\n\n${about}\n${lines.join('\n')}\nFor example: npm run ask -- ${name} ${example}`
}

/** The arguments as the tool's schema takes them; ends the program (2) with what is wrong. */
function read(tool: Tool, parameters: Record<string, Parameter>) {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(`Usage: ${toolUsage(tool, parameters)}`)
    process.exit(0)
  }
  const own = { json: 'boolean', follow: 'boolean', stack: 'boolean' } as const
  const types = Object.entries(parameters).map(([one, { type }]) => [one, type === 'boolean' ? 'boolean' : 'string'])
  const options = Object.fromEntries(
    [...types, ...Object.entries(own)].map(([one, type]) => [one, { type }]),
  ) as NonNullable<ParseArgsConfig['options']>
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const { json, follow, stack, ...named } = values
    if (follow && !tool.follow) misused(`${tool.name} can't be followed.`)
    const surplus = positionals.slice(tool.positionals.length)
    if (surplus.length > 0)
      misused(`${tool.name} has no use for "${surplus.join(' ')}". One argument with spaces needs quotes.`)
    const inOrder = positionals.map((value, n) => [tool.positionals[n]!, value])
    const all = { ...Object.fromEntries(inOrder), ...named } as Record<string, unknown>
    const checked = tool.schema.safeParse(
      Object.fromEntries(Object.entries(all).map(([one, value]) => [one, typed(parameters[one]!, value)])),
    )
    if (checked.success) return { given: checked.data, flags: { json, follow, stack } }
    const wrong = checked.error.issues.map(({ path, message }) => {
      const name = path.join('.')
      return name in all
        ? `--${name}: ${message}`
        : `${tool.name} needs --${name}: ${parameters[name]?.description ?? message}`
    })
    misused(wrong.join('\n'))
  } catch (error) {
    misused((error as Error).message)
  }
}

/** The schemas take numbers, a terminal gives text. What is none stays text, which the schema refuses by name. */
function typed({ type }: Parameter, value: unknown): unknown {
  const isNumber = (type === 'integer' || type === 'number') && typeof value === 'string'
  return isNumber && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value
}

/** `--offset 20 --end 2026-05-01T12:00:00Z` */
function spelled(next: Next): string {
  const quoted = (value: string) => (/^[\w.:+-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`)
  return Object.entries(next)
    .filter(([, value]) => value !== undefined)
    .map(([one, value]) => (value === true ? `--${one}` : `--${one} ${quoted(String(value))}`))
    .join(' ')
}

/** Asks again and again, and prints what it has not printed yet: a row a line, oldest first. Until Ctrl-C. */
async function follow(tool: Tool, given: Record<string, unknown>, system: System): Promise<void> {
  const { list: name, key } = tool.follow!
  const args = { ...given, since: FOLLOW_BACK, start: undefined, end: undefined, limit: parameters.limit!.maximum }
  // Rows arrive late, and not in their order: the last half minute is looked at each time.
  let known = new Set<string>()
  for (;;) {
    const list = (await tool.run(args, system)).lists.find((one) => one.name === name)
    if (!list) throw startError(`Only ${name} can be followed, and not what is counted.`)
    const fresh = list.rows.filter((row) => !known.has(key(row)))
    known = new Set(list.rows.map(key))
    if (list.total === 'more' && fresh.length === list.rows.length)
      console.error(`… left out: more than ${list.rows.length} ${name} came at once; a narrower query shows all`)
    for (const row of fresh.toReversed()) print(oneRow(list, row, Number(given.bytes)))
    await pause(FOLLOW_MS)
  }
}

function oneRow(list: List, row: Row, bytes: number): string {
  const text = render({ facts: {}, lists: [{ ...list, rows: [row], total: 1 }] }, bytes, format, spelled)
  if (format === 'json') return JSON.stringify(JSON.parse(text)[list.name][0])
  return list.line ? text : text.slice(text.indexOf('\n') + 1)
}

function print(text: string): void {
  console.log(text)
}

function misused(message: string): never {
  console.error(`${colour.red('✘')} ${message}\nHow it is used: npm run ask -- --help`)
  process.exit(2)
}
