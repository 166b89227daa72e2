/** Search: which traces have spansets left at the end of the pipeline, newest first, and what to show of them. */
import type {
  Binary,
  Field,
  FieldExpression,
  Literal,
  MetricsExpression,
  Query,
  Scalar as ScalarNode,
  Stage,
} from './ast.ts'
import { isField } from './ast.ts'
import { matcherOf } from './evaluate.ts'
import { childScope, rootOfTrace, traceExtent } from './fields.ts'
import { compareValues, elementTypes, isArray, isComparison, matchValue } from './operators.ts'
import { notesOf, runStages, type Sets } from './pipeline.ts'
import { print, printField } from './print.ts'
import { type ChosenChild, childValues, readValues, trimId, typedValue } from './read-value.ts'
import type { NamedValue, SearchOptions, SpanMatch, SpanSet, TraceResult, TypedValue } from './result.ts'
import type { Scalar, SpanSource, SpanTable, TimeRange, Wanted } from './span-table.ts'
import { traceIdsOf } from './trace-ids.ts'
import { attributeVector, valueAt } from './vector.ts'

/** As Tempo names a root that has not arrived. */
const NO_ROOT = '<root span not yet received>'
const DEFAULT_LIMIT = 20
const DEFAULT_SPANS = 3

/**
 * Traces that match, newest first. Tables come newest first, and the search stops at the first table that fills the
 * limit; with the hint `most_recent=true` it reads on wherever a newer trace could still be, and asks for no table that
 * ended before the oldest trace it has began.
 */
export function search(query: Query, source: SpanSource, options: SearchOptions = {}): TraceResult[] {
  const stages = query.kind === 'search' ? query.stages : measuredStages(query.expression)
  const { range = {}, limit = DEFAULT_LIMIT } = options
  let { startNs } = range
  const narrowing: Wanted = {
    traceIds: traceIdsOf(stages),
    get startNs() {
      return startNs
    },
    endNs: range.endNs,
  }
  const exact = query.hints.some(({ name, value }) => name === 'most_recent' && value.value === true)
  const found = finder(query, stages, source, options)
  let results: TraceResult[] = []
  for (const table of source.tables(narrowing)) {
    if (results.length >= limit && newestStart(table) <= results.at(-1)!.startNs) continue
    results = merged(results, found(table)).slice(0, limit)
    if (results.length < limit) continue
    // Leaving the loop here, not at its head, spares the source from preparing a table that nobody reads.
    if (!exact) break
    const oldest = results.at(-1)!.startNs
    if (startNs === undefined || startNs < oldest) startNs = oldest
  }
  return results
}

/** More traces of one table than these are not kept. */
const MAX_KEPT_TRACES = 200

/** The newest traces of a table that match. Of a table that lies within the range, and never changes, they are kept. */
function finder(
  query: Query,
  stages: readonly Stage[],
  { answers }: SpanSource,
  options: SearchOptions,
): (table: SpanTable) => readonly TraceResult[] {
  const { range = {}, limit = DEFAULT_LIMIT, spansPerSpanset = DEFAULT_SPANS } = options
  const selected = selectedFields(stages)
  const name = `${spansPerSpanset}|${print(query)}`
  const look = (table: SpanTable): TraceResult[] => {
    const sets = runStages(stages, table)
    return newestTraces(sets, range, limit).map((trace) => describe(trace, sets, selected, options))
  }
  return (table) => {
    if (answers === undefined || table.identity === undefined || !isWithin(table, range)) return look(table)
    let looked: TraceResult[] | undefined
    const kept = answers.get(`${table.identity}|${name}`, (onBytes) => {
      looked = look(table)
      const whole = looked.length < limit && looked.length <= MAX_KEPT_TRACES
      onBytes(whole ? bytesOfTraces(looked) : 0)
      return whole ? looked : undefined
    })
    return kept?.slice(0, limit) ?? looked ?? look(table)
  }
}

