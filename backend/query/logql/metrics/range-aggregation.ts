/** `rate({...}[5m])` and its kin: log lines -> series. */
import type { Grouping, LogQuery, RangeAggregation, Stage, Unwrap } from '../ast.ts'
import type { Budget } from '../budget.ts'
import { evaluationError, limitError } from '../errors.ts'
import { CONVERTERS, compileLabelFilter, conversionProblem, type RowTest } from '../label-filter.ts'
import { fullLabels, labelsKey, omitLabels, printLabels } from '../labels.ts'
import type { Labels, LogSource, LogTable } from '../log-table.ts'
import { labelsLookedAt } from '../looked-at.ts'
import { Row } from '../row.ts'
import { compileScan, type Scan } from '../scan.ts'
import { type Collector, collectorOf } from './collectors.ts'
import { addCounts, type PartSamples, partsOf, type ReadTable } from './count-parts.ts'
import { addSamples, isWhole, samplesOf } from './sample-parts.ts'
import { emptySeries, type Grid, type Series } from './series.ts'

/** Series a single aggregation may hold while it runs. */
const MAX_HELD = 100_000

/** Loki computes these in parts; where parts meet because labels were taken away, empty ones are left out. */
const MERGED = new Set([
  ...['rate', 'count_over_time', 'bytes_rate', 'bytes_over_time', 'sum_over_time'],
  ...['avg_over_time', 'min_over_time', 'max_over_time'],
])

/** `outer`: the labels a sum around this one asks for, so that finer series need not be made. */
export function evaluateRange(
  query: RangeAggregation,
  source: LogSource,
  grid: Grid,
  budget: Budget,
  outer?: Grouping,
): Series[] {
  const collector = collectorOf(query, grid, budget)
  collect(query, source, grid, budget, query.grouping ?? outer, collector)
  if (query.op === 'absent_over_time') return absent(query, grid, collector.finish())
  return collector.finish()
}

function collect(
  query: RangeAggregation,
  source: LogSource,
  grid: Grid,
  budget: Budget,
  grouping: Grouping | undefined,
  collector: Collector,
): void {
  const scan = compileScan(withoutIdleParsers(query, grouping), budget)
  const origin = grid.startNs - BigInt(query.offsetNs)
  // A window holds its end but not its beginning.
  const range = {
    startNs: origin - BigInt(query.rangeNs) + 1n,
    endNs: origin + grid.stepNs * BigInt(grid.count - 1) + 1n,
  }
  const extract = compileExtractor(query)
  // More labels could make codes too large to be exact.
  const names = scan.untouched && !query.unwrap && grouping && !grouping.without ? grouping.labels : undefined
  const read: ReadTable = (table, range, shift, samples) => {
    const rows = scan.candidates(table, range)
    if (rows.length === 0) return
    const seriesOf = seriesByLabels(samples.open)
    if (names !== undefined && names.length <= 3)
      addColumnar(table, rows, shift, names, query.op.startsWith('bytes'), seriesOf, samples)
    else addRows(table, rows, shift, { scan, extract, query, grouping, seriesOf, samples, budget })
  }
  const seriesOf = seriesByLabels((labels) => {
    budget.hold(grid.count)
    return collector.open(labels)
  })
  const samples: PartSamples = { open: seriesOf, add: collector.add }
  const { addMany } = collector
  const { answers } = source
  const countsOf = addMany && partsOf({ query, outer: grouping, grid, answers, budget, read })
  // Of labels that are named none is left out for being empty.
  const merged = MERGED.has(query.op) && (grouping === undefined || grouping.without)
  const valuesOf = addMany ? undefined : samplesOf({ query, grouping, merged, answers, budget, read })
  for (const table of source.tables(range, 'forward')) {
    const shift = Number(table.baseNs - origin)
    // Later tables begin later.
    collector.settle?.(shift + firstOffset(table))
    const counted = countsOf?.(table, range)
    const sampled = valuesOf?.(table, range)
    const part = counted?.part ?? sampled
    if (part === undefined) {
      read(table, range, shift, samples)
      continue
    }
    if (isWhole(table, range)) {
      budget.tick()
      budget.stats.tables += 1
      budget.stats.lines += part.lines
      budget.stats.bytes += part.bytes
    } else scan.count(table, range)
    if (counted) addCounts(counted, seriesOf, addMany!)
    if (sampled) {
      const [from, to] = [Number(range.startNs - table.baseNs), Number(range.endNs - table.baseNs)]
      addSamples(sampled, { from, to, shift }, samples)
    }
  }
}

