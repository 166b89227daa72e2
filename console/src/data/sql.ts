/**
 * The one kind of SQL this console answers itself: `SELECT columns FROM table WHERE conditions ORDER BY column LIMIT n`
 * over rows it got from an API. It exists so that a dashboard's PostgreSQL panel on the audit table is the same JSON in
 * Grafana and here, without opening the database to a browser. Anything more is refused by name.
 */
export interface SelectColumn {
  readonly column: string
  readonly alias: string
}

export type Condition =
  | { readonly kind: 'and'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'compare'; readonly operator: string; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'timeFilter'; readonly column: string }

export type Operand = { readonly column: string } | { readonly literal: string }

export interface Select {
  readonly columns: readonly SelectColumn[]
  readonly table: string
  readonly where?: Condition
  readonly orderBy?: { readonly column: string; readonly descending: boolean }
  readonly limit: number
}

const TOKEN = /\s*(?:('(?:[^']|'')*')|(\$?[A-Za-z_]\w*)|(\d+)|(::|<>|!=|<=|>=|[=<>(),*;]))/y

const unsupported = (what: string): Error =>
  new Error(
    `This console reads simple queries on the audit table only; it can't do ${what}. Open this dashboard in Grafana for full SQL.`,
  )

/** Throws an Error naming the first thing that isn't supported. */
export function parseSelect(sql: string): Select {
  const tokens = tokenize(sql)
  let at = 0
  const peek = (): string => tokens[at] ?? ''
  const isWord = (word: string): boolean => peek().toLowerCase() === word
  const take = (): string => tokens[at++] ?? ''
  const accept = (word: string): boolean => isWord(word) && Boolean(take())
  const expect = (word: string): void => {
    if (!accept(word))
      throw unsupported(
        peek() ? `"${peek()}" where ${word.toUpperCase()} should stand` : `a query without ${word.toUpperCase()}`,
      )
  }
  const name = (): string => {
    if (!/^[A-Za-z_]\w*$/.test(peek())) throw unsupported(`"${peek()}" where a name should stand`)
    return take()
  }
  const cast = (): void => {
    while (accept('::')) name()
  }

  const operand = (): Operand => {
    const token = peek()
    const value: Operand = token.startsWith("'")
      ? { literal: take().slice(1, -1).replaceAll("''", "'") }
      : /^\d/.test(token)
        ? { literal: take() }
        : { column: name() }
    cast()
    return value
  }
  const comparison = (): Condition => {
    if (accept('(')) {
      const inner = either()
      expect(')')
      return inner
    }
    if (accept('$__timefilter')) {
      expect('(')
      const column = name()
      expect(')')
      return { kind: 'timeFilter', column }
    }
    const left = operand()
    const operator = take().toLowerCase()
    if (!['=', '<>', '!=', '<', '>', '<=', '>=', 'like'].includes(operator))
      throw unsupported(`the operator "${operator}"`)
    return { kind: 'compare', operator, left, right: operand() }
  }
  const both = (): Condition => {
    let left = comparison()
    while (accept('and')) left = { kind: 'and', left, right: comparison() }
    return left
  }
  function either(): Condition {
    let left = both()
    while (accept('or')) left = { kind: 'or', left, right: both() }
    return left
  }

  expect('select')
  const columns: SelectColumn[] = []
  do {
    const column = name()
    cast()
    columns.push({ column, alias: accept('as') ? name() : column })
  } while (accept(','))
  expect('from')
  const table = name()
  const where = accept('where') ? either() : undefined
  let orderBy: Select['orderBy']
  if (accept('order')) {
    expect('by')
    const column = name()
    const descending = accept('desc')
    if (!descending) accept('asc')
    orderBy = { column, descending }
  }
  const limit = accept('limit') ? Number(take()) : 100
  accept(';')
  if (at < tokens.length) throw unsupported(`"${peek()}"`)
  return { columns, table, limit, ...(where && { where }), ...(orderBy && { orderBy }) }
}

