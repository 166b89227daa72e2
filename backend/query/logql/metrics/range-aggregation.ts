/** `rate({...}[5m])` and its kin: log lines -> series. */
import type { Grouping, LogQuery, RangeAggregation, Stage, Unwrap } from '../ast.ts'
import type { Budget } from '../budget.ts'
import { evaluationError, limitError } from '../errors.ts'
import { CONVERTERS, compileLabelFilter, conversionProblem, type RowTest } from '../label-filter.ts'
import { fullLabels, labelsKey, omitLabels, pickLabels, printLabels } from '../labels.ts'
import type { Labels, LogSource, LogTable } from '../log-table.ts'
import { Row } from '../row.ts'
import { compileScan, type Scan } from '../scan.ts'
import { type PartSamples, partsOf } from './count-parts.ts'
import { emptySeries, type Grid, type Series } from './series.ts'
import { windowFunction } from './window-functions.ts'

/** Series a single aggregation may hold while it runs. */
const MAX_HELD = 100_000

/** Loki computes these in parts; where parts meet because labels were taken away, empty ones are left out. */
const MERGED = new Set([
  ...['rate', 'count_over_time', 'bytes_rate', 'bytes_over_time', 'sum_over_time'],
  ...['avg_over_time', 'min_over_time', 'max_over_time'],
])

const COUNTING = new Set(['count_over_time', 'bytes_over_time', 'bytes_rate', 'absent_over_time'])

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

/** What becomes of the samples of one series. */
interface Collector {
  /** A new series; its ordinal. */
  open(labels: Labels): number
  /** `time`: nanoseconds since the first step, shifted by the offset. */
  add(series: number, time: number, value: number): void
  /**
   * So many samples of this sum, each in the windows of the steps from `first` to before `after`; some of these may lie outside of
   * the grid. Absent where each sample is needed by itself.
   */
  addMany?(series: number, first: number, after: number, count: number, sum: number): void
  finish(): Series[]
}

function collectorOf(query: RangeAggregation, grid: Grid, budget: Budget): Collector {
  const lines = !query.unwrap && (COUNTING.has(query.op) || query.op === 'rate')
  // Whether there is a sample is all that is asked of absent_over_time, unwrapped or not.
  return lines || query.op === 'absent_over_time' ? countCollector(query, grid) : sampleCollector(query, grid, budget)
}

/** Counts and byte sums: a sample adds to all steps whose window holds it, kept as differences between steps. */
function countCollector(query: RangeAggregation, grid: Grid): Collector {
  const step = Number(grid.stepNs)
  const perSecond = query.op === 'rate' || query.op === 'bytes_rate'
  const divisor = perSecond ? query.rangeNs / 1e9 : 1
  const held: { labels: Labels; counts: Float64Array; sums: Float64Array }[] = []
  const addMany = (series: number, from: number, to: number, count: number, sum: number): void => {
    const first = Math.max(0, from)
    const after = Math.min(grid.count, to)
    if (first >= after) return
    const { counts, sums } = held[series]!
    counts[first]! += count
    counts[after]! -= count
    sums[first]! += sum
    sums[after]! -= sum
  }
  return {
    open(labels) {
      const zeros = (): Float64Array => new Float64Array(grid.count + 1)
      return held.push({ labels, counts: zeros(), sums: zeros() }) - 1
    },
    add: (series, time, value) =>
      addMany(series, Math.ceil(time / step), Math.ceil((time + query.rangeNs) / step), 1, value),
    addMany,
    finish: () =>
      held.map(({ labels, counts, sums }) => {
        const series = emptySeries(labels, grid)
        let [count, sum] = [0, 0]
        for (let k = 0; k < grid.count; k += 1) {
          count += counts[k]!
          sum += sums[k]!
          series.present[k] = count > 0 ? 1 : 0
          series.values[k] = sum / divisor
        }
        return series
      }),
  }
}

