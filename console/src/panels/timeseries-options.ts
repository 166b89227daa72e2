/** A panel's field configuration as uPlot options: scales by unit, line styles, fills, thresholds. */
import uPlot from 'uplot'
import { colorByName, withAlpha } from '../data/colors.ts'
import type { TimeRange } from '../data/time-range.ts'
import { cssColor } from '../shell/theme.ts'
import { timeAxis, valueAxis } from './axes.ts'
import type { Line } from './lines.ts'
import { CROSSHAIR, zoomHook } from './uplot.tsx'

/** The look of one line, as Grafana's JSON calls the parts. */
interface LineStyle {
  drawStyle?: 'line' | 'bars' | 'points'
  lineInterpolation?: 'linear' | 'smooth' | 'stepBefore' | 'stepAfter'
  lineWidth?: number
  lineStyle?: { fill?: string; dash?: number[] }
  fillOpacity?: number
  gradientMode?: 'none' | 'opacity' | 'hue' | 'scheme'
  showPoints?: 'auto' | 'never' | 'always'
  pointSize?: number
  spanNulls?: boolean | number
  axisPlacement?: 'auto' | 'left' | 'right' | 'hidden'
  axisSoftMin?: number
  axisSoftMax?: number
  axisLabel?: string
  scaleDistribution?: { type?: 'linear' | 'log'; log?: number }
  thresholdsStyle?: { mode?: 'off' | 'line' | 'area' | 'line+area' | 'dashed' }
}

const style = (line: Line): LineStyle => (line.config.custom ?? {}) as LineStyle

/** Lines of one unit on one side share a scale. */
export const scaleOf = (line: Line): string =>
  `${line.config.unit ?? ''}/${style(line).axisPlacement === 'right' ? 'right' : 'left'}`

interface BuildContext {
  readonly range: TimeRange
  readonly stacked: boolean
  readonly stepMs: number
  readonly onDraw: (u: uPlot) => void
  readonly onCursor: (u: uPlot) => void
}

/** uPlot's options for these lines, by the configuration of each and of the first one on its scale. */
export function buildOptions(
  lines: readonly Line[],
  { range, stacked, stepMs, onDraw, onCursor }: BuildContext,
): Omit<uPlot.Options, 'width' | 'height'> {
  const scales = [...new Set(lines.map(scaleOf))]
  const firstOf = (scale: string) => lines.find((line) => scaleOf(line) === scale)!
  return {
    padding: [8, 10, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: CROSSHAIR, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      focus: { prox: -1 },
    },
    scales: {
      x: { time: true, min: range.from / 1000, max: range.to / 1000, auto: false },
      ...Object.fromEntries(scales.map((scale) => [scale, valueScale(firstOf(scale))])),
    },
    axes: [timeAxis(), ...scales.map((scale) => axisOf(scale, firstOf(scale)))],
    series: [{}, ...lines.map((line) => seriesOptions(line, stacked, stepMs))],
    // The area of each line ends where the one below begins.
    ...(stacked && { bands: lines.slice(1).map((_line, i): uPlot.Band => ({ series: [i + 2, i + 1] })) }),
    hooks: {
      drawAxes: lines[0] ? [(u) => drawThresholds(u, lines[0]!)] : [],
      draw: [onDraw],
      setCursor: [onCursor],
      setSelect: [zoomHook],
    },
  }
}

function valueScale(line: Line): uPlot.Scale {
  const { min, max } = line.config
  const { axisSoftMin, axisSoftMax, scaleDistribution } = style(line)
  if (scaleDistribution?.type === 'log') return { distr: 3, log: scaleDistribution.log === 2 ? 2 : 10 }
  return {
    range: (_u, dataMin, dataMax) => {
      const low = Math.min(dataMin ?? 0, axisSoftMin ?? dataMin ?? 0)
      const high = Math.max(dataMax ?? 1, axisSoftMax ?? dataMax ?? 1)
      const [niceLow, niceHigh] = uPlot.rangeNum(
        Math.min(low, low > 0 && low < high / 2 ? 0 : low),
        high === low ? low + (line.config.unit === 'percentunit' ? 0.01 : 1) : high,
        0.1,
        true,
      )
      return [min ?? niceLow ?? 0, max ?? niceHigh ?? 1]
    },
  }
}