function firstOffset(table: LogTable): number {
  const { minNs, baseNs } = table
  return minNs === undefined ? (table.timeOffset[0] ?? 0) : Number(minNs - baseNs)
}

type SeriesOf = (labels: Labels, key?: string) => number

/** Series by their labels, each opened when it is first asked for. */
function seriesByLabels(open: (labels: Labels, key: string) => number): SeriesOf {
  const known = new Map<string, number>()
  return (labels, key = labelsKey(labels)) => {
    let series = known.get(key)
    if (series === undefined) {
      if (known.size >= MAX_HELD)
        throw limitError(`the query makes more than ${MAX_HELD} series. Group it by fewer labels`)
      series = open(labels, key)
      known.set(key, series)
    }
    return series
  }
}

/** When no label is asked for, as by `absent_over_time`, and no stage looks at one, lines need not be parsed, nor can parsing them fail. */
function withoutIdleParsers({ op, query, unwrap }: RangeAggregation, grouping: Grouping | undefined): LogQuery {
  const unlabelled = op === 'absent_over_time' || (grouping && !grouping.without && grouping.labels.length === 0)
  const idle = unlabelled && !unwrap
  const parsers = new Set(['json', 'logfmt', 'regexp', 'pattern'])
  // Where lines are only counted, it makes no difference either that they become others, unless a filter looks at them then.
  if (!op.startsWith('bytes')) for (const kind of ['unpack', 'line-format']) parsers.add(kind)
  const last = query.stages.findLastIndex(({ kind }) => kind === 'line-filter')
  const isIdle = ({ kind }: Stage, at: number) => parsers.has(kind) && (at > last || !/unpack|line-format/.test(kind))
  if (!idle || !query.stages.every((stage, at) => stage.kind === 'line-filter' || isIdle(stage, at))) return query
  return { ...query, stages: query.stages.filter(({ kind }) => kind === 'line-filter') }
}

/** No stage changes a row and only named labels count: the series follows from the codes alone. */
function addColumnar(
  table: LogTable,
  rows: Uint32Array,
  shift: number,
  names: readonly string[],
  bytes: boolean,
  seriesOf: SeriesOf,
  samples: PartSamples,
): void {
  const columns = names.flatMap((name) => table.metadata(name) ?? [])
  const { stream, timeOffset } = table
  const end = bytes ? table.end : undefined
  const row = new Row(table)
  const ordinals = new Map<number, number>()
  for (const index of rows) {
    let code = stream[index]!
    for (const column of columns) code = code * column.values.length + column.codes[index]!
    let series = ordinals.get(code)
    if (series === undefined) {
      row.move(index)
      series = seriesOf(labelsOfRow(row, names))
      ordinals.set(code, series)
    }
    const size = end === undefined ? 1 : end[index]! - (index === 0 ? 0 : end[index - 1]!)
    samples.add(series, shift + timeOffset[index]!, size)
  }
}

function labelsOfRow(row: Row, names: readonly string[]): Labels {
  return Object.fromEntries(names.flatMap((name) => (row.get(name) === '' ? [] : [[name, row.get(name)]])))
}

interface RowJob {
  readonly scan: Scan
  readonly extract: (row: Row) => number | undefined
  readonly query: RangeAggregation
  readonly grouping: Grouping | undefined
  readonly seriesOf: SeriesOf
  readonly samples: PartSamples
  readonly budget: Budget
}

function addRows(table: LogTable, rows: Uint32Array, shift: number, job: RowJob): void {
  const { grouping, query, scan, extract, seriesOf, samples } = job
  const by = grouping && !grouping.without ? grouping.labels : undefined
  const row = new Row(table, by && labelsWanted(query, by))
  const unwrapped = query.unwrap ? [query.unwrap.label] : []
  const labelsLeft = MERGED.has(query.op) && query.query.stages.some(takesLabels) ? fullLabels : omitLabels
  const ordinals = new Map<string, number>()
  const { timeOffset } = table
  for (let k = 0; k < rows.length; k += 1) {
    if ((k & 255) === 0) job.budget.tick()
    const index = rows[k]!
    row.move(index)
    if (!scan.run(row)) continue
    const value = extract(row)
    if (value === undefined) continue
    if (row.error && row.get('__preserve_error__') !== 'true') throw pipelineError(wholeRow(table, index, job))
    const signature = by ? namedSignature(row, by) : signatureOf(row, query)
    let series = ordinals.get(signature)
    if (series === undefined) {
      if (by) series = seriesOf(namedLabels(row, by))
      else {
        const labels = labelsLeft(row.labels(), unwrapped)
        const merged = MERGED.has(query.op) ? fullLabels : omitLabels
        series = seriesOf(grouping ? merged(labels, grouping.labels) : labels)
      }
      ordinals.set(signature, series)
    }
    samples.add(series, shift + timeOffset[index]!, value)
  }
}

