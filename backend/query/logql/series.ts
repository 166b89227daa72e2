/** Series on a grid of steps, which all metric phases take and give. */
import type { Labels } from './log-table.ts'

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

export const emptySeries = (labels: Labels, { count }: Grid): Series => ({
  labels,
  values: new Float64Array(count),
  present: new Uint8Array(count),
})

/** Equal for equal label sets, in whatever order the labels stand. */
export function labelsKey(labels: Labels): string {
  const names = Object.keys(labels).sort()
  return JSON.stringify(names.map((name) => [name, labels[name]]))
}

export function pickLabels(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(labels, name) ? [[name, labels[name]!]] : [])))
}

export function omitLabels(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !names.includes(name)))
}

/** `{a="b", c="d"}` for messages. */
export function showLabels(labels: Labels): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((name) => `${name}=${JSON.stringify(labels[name])}`)
  return `{${pairs.join(', ')}}`
}