function axisOf(scale: string, line: Line): uPlot.Axis {
  const { axisPlacement, axisLabel } = style(line)
  const axis = valueAxis({
    scale,
    unit: line.config.unit,
    decimals: line.config.decimals,
    right: axisPlacement === 'right',
    ...(axisLabel && { label: axisLabel }),
  })
  return axisPlacement === 'hidden' ? { ...axis, show: false } : axis
}

function seriesOptions(line: Line, stacked: boolean, stepMs: number): uPlot.Series {
  const {
    drawStyle = 'line',
    lineWidth = 1.5,
    fillOpacity = 0,
    gradientMode,
    spanNulls,
    lineInterpolation,
    lineStyle,
    showPoints,
    pointSize,
  } = style(line)
  const color = cssColor(line.color)
  const paths = uPlot.paths
  const bars = drawStyle === 'bars'
  const interpolation =
    lineInterpolation === 'smooth'
      ? paths.spline?.()
      : lineInterpolation?.startsWith('step')
        ? paths.stepped?.({ align: lineInterpolation === 'stepAfter' ? 1 : -1 })
        : undefined
  const gap = typeof spanNulls === 'number' ? spanNulls : stepMs * 2.5
  return {
    label: line.name,
    scale: scaleOf(line),
    stroke: color,
    width: drawStyle === 'points' ? 0 : Math.max(lineWidth, bars ? 0 : 1),
    fill:
      fillOpacity > 0
        ? (u) => fillOf(u, color, fillOpacity / 100, gradientMode)
        : stacked || bars
          ? withAlpha(color, bars ? 0.8 : 0.25)
          : 'transparent',
    spanGaps: spanNulls === true,
    ...(lineStyle?.dash && { dash: lineStyle.dash }),
    ...(bars ? { paths: paths.bars!({ size: [0.8, 40] }) } : interpolation && { paths: interpolation }),
    points: {
      show: drawStyle === 'points' || showPoints === 'always' ? true : lonelyPoints,
      size: pointSize ?? 4,
      fill: color,
    },
    gaps: (_u, _seriesIndex, _from, _to, gaps) =>
      spanNulls === true ? [] : gaps.filter(([from, to]) => to - from > 0 || gap > 0),
  }
}

/** A line of one sample between two holes has no length: it is drawn as a dot. */
const lonelyPoints: uPlot.Series.Points['show'] = (u, seriesIndex) => {
  const values = u.data[seriesIndex]
  if (!values || values.length > 400) return false
  return values.some((value, i) => value != null && values[i - 1] == null && values[i + 1] == null)
}

function fillOf(u: uPlot, color: string, alpha: number, gradient: string | undefined): CanvasGradient | string {
  if (gradient !== 'opacity' || !Number.isFinite(u.bbox.height)) return withAlpha(color, alpha)
  const fill = u.ctx.createLinearGradient(0, u.bbox.top, 0, u.bbox.top + u.bbox.height)
  fill.addColorStop(0, withAlpha(color, Math.min(alpha * 1.8, 1)))
  fill.addColorStop(1, withAlpha(color, 0.02))
  return fill
}

function drawThresholds(u: uPlot, line: Line): void {
  const mode = style(line).thresholdsStyle?.mode ?? 'off'
  if (mode === 'off') return
  const scale = scaleOf(line)
  for (const { value, color } of line.config.thresholds?.steps ?? []) {
    if (value === null) continue
    const y = u.valToPos(value, scale, true)
    if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue
    u.ctx.save()
    u.ctx.strokeStyle = withAlpha(cssColor(colorByName(color)), 0.8)
    u.ctx.lineWidth = devicePixelRatio
    if (mode === 'dashed' || mode === 'line') u.ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio])
    u.ctx.beginPath()
    u.ctx.moveTo(u.bbox.left, y)
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y)
    u.ctx.stroke()
    u.ctx.restore()
  }
}
