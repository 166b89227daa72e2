/** `a / on (x) b`, `a > bool 5`, `a or b`: two operands -> series. */
import { tick } from '../../language/turn.ts'
import type { BinaryOp, CompareOp, Matching, MetricQuery } from '../ast.ts'
import { COMPARISONS, isComparison } from '../comparisons.ts'
import { evaluationError } from '../errors.ts'
import { fullLabels, labelsKey, omitLabels, pickLabels, printLabels } from '../labels.ts'
import type { Labels } from '../log-table.ts'
import { emptySeries, type Grid, type Series } from './series.ts'

type Binary = MetricQuery & { kind: 'binary' }

/** A plain number, the same at all steps, or series. */
export type Operand = number | readonly Series[]

/**
 * Series of both sides meet by their labels, step by step. Throws a `LogQLError` when several of one side meet one of
 * the other.
 */
export function evaluateBinary(query: Binary, left: Operand, right: Operand, grid: Grid): Operand {
  const { op, bool } = query
  if (typeof left === 'number' && typeof right === 'number') return compute(op, left, right, true) ?? 0
  if (typeof left === 'number')
    return (right as readonly Series[]).map((one) => withNumber(query, one, left, true, grid))
  if (typeof right === 'number') return left.map((one) => withNumber(query, one, right, false, grid))
  if (op === 'and' || op === 'or' || op === 'unless') return setOperation(op, query.matching, left, right, grid)
  return matchSeries(query.matching, left, right, grid, (a, b) => compute(op, a, b, bool))
}

/** undefined: a comparison that doesn't hold and filters. Dividing by zero gives NaN. */
function compute(op: BinaryOp, a: number, b: number, bool: boolean): number | undefined {
  switch (op) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return b === 0 ? Number.NaN : a / b
    case '%':
      return b === 0 ? Number.NaN : a % b
    case '^':
      return a ** b
    default: {
      // The check refuses a set operator beside a number.
      const holds = COMPARISONS[op as CompareOp](a, b)
      if (bool) return holds ? 1 : 0
      return holds ? a : undefined
    }
  }
}

/** A filtering comparison keeps the value of the series, on whichever side it stands. */
function withNumber({ op, bool }: Binary, series: Series, number: number, numberIsLeft: boolean, grid: Grid): Series {
  const out = emptySeries(series.labels, grid)
  for (let k = 0; k < grid.count; k += 1) {
    if (!series.present[k]) continue
    const own = series.values[k]!
    const value = numberIsLeft ? compute(op, number, own, bool) : compute(op, own, number, bool)
    if (value === undefined) continue
    out.present[k] = 1
    out.values[k] = isComparison(op) && !bool ? own : value
  }
  return out
}

/** A label that is empty meets one that is absent. */
function matchKey(labels: Labels, matching: Matching | undefined): string {
  const all = fullLabels(labels, [])
  if (!matching) return labelsKey(all)
  return labelsKey(matching.on ? pickLabels(all, matching.labels) : omitLabels(all, matching.labels))
}

function indexSeries(input: readonly Series[], matching: Matching | undefined): Map<string, Series[]> {
  const index = new Map<string, Series[]>()
  for (const series of input) {
    const key = matchKey(series.labels, matching)
    const known = index.get(key)
    if (known) known.push(series)
    else index.set(key, [series])
  }
  return index
}

function setOperation(
  op: 'and' | 'or' | 'unless',
  matching: Matching | undefined,
  left: readonly Series[],
  right: readonly Series[],
  grid: Grid,
): Series[] {
  const keepWhere = (input: readonly Series[], other: readonly Series[], matched: boolean): Series[] => {
    const presence = presenceByKey(other, matching, grid)
    return input.map((series) => {
      tick()
      const partner = presence.get(matchKey(series.labels, matching))
      const wanted = matched ? 1 : 0
      return { ...series, present: series.present.map((own, k) => own & ((partner?.[k] ?? 0) === wanted ? 1 : 0)) }
    })
  }
  if (op === 'or') return merge([...left, ...keepWhere(right, left, false)], grid)
  return keepWhere(left, right, op === 'and')
}

