/**
 * What one table adds to a query that counts lines or their bytes: few numbers, whatever the table's size. They depend on the
 * table and on how steps lie, not on the window that is asked for, so that those of a table which never changes can be kept.
 */
import type { KeptAnswers } from '../../language/kept-answers.ts'
import type { Grouping, RangeAggregation } from '../ast.ts'
import type { Budget } from '../budget.ts'
import type { Labels, LogTable, LogTimeRange } from '../log-table.ts'
import { print } from '../print.ts'
import { keptPart, type Looked } from './kept-part.ts'
import type { Grid } from './series.ts'

export interface CountPart extends Looked {
  readonly series: readonly PartSeries[]
}

interface PartSeries {
  readonly key: string
  readonly labels: Labels
  /**
   * Four numbers each: the first step whose window holds some samples, the first after it whose window doesn't, how many
   * samples, their sum. Steps are counted from the table's own first.
   */
  readonly cells: Float64Array
}

/** With the step of the grid that is the part's step 0. */
export interface PlacedPart {
  readonly part: CountPart
  readonly first: number
}

/** What takes the samples of one table; `time` is reckoned from the part's step 0. */
export interface PartSamples {
  open(labels: Labels, key: string): number
  add(series: number, time: number, value: number): void
}

/** Reads what a table has in a range, its times shifted by `shift`. */
export type ReadTable = (table: LogTable, range: LogTimeRange, shift: number, samples: PartSamples) => void

/** A part of more is no smaller than what it was made of. */
const MAX_KEPT_BYTES = 1 << 16

export interface PartsOf {
  readonly query: RangeAggregation
  readonly outer: Grouping | undefined
  readonly grid: Grid
  readonly answers: KeptAnswers | undefined
  readonly budget: Budget
  readonly read: ReadTable
}

/** The part of a table, kept or to be kept; undefined for a table that changes, or is not within the range as a whole. */
export function partsOf(job: PartsOf): (table: LogTable, range: LogTimeRange) => PlacedPart | undefined {
  const { query, outer, grid, answers, budget, read } = job
  if (answers === undefined || !isSteady(query)) return () => undefined
  const once = grid.count === 1
  const origin = grid.startNs - BigInt(query.offsetNs)
  const steps = once ? 'once' : `${grid.stepNs}+${floorMod(origin, grid.stepNs)}`
  const name = `${steps}|${JSON.stringify(outer ?? null)}|${print({ ...query, offsetNs: 0 })}`
  return (table, range) => {
    const { identity, minNs, maxNs } = table
    if (identity === undefined || minNs === undefined || maxNs === undefined) return undefined
    if (minNs < range.startNs || maxNs >= range.endNs) return undefined
    const first = once ? 0n : (minNs - origin - floorMod(minNs - origin, grid.stepNs)) / grid.stepNs
    const part = keptPart({
      answers,
      key: `${identity}|${name}`,
      budget,
      make(looked): CountPart {
        const { samples, finish } = partSamples(query, once ? undefined : Number(grid.stepNs))
        read(table, range, Number(table.baseNs - (origin + first * grid.stepNs)), samples)
        return { series: finish(), ...looked() }
      },
      bytesOf: bytesOfPart,
      maxBytes: MAX_KEPT_BYTES,
    })
    return part && { part, first: Number(first) }
  }
}

/** Adds what a part has to a collector's series. */
export function addCounts(
  { part, first }: PlacedPart,
  seriesOf: (labels: Labels, key: string) => number,
  addMany: (series: number, first: number, after: number, count: number, sum: number) => void,
): void {
  for (const { key, labels, cells } of part.series) {
    const series = seriesOf(labels, key)
    for (let i = 0; i < cells.length; i += 4)
      addMany(series, first + cells[i]!, first + cells[i + 1]!, cells[i + 2]!, cells[i + 3]!)
  }
}

/** Whether lines give the same whenever they are asked: a template may say what time it is. */
export const isSteady = ({ query }: RangeAggregation): boolean =>
  query.stages.every(({ kind }) => kind !== 'line-format' && kind !== 'label-format')

/** `step` undefined: there is one, and its window holds every sample. */
function partSamples({ rangeNs }: RangeAggregation, step: number | undefined) {
  const held: { key: string; labels: Labels; cells: number[] }[] = []
  const samples: PartSamples = {
    open: (labels, key) => held.push({ key, labels, cells: [] }) - 1,
    add(series, time, value) {
      const first = step === undefined ? 0 : Math.ceil(time / step)
      const after = step === undefined ? 1 : Math.ceil((time + rangeNs) / step)
      if (first >= after) return
      const { cells } = held[series]!
      // Lines come in order of time: those of one cell stand together.
      const last = cells.length - 4
      if (last >= 0 && cells[last] === first && cells[last + 1] === after) {
        cells[last + 2]! += 1
        cells[last + 3]! += value
      } else cells.push(first, after, 1, value)
    },
  }
  const finish = (): PartSeries[] =>
    held.map(({ key, labels, cells }) => ({ key, labels: copiedLabels(labels), cells: Float64Array.from(cells) }))
  return { samples, finish }
}

/** Values may be pieces of a line, which would keep all of it in memory. */
export const copiedLabels = (labels: Labels): Labels => JSON.parse(JSON.stringify(labels)) as Labels

function bytesOfPart({ series }: CountPart): number {
  return series.reduce((sum, { key, cells }) => sum + 400 + key.length * 4 + cells.byteLength, 100)
}

function floorMod(value: bigint, unit: bigint): bigint {
  return ((value % unit) + unit) % unit
}