function isWithin({ minNs, maxNs }: SpanTable, { startNs, endNs }: TimeRange): boolean {
  if (minNs === undefined || maxNs === undefined) return false
  return (startNs === undefined || minNs >= startNs) && (endNs === undefined || maxNs < endNs)
}

/** About what they take in memory. */
function bytesOfTraces(traces: readonly TraceResult[]): number {
  let bytes = 100
  for (const { spanSets, serviceStats } of traces) {
    bytes += 400 + Object.keys(serviceStats).length * 80
    for (const { spans, attributes } of spanSets) {
      bytes += 120 + attributes.length * 120
      for (const span of spans) {
        bytes += 260
        for (const { value } of span.attributes)
          bytes += 120 + (typeof value.value === 'string' ? value.value.length : 16)
      }
    }
  }
  return bytes
}

/** Newest first, as both are nearly: of the first, which may be long, only the end is touched. */
function merged(first: TraceResult[], second: readonly TraceResult[]): TraceResult[] {
  if (second.length === 0) return first
  const sorted = second.toSorted(newestFirst)
  let from = first.length
  while (from > 0 && newestFirst(first[from - 1]!, sorted[0]!) > 0) from--
  return [...first.slice(0, from), ...[...first.slice(from), ...sorted].sort(newestFirst)]
}

/** A metrics query searches for the spans it would count, as in Tempo; of several the first. */
function measuredStages(expression: MetricsExpression): readonly Stage[] {
  switch (expression.kind) {
    case 'metrics':
    case 'compare':
      return expression.stages
    case 'metricsArithmetic':
      return measuredStages(expression.left.kind === 'number' ? expression.right : expression.left)
    case 'number':
      return []
    default:
      return measuredStages(expression.of)
  }
}

function newestFirst(a: TraceResult, b: TraceResult): number {
  if (a.startNs !== b.startNs) return a.startNs > b.startNs ? -1 : 1
  return a.traceId < b.traceId ? -1 : 1
}

function newestStart(table: SpanTable): bigint {
  const { start } = traceExtent(table)
  return table.baseNs + BigInt(start.reduce((newest, own) => Math.max(newest, own), 0))
}

function newestTraces({ table, mask }: Sets, range: TimeRange, limit: number): number[] {
  if (mask === false) return []
  const { start, end } = traceExtent(table)
  const from = range.startNs === undefined ? Number.NEGATIVE_INFINITY : Number(range.startNs - table.baseNs)
  const to = range.endNs === undefined ? Number.POSITIVE_INFINITY : Number(range.endNs - table.baseNs)
  const { traceStart } = table
  const traces: number[] = []
  for (let trace = 0; trace < table.traces; trace++) {
    if (end[trace]! < from || start[trace]! >= to) continue
    const [first, next] = [traceStart[trace]!, traceStart[trace + 1]!]
    if (mask === true || mask.subarray(first, next).includes(1)) traces.push(trace)
  }
  return traces.sort((a, b) => start[b]! - start[a]!).slice(0, limit)
}

/** Answers carry these as members of their own, or not at all. */
const OWN_MEMBERS = new Set(
  'duration trace:id span:id rootName rootServiceName traceDuration parent span:childCount'.split(' '),
)

/** What an answer says about each span: the fields that the query names. */
interface SelectedFields {
  readonly fields: readonly Field[]
  /** Printed names of fields that are shown whatever their value; others are shown where they meet a comparison. */
  readonly always: ReadonlySet<string>
  /** Its comparisons of a field with a constant. */
  readonly conditions: readonly Condition[]
}

type Condition = Binary & { readonly left: Field; readonly right: Literal }

