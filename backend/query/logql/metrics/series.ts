/** Series on a grid of steps, which all metric phases take and give. */
import type { Labels } from '../log-table.ts'

/** Step `k` is at `startNs + k * stepNs`. An instant query has one. */
export interface Grid {
  readonly startNs: bigint
  readonly stepNs: bigint
  readonly count: number
}

export interface Series {
  readonly labels: Labels
  readonly values: Float64Array
  /** 1 where there is a value. */
  readonly present: Uint8Array
}

/** A series without a value at any step, to be filled in. */
export const emptySeries = (labels: Labels, { count }: Grid): Series => ({
  labels,
  values: new Float64Array(count),
  present: new Uint8Array(count),
})
