/** Axes that look alike in every chart. */
import type uPlot from 'uplot'
import { axisFormatter, isBinary, logarithmicMark } from '../data/units.ts'
import { cssColor } from '../shell/theme.ts'

const FONT = '11px system-ui, sans-serif'

/** Local time below the chart. */
export const timeAxis = (): uPlot.Axis => ({
  scale: 'x',
  stroke: () => cssColor('var(--muted)'),
  grid: { stroke: () => cssColor('var(--grid)'), width: 1 },
  ticks: { show: false },
  font: FONT,
  size: 26,
  space: 80,
  values: (_u, splits, _axis, _space, step) => splits.map((seconds) => timeMark(seconds * 1000, step * 1000)),
})

/** Hours and minutes; the date where a day begins, seconds where marks are that close. */
function timeMark(ms: number, stepMs: number): string {
  const date = new Date(ms)
  const two = (value: number) => String(value).padStart(2, '0')
  const dayMark = `${two(date.getMonth() + 1)}/${two(date.getDate())}`
  if (stepMs >= 86_400_000 || (date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0))
    return dayMark
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`
  return stepMs < 60_000 ? `${clock}:${two(date.getSeconds())}` : clock
}

/** Marks at 64, 128, 192 MiB rather than at 47.7. */
const BYTE_STEPS = Array.from({ length: 45 }, (_, power) => 2 ** power)

interface ValueAxisOptions {
  readonly scale: string
  readonly unit?: string | undefined
  readonly decimals?: number | null | undefined
  readonly right?: boolean
  readonly label?: string
}

/** Marks in the unit of its scale, to the left or right of the chart. */
export const valueAxis = ({ scale, unit, decimals, right = false, label }: ValueAxisOptions): uPlot.Axis => ({
  scale,
  side: right ? 1 : 3,
  stroke: () => cssColor('var(--muted)'),
  grid: { show: !right, stroke: () => cssColor('var(--grid)'), width: 1 },
  ticks: { show: false },
  font: FONT,
  gap: 6,
  space: 28,
  ...(isBinary(unit) && { incrs: BYTE_STEPS }),
  ...(label && { label, labelSize: 16, labelFont: FONT }),
  values: (u, splits, _axis, _space, increment) => {
    if (u.scales[scale]?.distr === 3) return splits.map((value) => (value === null ? '' : logarithmicMark(value, unit)))
    const max = Math.max(Math.abs(u.scales[scale]?.max ?? 0), Math.abs(u.scales[scale]?.min ?? 0))
    const format = axisFormatter(max, { unit, decimals })
    return splits.map((value) => (value === null ? '' : format(value, increment)))
  },
  // Wide enough for the longest mark, so that numbers are never cut.
  size: (u, values, axisIndex, cycle) => {
    const axis = u.axes[axisIndex] as uPlot.Axis & { _size: number }
    if (cycle > 1) return axis._size
    const longest = (values ?? []).reduce((most, value) => Math.max(most, value?.length ?? 0), 0)
    return Math.max(longest * 6.3 + 14, 36)
  },
})