/** Per key, 1 at each step where any of its series has a value. */
function presenceByKey(input: readonly Series[], matching: Matching | undefined, grid: Grid): Map<string, Uint8Array> {
  const presence = new Map<string, Uint8Array>()
  for (const series of input) {
    tick()
    const key = matchKey(series.labels, matching)
    const known = presence.get(key) ?? new Uint8Array(grid.count)
    presence.set(key, known)
    for (let k = 0; k < known.length; k += 1) known[k]! |= series.present[k]!
  }
  return presence
}

/** Series with equal labels become one. */
function merge(input: readonly Series[], grid: Grid): Series[] {
  const merged = new Map<string, Series>()
  for (const series of input) {
    const key = labelsKey(series.labels)
    const known = merged.get(key) ?? emptySeries(series.labels, grid)
    merged.set(key, known)
    for (let k = 0; k < grid.count; k += 1) {
      if (!series.present[k] || known.present[k]) continue
      known.present[k] = 1
      known.values[k] = series.values[k]!
    }
  }
  return [...merged.values()]
}

function matchSeries(
  matching: Matching | undefined,
  left: readonly Series[],
  right: readonly Series[],
  grid: Grid,
  apply: (left: number, right: number) => number | undefined,
): Series[] {
  // "One" is the side that may have a single series per match.
  const oneIsRight = matching?.group?.side !== 'right'
  const [many, one] = oneIsRight ? [left, indexSeries(right, matching)] : [right, indexSeries(left, matching)]
  const oneSide = oneIsRight ? 'right' : 'left'
  for (const partners of one.values()) refuseTogether(partners, oneSide, grid)
  const out = new Map<string, { series: Series; met: Uint8Array }>()
  for (const series of many) {
    tick()
    const partners = one.get(matchKey(series.labels, matching)) ?? []
    for (let k = 0; k < grid.count; k += 1) {
      if (!series.present[k]) continue
      const partner = partners.find(({ present }) => present[k])
      if (!partner) continue
      const [own, other] = [series.values[k]!, partner.values[k]!]
      const value = oneIsRight ? apply(own, other) : apply(other, own)
      const labels = resultLabels(series.labels, partner.labels, matching)
      const key = labelsKey(labels)
      let result = out.get(key)
      if (!result) {
        result = { series: emptySeries(labels, grid), met: new Uint8Array(grid.count) }
        out.set(key, result)
      }
      // Whether a comparison holds or not: else a query would fail only with some values.
      if (result.met[k]) throw duplicate(series.labels, oneIsRight ? 'left' : 'right')
      result.met[k] = 1
      if (value === undefined) continue
      result.series.present[k] = 1
      result.series.values[k] = value
    }
  }
  return Array.from(out.values(), ({ series }) => series)
}

/** Of series that meet the same there may be one at each step, whether or not it meets any. */
function refuseTogether(partners: readonly Series[], side: 'left' | 'right', grid: Grid): void {
  if (partners.length < 2) return
  const taken = new Uint8Array(grid.count)
  for (const { present, labels } of partners) {
    tick()
    for (let k = 0; k < grid.count; k += 1) {
      if (present[k] && taken[k]) throw duplicate(labels, side)
      taken[k]! |= present[k]!
    }
  }
}

function duplicate(labels: Labels, side: 'left' | 'right'): Error {
  return evaluationError(
    `multiple matches for labels: several series of the ${side} side match ${printLabels(labels)}. ` +
      'Match by more labels, or use group_left() or group_right()',
  )
}

function resultLabels(many: Labels, one: Labels, matching: Matching | undefined): Labels {
  if (!matching) return fullLabels(many, [])
  if (!matching.group) {
    const all = fullLabels(many, [])
    return matching.on ? pickLabels(all, matching.labels) : omitLabels(all, matching.labels)
  }
  const { include } = matching.group
  return fullLabels({ ...omitLabels(many, include), ...pickLabels(one, include) }, [])
}
