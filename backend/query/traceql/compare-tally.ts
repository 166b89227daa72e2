/** What `compare()` counts: of each attribute how many spans of a side have it, and how many have which value. */

import { SIDES, type Side } from './compare-columns.ts'
import type { Marked } from './compare-marks.ts'
import { valueIdentity } from './groups.ts'
import type { AttributeValue } from './span-table.ts'
import type { DictionaryVector, VectorType } from './vector.ts'

/**
 * Beyond so many values of an attribute on one side, a new one is kept only if it occurs twice as often in a table as its
 * values do on average: ids, of which every trace has its own, are many and tell nothing.
 */
export const MANY_VALUES = 1_000
/** Beyond so many, the rarest are forgotten while counting. */
const MAX_VALUES = 100_000

export interface Tally {
  readonly type: VectorType
  readonly value: AttributeValue | undefined
  count: number
}

export interface Counted {
  /** By side; the first is unused. */
  readonly totals: [number, number, number]
  readonly values: [undefined, Map<unknown, Tally>, Map<unknown, Tally>]
  /** The values of each side, where somebody has asked whether a table has one of them. */
  readonly marked: [undefined, Marked | undefined, Marked | undefined]
}

/** What is counted of an attribute; nothing yet, when it is first asked for. */
export function countedOf(counted: Map<string, Counted>, key: string): Counted {
  let own = counted.get(key)
  if (own === undefined) {
    own = { totals: [0, 0, 0], values: [undefined, new Map(), new Map()], marked: [undefined, undefined, undefined] }
    counted.set(key, own)
  }
  return own
}

/** Adds what a table has of an attribute, `counts` by code and side. */
export function addCounts(counts: Int32Array, vector: DictionaryVector, counted: Counted): void {
  for (const { side } of SIDES) {
    counted.totals[side] += sumSide(counts, side, vector.types).total
    addValues(counts, side, vector, counted)
  }
}

/** The same of one side's values. */
export function addValues(
  counts: Int32Array,
  side: Side,
  { types, values }: Pick<DictionaryVector, 'types' | 'values'>,
  counted: Counted,
): void {
  const { total, distinct } = sumSide(counts, side, types)
  const enough = enoughOf(total, distinct)
  for (let code = 0; code < values.length && total > 0; code++) {
    const count = counts[code * 3 + side]!
    const type = types[code]!
    if (count === 0 || type === 'nil') continue
    addValue(counted, side, { identity: valueIdentity(type, values[code]), type, value: values[code], count, enough })
  }
  forgetSome(counted.values[side])
}

/** As often as a value must occur in a table to be kept where there are many: twice what they do on average. */
export const enoughOf = (total: number, distinct: number): number => (2 * total) / distinct

interface AddedValue extends Tally {
  readonly identity: unknown
  readonly enough: number
}

export function addValue(counted: Counted, side: Side, { identity, type, value, count, enough }: AddedValue): void {
  const tallies = counted.values[side]
  const tally = tallies.get(identity)
  if (tally !== undefined) tally.count += count
  else if (count >= enough || tallies.size < MANY_VALUES) {
    tallies.set(identity, { type, value, count })
    counted.marked[side]?.add(identity)
  }
}

/** How many spans of a side have the attribute, with how many values. */
export function sumSide(
  counts: Int32Array,
  side: Side,
  types: readonly VectorType[],
): { total: number; distinct: number } {
  let [total, distinct] = [0, 0]
  for (let code = 0, at: number = side; at < counts.length; code++, at += 3) {
    if (counts[at] === 0 || types[code] === 'nil') continue
    total += counts[at]!
    distinct++
  }
  return { total, distinct }
}

export function identityOf({ type, value }: Tally): unknown {
  return valueIdentity(type, value)
}

/** To be called when a table's values have been added. */
export function forgetSome(tallies: Map<unknown, Tally>): void {
  if (tallies.size > MAX_VALUES) forgetRarest(tallies)
}

function forgetRarest(values: Map<unknown, Tally>): void {
  for (let least = 1; values.size > MAX_VALUES / 2; least *= 2) {
    for (const [identity, { count }] of values) {
      if (values.size <= MAX_VALUES / 2) return
      if (count <= least) values.delete(identity)
    }
  }
}
