/** `sum by (x) (...)`, `topk(...)`, `sort(...)`: series -> fewer series, step by step. */
import type { Grouping, MetricQuery } from '../ast.ts'
import { fullLabels, labelsKey, pickLabels } from '../labels.ts'
import type { Labels } from '../log-table.ts'
import { emptySeries, type Grid, type Series } from './series.ts'
import { windowFunction } from './window-functions.ts'

type VectorAggregation = MetricQuery & { kind: 'vector' }

/** One series per group; `topk` and `bottomk` keep members of the groups, `sort` leaves all as they are. */
export function aggregateVector(query: VectorAggregation, input: readonly Series[], grid: Grid): Series[] {
  // Only instant queries order their answer; see `sortInstant`.
  if (query.op === 'sort' || query.op === 'sort_desc') return [...input]
  const groups = groupSeries(input, query.grouping)
  if (query.op === 'topk' || query.op === 'bottomk') {
    return groups.flatMap(({ members }) => keepExtreme(members, query.parameter!, query.op === 'topk', grid))
  }
  const combine = COMBINERS[query.op]!
  return groups.map(({ labels, members }) => {
    const series = emptySeries(labels, grid)
    for (let k = 0; k < grid.count; k += 1) {
      const values = members.flatMap((member) => (member.present[k] ? [member.values[k]!] : []))
      if (values.length === 0) continue
      series.present[k] = 1
      series.values[k] = combine(values)
    }
    return series
  })
}

const overTime =
  (op: Parameters<typeof windowFunction>[0]) =>
  (values: number[]): number =>
    windowFunction(op)({ values }, { from: 0, to: values.length, rangeNs: 1 })

const COMBINERS: Record<string, (values: number[]) => number> = {
  sum: overTime('sum_over_time'),
  avg: overTime('avg_over_time'),
  min: overTime('min_over_time'),
  max: overTime('max_over_time'),
  stddev: overTime('stddev_over_time'),
  stdvar: overTime('stdvar_over_time'),
  count: (values) => values.length,
}

function groupLabels(labels: Labels, grouping: Grouping | undefined): Labels {
  if (!grouping) return {}
  return grouping.without ? fullLabels(labels, grouping.labels) : pickLabels(labels, grouping.labels)
}

function groupSeries(
  input: readonly Series[],
  grouping: Grouping | undefined,
): { labels: Labels; members: Series[] }[] {
  const groups = new Map<string, { labels: Labels; members: Series[] }>()
  for (const series of input) {
    const labels = groupLabels(series.labels, grouping)
    const key = labelsKey(labels)
    const group = groups.get(key)
    if (group) group.members.push(series)
    else groups.set(key, { labels, members: [series] })
  }
  return [...groups.values()]
}

/** The largest (or smallest) few of each step; NaN is worse than any number. */
function keepExtreme(members: readonly Series[], count: number, largest: boolean, grid: Grid): Series[] {
  const kept = members.map((member) => emptySeries(member.labels, grid))
  const rank = (value: number): number => {
    if (Number.isNaN(value)) return Number.NEGATIVE_INFINITY
    return largest ? value : -value
  }
  for (let k = 0; k < grid.count; k += 1) {
    const order = [...members.keys()].filter((index) => members[index]!.present[k])
    order.sort((a, b) => rank(members[b]!.values[k]!) - rank(members[a]!.values[k]!) || a - b)
    for (const index of order.slice(0, count)) {
      kept[index]!.present[k] = 1
      kept[index]!.values[k] = members[index]!.values[k]!
    }
  }
  return kept.filter((series) => series.present.includes(1))
}

/** How an instant answer is ordered: by value for `topk`, `bottomk` and `sort`; undefined = by labels. */
export function instantOrder(query: MetricQuery): ((a: number, b: number) => number) | undefined {
  if (query.kind !== 'vector') return undefined
  if (query.op === 'topk' || query.op === 'sort_desc') return (a, b) => b - a
  if (query.op === 'bottomk' || query.op === 'sort') return (a, b) => a - b
  return undefined
}
