/**
 * Requests by time and duration: the darker a cell, the fewer; with single requests to click on top. A drag sideways is a time
 * range, as on every chart; a box asks what differs between the requests in it and all others.
 */
import { useCallback, useMemo, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import { schemeColor } from '../data/colors.ts'
import { displayName, numberFields, timeField } from '../data/frame.ts'
import { interpolate } from '../data/interpolate.ts'
import type { PanelData } from '../data/run-panel.ts'
import { spansOfMetric } from '../data/spans-of-metric.ts'
import { durationFilter } from '../data/traceql-text.ts'
import { formatValue } from '../data/units.ts'
import { NoData } from '../shell/states.tsx'
import { cssColor } from '../shell/theme.ts'
import { useSize } from '../shell/use-size.ts'
import { timeAxis } from './axes.ts'
import { boxDrag, onBox } from './box-select.ts'
import { ChartTooltip, type TooltipState } from './chart-tooltip.tsx'
import { ExemplarMarks, type Mark, placeExemplars } from './exemplars.tsx'
import { boxIn, type Cells, toCells } from './heatmap-cells.ts'
import type { PanelProps } from './props.ts'
import { Chart, CROSSHAIR } from './uplot.tsx'

interface HeatmapOptions {
  color?: { scheme?: string; reverse?: boolean; exponent?: number }
  yAxis?: { unit?: string; decimals?: number }
  cellGap?: number
}

export function Heatmap({ panel, data }: PanelProps) {
  const options = (panel.options ?? {}) as HeatmapOptions
  const unit = options.yAxis?.unit ?? panel.fieldConfig?.defaults?.unit
  const cells = useMemo(() => {
    const columns = data.frames.flatMap((frame) =>
      numberFields(frame).map((field) => ({
        name: displayName(field, frame),
        values: field.values as (number | null)[],
      })),
    )
    return toCells((data.frames[0] && (timeField(data.frames[0])?.values as number[])) ?? [], columns)
  }, [data.frames])
  const [tooltip, setTooltip] = useState<TooltipState>()
  const [plot, setPlot] = useState<{ marks: readonly Mark[]; left: number; top: number }>({
    marks: [],
    left: 0,
    top: 0,
  })
  const [box, size] = useSize<HTMLDivElement>()
  const drawn = useRef({ cells, data })
  drawn.current = { cells, data }

  const onDraw = useCallback((u: uPlot) => {
    const { cells: now, data: latest } = drawn.current
    const marks = placeExemplars(u, latest.exemplars, ({ value }) => {
      const row = now.bounds.findIndex((bound) => value <= bound)
      return row < now.first || row > now.last ? undefined : u.valToPos(row + 0.5, 'y')
    })
    setPlot({ marks, left: u.over.offsetLeft, top: u.over.offsetTop })
  }, [])
  const spans = useMemo(() => spansOf(panel, data), [panel, data.variables])
  const onSelect = useCallback(
    (u: uPlot) => {
      const { cells: now, data: latest } = drawn.current
      const between = (low: number, high: number) => durationFilter(boxIn(now, low, high))
      onBox(u, spans === undefined ? undefined : { spans, range: latest.range, between })
    },
    [spans],
  )
  const onCursor = useCallback((u: uPlot) => setTooltip(cellTooltip(u, drawn.current.cells, unit)), [unit])

  const shape = JSON.stringify([data.range, cells.bounds, cells.first, cells.last, options, spans])
  // `shape` is what the options depend on, compared by value
  const chart = useMemo(
    (): Omit<uPlot.Options, 'width' | 'height'> => ({
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: CROSSHAIR, setSeries: false },
        drag: boxDrag(spans !== undefined),
        points: { show: false },
      },
      scales: {
        x: { time: true, min: data.range.from / 1000, max: data.range.to / 1000, auto: false },
        y: { range: () => [drawn.current.cells.first, drawn.current.cells.last + 1] },
      },
      axes: [timeAxis(), bucketAxis(() => drawn.current.cells, unit)],
      series: [{}, { scale: 'y', paths: () => null, points: { show: false } }],
      hooks: {
        drawClear: [(u) => drawCells(u, drawn.current.cells, options)],
        draw: [onDraw],
        setCursor: [onCursor],
        setSelect: [onSelect],
      },
    }),
    [shape],
  )
  const columns = useMemo(
    () => [cells.times.map((time) => time / 1000), cells.times.map(() => cells.first)] as unknown as uPlot.AlignedData,
    [cells],
  )
  if (cells.most === 0) return <NoData hint="No requests were counted in this time range." />
  return (
    <div class="timeseries">
      <div class="chart-box" ref={box}>
        <Chart
          options={chart}
          data={columns}
          {...size}
          shape={shape}
          label={`${panel.title ?? 'Heatmap'}: ${describe(cells, unit)}`}
        />
        <ExemplarMarks marks={plot.marks} offset={plot} config={{ ...(unit && { unit }) }} />
        {spans !== undefined && <p class="heatmap-hint">Draw a box: what differs in it?</p>}
        <ChartTooltip state={tooltip} />
      </div>
    </div>
  )
}

