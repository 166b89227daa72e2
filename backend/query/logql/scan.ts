/**
 * Runs the pipeline of a log query over tables: first whatever can be decided on columns and on the text buffer for all
 * rows at a time, then the remaining stages row by row.
 */
import { lowerBound } from '../language/lower-bound.ts'
import type { LabelFilter, LogQuery, Stage } from './ast.ts'
import type { Budget } from './budget.ts'
import { compileTextFilter, isTextOnly } from './label-filter.ts'
import { compileLineFilter, type LineFilter } from './line-filter.ts'
import { keepContaining } from './line-search.ts'
import type { LogTable, LogTimeRange } from './log-table.ts'
import { compileMatcher } from './matcher.ts'
import type { Row } from './row.ts'
import { compileStages } from './stages.ts'

export interface Scan {
  /** Rows of the table that pass what is decided in bulk, ascending; `run` decides the rest. */
  candidates(table: LogTable, range: LogTimeRange): Uint32Array
  /** What `candidates` counts of the lines it looks at, and no more. */
  count(table: LogTable, range: LogTimeRange): void
  /** The remaining stages on one row that was moved to a candidate. */
  run(row: Row): boolean
  /** No stage changes labels or line: rows need not be looked at one by one. */
  readonly untouched: boolean
}

/**
 * Compiles selector and stages once for all tables. Throws an Error on a pattern that is none; `check` has refused
 * such.
 */
export function compileScan(query: LogQuery, budget: Budget): Scan {
  const selector = query.selector.map((matcher) => ({ name: matcher.name, test: compileMatcher(matcher) }))
  const { bulkFilters, lineFilters, hints, rest } = plan(query.stages)
  const run = compileStages(rest)
  /** What the selector takes of the table; undefined where nothing can pass. */
  const looked = (table: LogTable, range: LogTimeRange): { rows: Uint32Array; count: number } | undefined => {
    budget.tick()
    const { stats } = budget
    stats.tables += 1
    if (isHopeless(table, { bulkFilters, lineFilters, hints })) return undefined
    const streamPasses = flags(table.streams, (labels) =>
      selector.every(({ name, test }) => test(Object.hasOwn(labels, name) ? labels[name]! : '')),
    )
    if (!streamPasses.includes(1)) return undefined
    const from = firstAt(table, range.startNs)
    const to = firstAt(table, range.endNs)
    const rows = new Uint32Array(Math.max(0, to - from))
    let count = 0
    const { stream } = table
    for (let row = from; row < to; row += 1) if (streamPasses[stream[row]!]) rows[count++] = row
    stats.lines += count
    stats.bytes += count > 0 ? Math.round((count / (to - from)) * (table.end[to - 1]! - startOf(table, from))) : 0
    return { rows, count }
  }
  return {
    run,
    untouched: rest.length === 0,
    candidates(table, range) {
      const found = looked(table, range)
      if (found === undefined) return new Uint32Array(0)
      const { rows } = found
      let { count } = found
      for (const filter of bulkFilters) count = keepLabels(table, filter, rows, count)
      for (const hint of hints) count = keepHinted(table, hint, rows, count)
      for (const filter of lineFilters) if (count > 0) count = filter.keep(table, rows, count, budget.tick)
      return rows.subarray(0, count)
    },
    count: looked,
  }
}

interface Hint {
  readonly name: string
  readonly value: string
}

interface Plan {
  readonly bulkFilters: readonly LabelFilter[]
  readonly lineFilters: readonly LineFilter[]
  /** `| json | trace_id="..."`: the value must stand in the row's metadata or somewhere in its line. */
  readonly hints: readonly Hint[]
  readonly rest: readonly Stage[]
}

function plan(stages: readonly Stage[]): Plan {
  const bulkFilters: LabelFilter[] = []
  const lineFilters: LineFilter[] = []
  const hints: Hint[] = []
  const rest: Stage[] = []
  let lineIsOriginal = true
  let labels: 'stored' | 'parsed' | 'edited' = 'stored'
  for (const stage of stages) {
    if (stage.kind === 'line-filter' && lineIsOriginal) {
      lineFilters.push(compileLineFilter(stage))
      continue
    }
    if (stage.kind === 'label-filter' && isTextOnly(stage.filter)) {
      if (labels === 'stored') {
        bulkFilters.push(stage.filter)
        continue
      }
      if (labels === 'parsed' && lineIsOriginal) hints.push(...hintsOf(stage.filter))
    }
    // What was decided in bulk marked no errors: counting lines by level stays a matter of columns.
    if (rest.length === 0 && dropsErrorsOnly(stage)) continue
    rest.push(stage)
    if (stage.kind === 'json' || stage.kind === 'logfmt' || stage.kind === 'regexp' || stage.kind === 'pattern') {
      if (labels === 'stored') labels = 'parsed'
    } else if (stage.kind === 'line-format' || stage.kind === 'decolorize') {
      lineIsOriginal = false
    } else if (stage.kind === 'unpack') {
      lineIsOriginal = false
      labels = 'edited'
    } else if (stage.kind !== 'line-filter' && stage.kind !== 'label-filter') {
      labels = 'edited'
    }
  }
  return { bulkFilters, lineFilters, hints, rest }
}