function selectedFields(stages: readonly Stage[]): SelectedFields {
  const fields = new Map<string, Field>()
  const always = new Set<string>()
  const conditions: Condition[] = []
  const visit = (expression: FieldExpression | null): void => {
    if (expression === null || expression.kind === 'literal') return
    if (expression.kind === 'unary') visit(expression.of)
    else if (expression.kind === 'binary') {
      const { left, right } = expression
      if (isField(left) && right.kind === 'literal' && /[=<>~]/.test(expression.op)) {
        fields.set(printField(left), left)
        conditions.push({ ...expression, left, right })
      } else {
        visit(left)
        visit(right)
      }
    } else {
      fields.set(printField(expression), expression)
      always.add(printField(expression))
    }
  }
  for (const stage of stages) visitFields(stage, visit)
  const selected = [...fields].filter(
    ([key, field]) => !OWN_MEMBERS.has(key) && !(field.kind === 'attribute' && field.parent),
  )
  return { fields: selected.map(([, field]) => field), always, conditions }
}

function visitFields(stage: Stage | ScalarNode, visit: (expression: FieldExpression | null) => void): void {
  switch (stage.kind) {
    case 'filter':
      visit(stage.where)
      return
    case 'combine':
    case 'scalarFilter':
    case 'arithmetic':
      visitFields(stage.left, visit)
      visitFields(stage.right, visit)
      return
    case 'wrapped':
    case 'scalarPipeline':
      for (const inner of stage.stages) visitFields(inner, visit)
      return
    case 'by':
    case 'aggregate':
      visit(stage.of)
      return
    case 'select':
      for (const field of stage.fields) visit(field)
  }
}

/** The event or link that meets most of the query's conditions on events or links; the last of equals, as in Tempo. */
function chooseChild(table: SpanTable, conditions: readonly Condition[]): ChosenChild {
  return (scope, row) => {
    const met: number[] = []
    for (const comparison of conditions) {
      if (childScope(comparison.left) !== scope) continue
      for (const [i, value] of childValues(comparison.left, scope, table, row).entries()) {
        met[i] = (met[i] ?? 0) + (satisfies(value, comparison) ? 1 : 0)
      }
    }
    return met.length === 0 ? 0 : met.lastIndexOf(Math.max(...met))
  }
}

function satisfies(value: TypedValue, { op, left, right }: Condition): boolean {
  if (right.type === 'nil') return op === '!=' && value.type !== 'nil'
  if (op === '=~' || op === '!~') {
    return matchValue(matcherOf(right), op === '!~', value.type, value.value ?? undefined)
  }
  const wanted = typedValue(right.type, right.value ?? undefined)
  const [own, other] =
    printField(left) === 'link:traceID' ? [withoutZeros(value), withoutZeros(wanted)] : [value, wanted]
  const strict = left.kind === 'attribute'
  return (
    isComparison(op) &&
    compareValues(op, own.type, own.value ?? undefined, other.type, other.value ?? undefined, strict)
  )
}

function describe(
  trace: number,
  sets: Sets,
  selected: SelectedFields,
  { spansPerSpanset = DEFAULT_SPANS }: SearchOptions,
): TraceResult {
  const { table } = sets
  const { start, end } = traceExtent(table)
  const root = rootOfTrace(table, trace)
  const service = attributeVector(table.column('resource', 'service.name'))
  return {
    traceId: table.traceId(trace),
    rootServiceName: root < 0 ? NO_ROOT : String(valueAt(service, root) ?? ''),
    rootTraceName: root < 0 ? '' : String(table.name.values[table.name.codes[root]!] ?? ''),
    startNs: table.baseNs + BigInt(start[trace]!),
    durationMs: Math.floor((end[trace]! - start[trace]!) / 1e6),
    spanSets: spanSetsOf(trace, sets).map(([set, rows]): SpanSet => {
      rows.sort((a, b) => table.startOffset[a]! - table.startOffset[b]!)
      const visible = spansPerSpanset > 0 ? rows.slice(0, spansPerSpanset) : rows
      return { spans: matches(visible, table, selected), matched: rows.length, attributes: notesOf(sets, set) }
    }),
    serviceStats: serviceStats(trace, table),
  }
}

