/**
 * Both threads. The level of a log line that nobody states, found as Loki finds it
 * (https://grafana.com/docs/loki/latest/configure/#limits_config, discover_log_levels).
 */
import { parseLogfmt } from '../query/logql/parsers/logfmt.ts'

/** Fields that may have a level, the first there is decides. */
const FIELDS = [
  'level',
  'LEVEL',
  'Level',
  'log.level',
  'severity',
  'SEVERITY',
  'Severity',
  'SeverityText',
  'lvl',
  'LVL',
  'Lvl',
  'severity_text',
  'Severity_Text',
  'SEVERITY_TEXT',
] as const
const FIELD_SET: ReadonlySet<string> = new Set(FIELDS)
const LOWER_FIELDS = FIELDS.map((field) => field.toLowerCase())
/** A line without one of these isn't parsed. */
const MAY_HAVE_FIELD = /level|severity|lvl/i

const WORDS = new Map([
  ['trace', 'trace'],
  ['trc', 'trace'],
  ['debug', 'debug'],
  ['dbg', 'debug'],
  ['info', 'info'],
  ['inf', 'info'],
  ['information', 'info'],
  ['warn', 'warn'],
  ['wrn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['err', 'error'],
  ['critical', 'critical'],
  ['fatal', 'fatal'],
])

/** In a line without such a field the first of these words decides: in any case, and with these signs around it as Loki 3.7.6 has them. */
const WORD_IN_LINE =
  /(?<=^|[ \t\n"(=[{])(?:trace|debug|info|warn|warning|error|err|critical|fatal)(?=$|[ \t\n!"(),:=[\]{}])/i

/** Objects in JSON are searched so deep. */
const JSON_DEPTH = 2

/** `WARNING` -> `warn`; undefined for what is no level's name. */
export const levelNamed = (word: string): string | undefined => WORDS.get(word.toLowerCase())

/**
 * What a client states, among a line's labels or its metadata: a known name as Loki spells it, any other as it is. Undefined
 * when there is none.
 */
export function statedLevel(get: (field: string) => string | undefined): string | undefined {
  for (const field of FIELDS) {
    const value = get(field)
    if (value !== undefined && value !== '') return levelNamed(value) ?? value
  }
  return undefined
}

/** From a field of JSON or logfmt, else from words in the line; `unknown` when nothing says. */
export function levelInLine(line: string): string {
  const field = fieldOf(line)
  const named = field === undefined ? undefined : levelNamed(field)
  return named ?? levelNamed(WORD_IN_LINE.exec(line)?.[0] ?? '') ?? 'unknown'
}

function fieldOf(line: string): string | undefined {
  if (!MAY_HAVE_FIELD.test(line)) return undefined
  if (/^\s*\{/.test(line) && /\}\s*$/.test(line)) return jsonField(line)
  return line.includes('=') ? logfmtField(line) : undefined
}

function jsonField(line: string): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    // A line may look like JSON and be none: its words are left.
    return undefined
  }
  return fieldIn(value as object, JSON_DEPTH)
}

/** In the order of the text, inner objects where they stand. */
function fieldIn(object: object, depth: number): string | undefined {
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === 'string') {
      if (FIELD_SET.has(key)) return value
    } else if (depth > 1 && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const inner = fieldIn(value, depth - 1)
      if (inner !== undefined) return inner
    }
  }
  return undefined
}

function logfmtField(line: string): string | undefined {
  const found = new Map<string, string>()
  for (const [key, value] of parseLogfmt(line, false).pairs) found.set(key.toLowerCase(), value)
  const field = LOWER_FIELDS.find((name) => found.has(name))
  return field === undefined ? undefined : found.get(field)
}