function tokenize(sql: string): string[] {
  const tokens: string[] = []
  const text = sql.trim()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (!match) throw unsupported(`"${text.slice(from, from + 12).trim()}"`)
    tokens.push(match[0].trim())
  }
  return tokens
}

export type Row = Readonly<Record<string, unknown>>

/** `now` range in ms for `$__timeFilter`. Rows may be in any order. */
export function evaluateSelect(select: Select, rows: readonly Row[], range: { from: number; to: number }): Row[] {
  const kept = rows.filter((row) => passes(select, row, range))
  const { orderBy } = select
  const ordered = orderBy
    ? kept.toSorted((a, b) => (orderBy.descending ? -1 : 1) * compare(a[orderBy.column], b[orderBy.column]))
    : kept
  return ordered
    .slice(0, select.limit)
    .map((row) => Object.fromEntries(select.columns.map(({ column, alias }) => [alias, row[column] ?? null])))
}

export const passes = (select: Select, row: Row, range: { from: number; to: number }): boolean =>
  !select.where || holds(select.where, row, range)

/** Whether every row of the answer has this column within the time range. */
export function isInRange(condition: Condition | undefined, column: string): boolean {
  if (condition?.kind === 'and') return isInRange(condition.left, column) || isInRange(condition.right, column)
  return condition?.kind === 'timeFilter' && condition.column === column
}

function holds(condition: Condition, row: Row, range: { from: number; to: number }): boolean {
  if (condition.kind === 'and') return holds(condition.left, row, range) && holds(condition.right, row, range)
  if (condition.kind === 'or') return holds(condition.left, row, range) || holds(condition.right, row, range)
  if (condition.kind === 'timeFilter') {
    const time = Date.parse(String(row[condition.column]))
    return time >= range.from && time <= range.to
  }
  const left = operandValue(condition.left, row)
  const right = operandValue(condition.right, row)
  if (left === null || right === null) return false
  const order = compare(left, right)
  if (condition.operator === '=') return order === 0
  if (condition.operator === '<>' || condition.operator === '!=') return order !== 0
  if (condition.operator === '<') return order < 0
  if (condition.operator === '>') return order > 0
  if (condition.operator === '<=') return order <= 0
  if (condition.operator === '>=') return order >= 0
  return likePattern(String(right)).test(String(left))
}

const operandValue = (operand: Operand, row: Row): unknown =>
  'literal' in operand ? operand.literal : (row[operand.column] ?? null)

function compare(left: unknown, right: unknown): number {
  const numeric = [left, right].every((value) => value !== '' && Number.isFinite(Number(value)))
  const [a, b] = numeric ? [Number(left), Number(right)] : [String(left), String(right)]
  return a < b ? -1 : a > b ? 1 : 0
}

const likePattern = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replaceAll(/[\\^$*+?.()|[\]{}]/g, '\\$&')
      .replaceAll('%', '.*')
      .replaceAll('_', '.')}$`,
    's',
  )

/** Values that every row of the answer must have, by column: what can be asked of the API instead of filtered here. */
export function requiredValues(condition: Condition | undefined): Record<string, string> {
  if (!condition) return {}
  if (condition.kind === 'and') return { ...requiredValues(condition.left), ...requiredValues(condition.right) }
  // `('' = '' OR column = '')`: the shape an unset text variable leaves behind asks for nothing.
  if (condition.kind === 'or')
    return isFalse(condition.left)
      ? requiredValues(condition.right)
      : isFalse(condition.right)
        ? requiredValues(condition.left)
        : {}
  if (
    condition.kind === 'compare' &&
    condition.operator === '=' &&
    'column' in condition.left &&
    'literal' in condition.right
  ) {
    return { [condition.left.column]: condition.right.literal }
  }
  return {}
}

const isFalse = (condition: Condition): boolean =>
  condition.kind === 'compare' &&
  condition.operator === '=' &&
  'literal' in condition.left &&
  'literal' in condition.right &&
  condition.left.literal !== condition.right.literal
