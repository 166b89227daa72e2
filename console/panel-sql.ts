/**
 * The SQL of a panel as PostgreSQL gets it: Grafana's macros and the dashboard's variables filled in.
 *
 *   WHERE $__timeFilter(at) AND name IN ($name) AND note LIKE '%$word%'
 *   WHERE at BETWEEN '2026-01-31T12:00:00.000Z' AND '...' AND name IN ('a', 'it''s') AND note LIKE '%x%'
 *
 * Whatever a variable holds goes in as a quoted literal, or as text of the literal it stands in: a value can't become SQL.
 */
import { queryError } from './query-error.ts'
import { builtInVariables, interpolate, type Variables } from './src/data/interpolate.ts'
import { parseDuration, type TimeRange } from './src/data/time-range.ts'

export interface SqlScope {
  readonly range: TimeRange
  /** Milliseconds between two points: `$__interval`. */
  readonly intervalMs: number
  readonly variables: Variables
}

/** What a dollar sign may stand in, in the order in which the alternatives are tried. */
const PARTS = new RegExp(
  [
    /(?<comment>--[^\n]*|\/\*.*?\*\/)/,
    // Escapes, identifiers, dollar quotes: no value can be put in there safely.
    /(?<fixed>\b[eE]'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|(?<tag>\$(?:[A-Za-z_]\w*)?\$).*?\k<tag>)/,
    /(?<!\b[eE])'(?<literal>(?:[^']|'')*)'/,
    /(?<unended>['"]|\/\*|\$(?:[A-Za-z_]\w*)?\$)/,
    /(?<!\w)\$__(?<macro>\w+)(?:\((?<args>(?:[^()]|\([^()]*\))*)\))?/,
    // Not inside a name: to PostgreSQL `a$b` is one, and `E` in front of a literal changes what its characters mean.
    /(?<!\w)(?:\$\w+|\$\{[^}]*\}|\[\[\w+(?::\w+)?\]\])/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gs',
)

type Part = Partial<Record<'comment' | 'fixed' | 'literal' | 'unended' | 'macro' | 'args', string>>

/** Throws a QueryError that says what can't be filled in. Names of no variable stay as they are; comments are left out. */
export function fillSql(sql: string, scope: SqlScope): string {
  const variables = new Map([...scope.variables, ...builtInVariables(scope.range, scope.intervalMs)])
  const known = { ...scope, variables }
  return sql.replaceAll(PARTS, (part, ...rest) => fillPart(part, rest.at(-1) as Part, known))
}

function fillPart(part: string, { comment, fixed, literal, unended, macro, args }: Part, scope: SqlScope): string {
  if (comment !== undefined) return ' '
  if (unended !== undefined) throw queryError(400, `The SQL of this panel has a ${part} that nothing ends.`)
  if (literal !== undefined) return quoted(interpolate(literal.replaceAll("''", "'"), scope.variables, 'sql'))
  if (fixed !== undefined) {
    if (interpolate(part, scope.variables, 'sql') === part) return part
    throw queryError(400, `A variable can stand alone or in a plain '...' literal, but not in ${part}.`)
  }
  const expand = macro !== undefined && Object.hasOwn(MACROS, macro) ? MACROS[macro] : undefined
  if (expand) return expand(argumentsOf(macro!, args, scope), scope.range)
  if (args !== undefined) throw queryError(400, `The macro $__${macro} is not supported by this console.`)
  return fillReference(part, scope.variables)
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** Formats that mean a list of values; any other makes one text of them. */
const LISTS = [undefined, 'raw', 'csv', 'sqlstring', 'singlequote']

function fillReference(reference: string, variables: Variables): string {
  const [name = '', format] = reference.match(/[\w.]+/g) ?? []
  const variable = variables.get(name)
  if (!variable) return reference
  // Ours, and too large for the integer that PostgreSQL would take it for in quotes.
  if (name.startsWith('__') && /^\d+$/.test(variable.text)) return variable.text
  if (!LISTS.includes(format)) return quoted(interpolate(reference, variables, 'sql'))
  // `IN (NULL)` holds for nothing, as an empty list would if SQL had one.
  return variable.values.map(quoted).join(', ') || 'NULL'
}

/** `width` of a group as a duration; what to `fill` its gaps with. */
interface MacroArguments {
  readonly column: string
  readonly width?: string | undefined
  readonly fill?: string | undefined
}

type Macro = (args: MacroArguments, range: TimeRange) => string

const isoTime = (ms: number): string => `'${new Date(ms).toISOString()}'`
const epoch = (column: string): string => `extract(epoch from ${column})`

/** By the documentation of Grafana's PostgreSQL data source. */
const MACROS: Readonly<Record<string, Macro>> = {
  time: ({ column }) => `${column} AS "time"`,
  timeEpoch: ({ column }) => `${epoch(column)} AS "time"`,
  timeFilter: ({ column }, { from, to }) => `${column} BETWEEN ${isoTime(from)} AND ${isoTime(to)}`,
  timeFrom: (_args, { from }) => isoTime(from),
  timeTo: (_args, { to }) => isoTime(to),
  timeGroup: groupedTime,
  timeGroupAlias: (args) => `${groupedTime(args)} AS "time"`,
}

/** Variables in arguments are filled in first: `$__timeGroup(at, $__interval)`. */
function argumentsOf(macro: string, args: string | undefined, scope: SqlScope): MacroArguments {
  const parts = (args ?? '').split(/,(?![^(]*\))/).map((part) => fillSql(part, scope).trim())
  const [column = '', width, fill] = parts
  if (column === '' && !/(From|To)$/.test(macro))
    throw queryError(400, `$__${macro} needs the name of a column in brackets.`)
  return { column, width, fill }
}

function groupedTime({ column, width = '', fill }: MacroArguments): string {
  const ms = parseDuration(width.replaceAll("'", ''))
  if (!ms) throw queryError(400, `A time group needs a width such as '5m', not ${width || 'nothing'}.`)
  if (fill !== undefined) throw queryError(400, `Filling gaps with ${fill} is not supported by this console.`)
  return `floor(${epoch(column)} / ${ms / 1000}) * ${ms / 1000}`
}