/** Keeps all samples and computes each window from those in it. */
function sampleCollector(query: RangeAggregation, grid: Grid, budget: Budget): Collector {
  const compute = windowFunction(query.op, query.parameter)
  const held: { labels: Labels; times: number[]; values: number[] }[] = []
  return {
    open: (labels) => held.push({ labels, times: [], values: [] }) - 1,
    add(series, time, value) {
      held[series]!.times.push(time)
      held[series]!.values.push(value)
    },
    finish: () =>
      held.map((one) => {
        const samples = inOrder(one)
        const series = emptySeries(one.labels, grid)
        let [from, to] = [0, 0]
        for (let k = 0; k < grid.count; k += 1) {
          const endNs = k * Number(grid.stepNs)
          while (to < samples.times.length && samples.times[to]! <= endNs) to += 1
          while (from < to && samples.times[from]! <= endNs - query.rangeNs) from += 1
          if (from === to) continue
          budget.tick()
          series.present[k] = 1
          series.values[k] = compute(samples, { from, to, rangeNs: query.rangeNs })
        }
        return series
      }),
  }
}

/** Tables may overlap, so samples may have come out of order. */
function inOrder({ times, values }: { times: number[]; values: number[] }): { times: number[]; values: number[] } {
  if (times.every((time, k) => k === 0 || times[k - 1]! <= time)) return { times, values }
  const order = [...times.keys()].sort((a, b) => times[a]! - times[b]!)
  return { times: order.map((k) => times[k]!), values: order.map((k) => values[k]!) }
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
  const read = (table: LogTable, shift: number, samples: PartSamples): void => {
    const rows = scan.candidates(table, range)
    if (rows.length === 0) return
    const seriesOf = seriesByLabels((labels) => samples.open(labels))
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
  const partOf = addMany && partsOf({ query, outer: grouping, grid, answers: source.answers, budget, read })
  for (const table of source.tables(range, 'forward')) {
    const placed = partOf?.(table, range)
    if (placed === undefined) {
      read(table, Number(table.baseNs - origin), samples)
      continue
    }
    const { part, first } = placed
    budget.tick()
    budget.stats.tables += 1
    budget.stats.lines += part.lines
    budget.stats.bytes += part.bytes
    for (const { key, labels, cells } of part.series) {
      const series = seriesOf(labels, key)
      for (let i = 0; i < cells.length; i += 4)
        addMany!(series, first + cells[i]!, first + cells[i + 1]!, cells[i + 2]!, cells[i + 3]!)
    }
  }
}

type SeriesOf = (labels: Labels, key?: string) => number

/** Series by their labels, each opened when it is first asked for. */
function seriesByLabels(open: (labels: Labels) => number): SeriesOf {
  const known = new Map<string, number>()
  return (labels, key = labelsKey(labels)) => {
    let series = known.get(key)
    if (series === undefined) {
      if (known.size >= MAX_HELD)
        throw limitError(`the query makes more than ${MAX_HELD} series. Group it by fewer labels`)
      series = open(labels)
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
  const row = new Row(table)
  const { grouping, query } = job
  const unwrapped = query.unwrap ? [query.unwrap.label] : []
  const labelsLeft = MERGED.has(query.op) && query.query.stages.some(takesLabels) ? fullLabels : omitLabels
  const ordinals = new Map<string, number>()
  for (const [k, index] of rows.entries()) {
    if ((k & 255) === 0) job.budget.tick()
    row.move(index)
    if (!job.scan.run(row)) continue
    const value = job.extract(row)
    if (value === undefined) continue
    if (row.error && row.get('__preserve_error__') !== 'true') throw pipelineError(row)
    const signature =
      grouping && !grouping.without
        ? grouping.labels.map((name) => row.find(name) ?? '\x01').join('\0')
        : signatureOf(row, query)
    let series = ordinals.get(signature)
    if (series === undefined) {
      const labels = labelsLeft(row.labels(), unwrapped)
      if (!grouping) series = job.seriesOf(labels)
      else if (grouping.without)
        series = job.seriesOf((MERGED.has(query.op) ? fullLabels : omitLabels)(labels, grouping.labels))
      else series = job.seriesOf(pickLabels(row.labels(), grouping.labels))
      ordinals.set(signature, series)
    }
    job.samples.add(series, shift + table.timeOffset[index]!, value)
  }
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