/** A row as stages left it, with all that they found in it. */
function wholeRow(table: LogTable, index: number, { scan, extract }: RowJob): Row {
  const row = new Row(table)
  row.move(index)
  scan.run(row)
  extract(row)
  return row
}

function namedSignature(row: Row, names: readonly string[]): string {
  if (names.length === 1) return row.find(names[0]!) ?? '\x01'
  return names.map((name) => row.find(name) ?? '\x01').join('\0')
}

/** Those of a row, without looking at the columns of others. */
function namedLabels(row: Row, names: readonly string[]): Labels {
  return Object.fromEntries(names.flatMap((name) => (row.find(name) === undefined ? [] : [[name, row.get(name)]])))
}

/** Labels that may make a difference to a query of these; undefined where any may. Errors are told of the whole row. */
function labelsWanted({ query, unwrap }: RangeAggregation, by: readonly string[]): ReadonlySet<string> | undefined {
  const names = labelsLookedAt(query.stages, unwrap?.filters)
  if (names === undefined) return undefined
  for (const name of [...by, '__preserve_error__']) names.add(name)
  if (unwrap) names.add(unwrap.label)
  for (const name of [...names]) if (name.endsWith('_extracted')) names.add(name.slice(0, -'_extracted'.length))
  return names
}

/** Whether series may become one by what a stage takes away. */
function takesLabels(stage: Stage): boolean {
  if (stage.kind === 'label-format') return stage.formats.some(({ source }) => source.kind === 'label')
  return stage.kind === 'drop' || stage.kind === 'keep'
}

/** Without the unwrapped value, which differs from row to row and is no label of the series. */
function signatureOf(row: Row, { unwrap }: RangeAggregation): string {
  const value = unwrap ? row.parsed.get(unwrap.label) : undefined
  if (value === undefined) return row.signature()
  row.parsed.set(unwrap!.label, '')
  const signature = row.signature()
  row.parsed.set(unwrap!.label, value)
  return signature
}

function pipelineError(row: Row): Error {
  const { error } = row
  return evaluationError(
    `pipeline error: '${error}' for series: '${printLabels(row.labels())}'.\n` +
      `Use a label filter to intentionally skip this error. (e.g | __error__!="${error}").\n` +
      'To skip all potential errors you can match empty errors.(e.g __error__="")\n' +
      'The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )\n',
  )
}

/** The sample of a row: 1, its size, or the unwrapped number; undefined when it has none. */
function compileExtractor({ op, unwrap }: RangeAggregation): (row: Row) => number | undefined {
  if (unwrap) return compileUnwrap(unwrap)
  return op.startsWith('bytes') ? (row) => row.lineBytes : () => 1
}

const UNITS = { duration: 'duration', duration_seconds: 'duration', bytes: 'bytes' } as const

function compileUnwrap({ label, conversion, filters }: Unwrap): (row: Row) => number | undefined {
  const unit = conversion ? UNITS[conversion] : 'number'
  const convert = CONVERTERS[unit]
  const scale = unit === 'duration' ? 1e9 : 1
  const tests: RowTest[] = filters.map((filter) => compileLabelFilter(filter))
  return (row) => {
    const text = row.find(label)
    // In Loki an empty label holds no number, rather than a bad one.
    if (text === undefined || text === '') return undefined
    const number = convert(text)
    if (number === undefined) row.fail('SampleExtractionErr', conversionProblem(unit, text))
    return tests.every((test) => test(row)) ? (number ?? 0) / scale : undefined
  }
}

/** 1 where nothing was found, labelled by what the selector demands exactly. */
function absent(query: RangeAggregation, grid: Grid, found: readonly Series[]): Series[] {
  const labels: Record<string, string> = {}
  const names = query.query.selector.map((matcher) => matcher.name)
  for (const { name, op, value } of query.query.selector) {
    if (op === '=' && value !== '' && names.indexOf(name) === names.lastIndexOf(name)) labels[name] = value
  }
  const series = emptySeries(labels, grid)
  for (let k = 0; k < grid.count; k += 1) {
    series.present[k] = found.some((one) => one.present[k] === 1) ? 0 : 1
    series.values[k] = 1
  }
  return series.present.includes(1) ? [series] : []
}