const dropsErrorsOnly = (stage: Stage): boolean =>
  stage.kind === 'drop' && stage.choices.every(({ name }) => name === '__error__' || name === '__error_details__')

/** Equalities that must hold, with values that stand in a line as they are unless it has a backslash. */
function hintsOf(filter: LabelFilter): Hint[] {
  if (filter.kind === 'and') return [...hintsOf(filter.left), ...hintsOf(filter.right)]
  if (filter.kind !== 'match' || filter.matcher.op !== '=') return []
  const { name, value } = filter.matcher
  return /^[A-Za-z0-9_-]{4,}$/.test(value) ? [{ name, value }] : []
}

/** 1 where the test holds. A plain loop: `Uint8Array.from` with a function is many times slower. */
function flags<T>(values: readonly T[], test: (value: T) => boolean): Uint8Array {
  const result = new Uint8Array(values.length)
  for (let index = 0; index < values.length; index += 1) if (test(values[index]!)) result[index] = 1
  return result
}

/** First row at or after a time. */
export function firstAt(table: LogTable, timeNs: bigint): number {
  return lowerBound(table.timeOffset, Number(timeNs - table.baseNs), table.rows)
}

/** No row can pass, which is known before any is looked at: of ids, nearly all tables have none. */
function isHopeless(table: LogTable, { bulkFilters, lineFilters, hints }: Omit<Plan, 'rest'>): boolean {
  if (lineFilters.some(({ oneOf }) => oneOf?.every((text) => table.mayContain?.(text) === false))) return true
  if (table.outline === undefined) return false
  return (
    bulkFilters.some((filter) => passesNone(table, filter)) ||
    hints.some(({ name, value }) => {
      const told = table.outline!(name, value)
      return told?.without === true && told.everywhere
    })
  )
}

function passesNone(table: LogTable, filter: LabelFilter): boolean {
  if (filter.kind === 'and') return passesNone(table, filter.left) || passesNone(table, filter.right)
  if (filter.kind === 'or') return passesNone(table, filter.left) && passesNone(table, filter.right)
  if (filter.kind !== 'match' || filter.matcher.op !== '=' || filter.matcher.value === '') return false
  const { name, value } = filter.matcher
  // Metadata has the names that most lines have; of a stream's label the table's own streams tell.
  return (
    table.outline!(name, value)?.without === true &&
    !table.streams.some((labels) => Object.hasOwn(labels, name) && labels[name] === value)
  )
}

const startOf = (table: LogTable, row: number): number => (row === 0 ? 0 : table.end[row - 1]!)

/** A label filter on columns: its tests run once per distinct value, rows are matched by code. */
function keepLabels(table: LogTable, filter: LabelFilter, rows: Uint32Array, count: number): number {
  const passes = compileBulk(table, filter)
  let kept = 0
  for (let k = 0; k < count; k += 1) if (passes(rows[k]!)) rows[kept++] = rows[k]!
  return kept
}

function compileBulk(table: LogTable, filter: LabelFilter): (row: number) => boolean {
  if (filter.kind === 'and' || filter.kind === 'or') {
    const [left, right] = [compileBulk(table, filter.left), compileBulk(table, filter.right)]
    return filter.kind === 'and' ? (row) => left(row) && right(row) : (row) => left(row) || right(row)
  }
  if (filter.kind !== 'match') throw new Error(`${filter.kind} is no filter on texts`)
  const { name } = filter.matcher
  const test = compileTextFilter(filter.matcher)
  const streams = flags(table.streams, (labels) => test(Object.hasOwn(labels, name) ? labels[name]! : ''))
  const column = table.metadata(name)
  const { stream } = table
  if (!column) return (row) => streams[stream[row]!] === 1
  const passes = flags(column.values, test)
  const { codes } = column
  return (row) => (codes[row] === 0 ? streams[stream[row]!] === 1 : passes[codes[row]!] === 1)
}

/** Drops rows that can't have the label: stored with another value, or without it and without its text in the line. */
function keepHinted(table: LogTable, { name, value }: Hint, rows: Uint32Array, count: number): number {
  const column = table.metadata(name)
  const code = column ? column.values.indexOf(value, 1) : -1
  const streams = flags(table.streams, (labels) => Object.hasOwn(labels, name))
  const { stream } = table
  const stored: number[] = []
  const open: number[] = []
  for (let k = 0; k < count; k += 1) {
    const row = rows[k]!
    const own = column ? column.codes[row]! : 0
    if (own === 0 && streams[stream[row]!] === 0) open.push(row)
    else if (own === 0 || own === code) stored.push(row)
  }
  const unsure = Uint32Array.from(open)
  const left = keepContaining(table, unsure, unsure.length, [value, '\\'], true)
  const merged = Uint32Array.from([...stored, ...unsure.subarray(0, left)]).sort()
  rows.set(merged)
  return merged.length
}