function spanSetsOf(trace: number, { table, mask, setOf: numbers }: Sets): [number, number[]][] {
  const setOf = numbers()
  const bySet = new Map<number, number[]>()
  for (let row = table.traceStart[trace]!; row < table.traceStart[trace + 1]!; row++) {
    if (mask !== true && (mask === false || mask[row] === 0)) continue
    const rows = bySet.get(setOf[row]!)
    if (rows === undefined) bySet.set(setOf[row]!, [row])
    else rows.push(row)
  }
  return [...bySet]
}

function matches(rows: readonly number[], table: SpanTable, selected: SelectedFields): SpanMatch[] {
  const chosen = chooseChild(table, selected.conditions)
  const columns = selected.fields.map((field) => {
    const conditions = selected.conditions.filter(({ left }) => printField(left) === printField(field))
    const always = selected.always.has(printField(field))
    const values = readValues(field, table, rows, chosen, always)
    return { key: field.name, values: values.map((value) => selectedValue(value, conditions, always)) }
  })
  // The name is a member of its own, shown under the same conditions.
  const names = columns.find(({ key }, i) => key === 'name' && selected.fields[i]!.kind === 'intrinsic')
  return rows.map((row, i) => ({
    spanId: table.spanId(row),
    name: names === undefined ? '' : String(names.values[i]!.value ?? ''),
    startNs: table.baseNs + BigInt(table.startOffset[row]!),
    durationNs: table.duration[row]!,
    attributes: columns
      .filter((column) => column !== names)
      .map(({ key, values }): NamedValue => ({ key, value: values[i]! }))
      .filter(({ value }) => value.type !== 'nil'),
  }))
}

/** A value that meets none of the query's comparisons is not shown; `= nil` is answered with the word. */
function selectedValue(value: TypedValue, conditions: readonly Condition[], always: boolean): TypedValue {
  if (value.type === 'nil' && conditions.some(({ op, right }) => op === '=' && right.type === 'nil'))
    return { type: 'string', value: 'nil' }
  if (!always && !conditions.some((comparison) => satisfies(value, comparison))) return NIL
  const answer = matchingElements(value, conditions)
  return conditions[0] !== undefined && printField(conditions[0].left) === 'link:traceID'
    ? withoutZeros(answer)
    : answer
}

const NIL: TypedValue = { type: 'nil', value: null }

function withoutZeros(id: TypedValue): TypedValue {
  return id.type === 'string' ? { type: 'string', value: trimId(String(id.value)) } : id
}

/** Of an array that the query has conditions on, only the elements that meet one; a single one stands for itself. */
function matchingElements(value: TypedValue, conditions: readonly Condition[]): TypedValue {
  if (!isArray(value.type)) return value
  const items = value.value as readonly Scalar[]
  const types = elementTypes(value.type, items)
  const elements = items.map((item, i): TypedValue => ({ type: types[i]!, value: item }))
  const kept = elements.filter((item) => conditions.some((comparison) => satisfies(item, comparison)))
  if (kept.length === 1) return kept[0]!
  return kept.length === 0 ? value : { type: value.type, value: kept.map((item) => item.value as Scalar) }
}

function serviceStats(trace: number, table: SpanTable): TraceResult['serviceStats'] {
  const stats = new Map<string, { spanCount: number; errorCount: number }>()
  const service = attributeVector(table.column('resource', 'service.name'))
  for (let row = table.traceStart[trace]!; row < table.traceStart[trace + 1]!; row++) {
    const name = String(valueAt(service, row) ?? '')
    const own = stats.get(name) ?? { spanCount: 0, errorCount: 0 }
    own.spanCount++
    if (table.status[row] === 2) own.errorCount++
    stats.set(name, own)
  }
  return Object.fromEntries(stats)
}