/** TraceQL for what the panel counts; undefined where that is no requests. */
function spansOf(panel: PanelProps['panel'], { variables }: PanelData): string | undefined {
  const [expr] = (panel.targets ?? []).flatMap(({ expr: one }) => one ?? [])
  return expr === undefined ? undefined : spansOfMetric(interpolate(expr, variables, 'promql'))
}

const boundText = (bound: number, unit: string | undefined): string =>
  Number.isFinite(bound) ? formatValue(bound, { unit }) : '∞'

function bucketAxis(cells: () => Cells, unit: string | undefined): uPlot.Axis {
  return {
    scale: 'y',
    side: 3,
    stroke: () => cssColor('var(--muted)'),
    grid: { show: false },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
    size: 58,
    gap: 6,
    splits: (u) => {
      const { first, last } = cells()
      const every = Math.max(Math.ceil(((last - first + 1) * 16) / (u.over.clientHeight || u.height - 40)), 1)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i + 1).filter((_bound, i) => i % every === 0)
    },
    values: (_u, splits) => splits.map((split) => boundText(cells().bounds[split - 1] ?? 0, unit)),
  }
}

function drawCells(u: uPlot, cells: Cells, { color, cellGap = 1 }: HeatmapOptions): void {
  const { ctx } = u
  const step = cells.stepMs / 1000
  // Lines between columns of a few pixels would be all one sees.
  const wide = u.valToPos(step, 'x') - u.valToPos(0, 'x') > 5
  const gap = wide ? cellGap * devicePixelRatio : 0
  ctx.save()
  ctx.beginPath()
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height)
  ctx.clip()
  for (const [column, time] of cells.times.entries()) {
    const right = u.valToPos(time / 1000, 'x', true)
    const left = u.valToPos(time / 1000 - step, 'x', true)
    for (let row = cells.first; row <= cells.last; row++) {
      const count = cells.counts[row]?.[column] ?? 0
      if (count <= 0) continue
      // The exponent lifts small counts off the dark end: one slow request among thousands must be seen.
      ctx.fillStyle = schemeColor(
        color?.scheme ?? 'Oranges',
        0.12 + 0.88 * (count / cells.most) ** (color?.exponent ?? 0.5),
      )
      const top = u.valToPos(row + 1, 'y', true)
      const bottom = u.valToPos(row, 'y', true)
      ctx.fillRect(left, top, Math.max(right - left - gap, 1), Math.max(bottom - top - gap, 1))
    }
  }
  ctx.restore()
}

function cellTooltip(u: uPlot, cells: Cells, unit: string | undefined): TooltipState | undefined {
  const { left = -1, top = -1, event } = u.cursor
  if (left < 0 || top < 0 || !event) return undefined
  const row = Math.floor(u.posToVal(top, 'y'))
  const time = u.posToVal(left, 'x') * 1000
  const column = cells.times.findIndex((end) => time <= end)
  const count = cells.counts[row]?.[column]
  if (count === undefined || count === null) return undefined
  const box = u.over.getBoundingClientRect()
  const from = row > 0 ? boundText(cells.bounds[row - 1]!, unit) : '0'
  const rows = [
    {
      name: `${from} to ${boundText(cells.bounds[row]!, unit)}`,
      color: 'var(--accent)',
      value: count,
      text: formatValue(count, { unit: 'short' }),
    },
  ]
  return { left: box.left + left, top: box.top + top, timeMs: cells.times[column] ?? time, rows }
}

function describe(cells: Cells, unit: string | undefined): string {
  return `requests by duration, between ${boundText(cells.bounds[cells.first - 1] ?? 0, unit)} and ${boundText(cells.bounds[cells.last] ?? 0, unit)}`
}
