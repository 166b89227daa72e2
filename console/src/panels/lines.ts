/** Frames -> the columns uPlot draws, with the colour, name and unit of each line. */

import { seriesColor } from '../data/field-config.ts'
import { displayName, type Field, type Frame, numberFields, timeField } from '../data/frame.ts'
import type { FieldConfig } from '../data/grafana-json.ts'

export interface Line {
  readonly name: string
  readonly color: string
  readonly field: Field
  readonly config: FieldConfig
  /** Aligned with `times`. */
  readonly values: readonly (number | null)[]
}

export interface Lines {
  /** Seconds, ascending: the union of all lines' times. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
}

/** A line per number field, all on the union of their times: null where a line has no value at one. */
export function toLines(frames: readonly Frame[]): Lines {
  const sources = frames.flatMap((frame) => {
    const time = timeField(frame)
    return time ? numberFields(frame).map((field) => ({ frame, field, times: time.values as readonly number[] })) : []
  })
  const times = unionTimes(sources.map((source) => source.times))
  const lines = sources.map(({ frame, field, times: own }, index): Line => {
    const hide = field.config.custom?.hideFrom as { viz?: boolean } | undefined
    const values = hide?.viz ? times.map(() => null) : align(own, field.values as readonly (number | null)[], times)
    return {
      name: displayName(field, frame),
      color: seriesColor(field, frame, index),
      field,
      config: field.config,
      values,
    }
  })
  return { times: times.map((time) => time / 1000), lines }
}

function unionTimes(all: readonly (readonly number[])[]): readonly number[] {
  const first = all[0] ?? []
  if (all.every((times) => isSame(times, first))) return first
  return [...new Set(all.flat())].sort((a, b) => a - b)
}

function align(
  own: readonly number[],
  values: readonly (number | null)[],
  times: readonly number[],
): readonly (number | null)[] {
  if (isSame(own, times)) return values
  const byTime = new Map(own.map((time, i) => [time, values[i] ?? null]))
  return times.map((time) => byTime.get(time) ?? null)
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a === b || (a.length === b.length && a.every((time, i) => time === b[i]))

/** Running totals from the first line up, so that areas stand on each other. `percent` scales each moment to 1. */
export function stack(lines: readonly Line[], percent: boolean): (number | null)[][] {
  const totals = lines[0]?.values.map((_v, i) => lines.reduce((sum, line) => sum + (line.values[i] ?? 0), 0)) ?? []
  const running: number[] = []
  return lines.map((line) =>
    line.values.map((value, i) => {
      running[i] = (running[i] ?? 0) + (value ?? 0)
      return percent ? (totals[i] ? running[i]! / totals[i]! : 0) : running[i]!
    }),
  )
}
