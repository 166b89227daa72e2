/** Lines, areas, bars and points over time. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import { valueText } from '../data/field-config.ts'
import { useSize } from '../shell/use-size.ts'
import { ChartTooltip, type TooltipState } from './chart-tooltip.tsx'
import { ExemplarMarks, type Mark, placeExemplars } from './exemplars.tsx'
import { Legend } from './legend.tsx'
import { type Line, stack, toLines } from './lines.ts'
import type { PanelProps } from './props.ts'
import { buildOptions, scaleOf } from './timeseries-options.ts'
import { Chart } from './uplot.tsx'

interface LegendOptions {
  displayMode?: 'list' | 'table' | 'hidden'
  placement?: 'bottom' | 'right'
  showLegend?: boolean
  calcs?: string[]
}

export function TimeSeries({ panel, data }: PanelProps) {
  const { times, lines } = useMemo(() => toLines(data.frames), [data.frames])
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const [tooltip, setTooltip] = useState<TooltipState>()
  const [plot, setPlot] = useState<{ marks: readonly Mark[]; left: number; top: number }>({
    marks: [],
    left: 0,
    top: 0,
  })
  const [box, size] = useSize<HTMLDivElement>()
  const visible = useMemo(() => lines.filter((line) => !hidden.has(line.name)), [lines, hidden])
  const stacking = (visible[0]?.config.custom?.stacking as { mode?: string } | undefined)?.mode
  const stacked = stacking === 'normal' || stacking === 'percent'
  const columns = useMemo(
    () =>
      [
        times,
        ...(stacked ? stack(visible, stacking === 'percent') : visible.map((line) => line.values)),
      ] as unknown as uPlot.AlignedData,
    [times, visible, stacked, stacking],
  )
  const drawn = useRef({ visible, data })
  drawn.current = { visible, data }

  const onDraw = useCallback((u: uPlot) => {
    const { visible: latest, data: now } = drawn.current
    const scale = latest[0] ? scaleOf(latest[0]) : 'y'
    const marks = placeExemplars(u, now.exemplars, ({ value }) => {
      const y = u.valToPos(value, scale)
      // Beyond the axis' end a request is still worth a click: it sits on the upper edge.
      return Number.isFinite(y) && y <= u.over.clientHeight ? Math.max(y, 4) : undefined
    })
    const next = { marks, left: u.over.offsetLeft, top: u.over.offsetTop }
    setPlot((old) => (old.marks.length === 0 && marks.length === 0 && old.left === next.left ? old : next))
  }, [])
  const onCursor = useCallback((u: uPlot) => setTooltip(tooltipState(u, drawn.current.visible)), [])

  const shape = JSON.stringify([visible.map((line) => [line.name, line.color, line.config]), stacked, data.range])
  // `shape` is what the options depend on, compared by value
  const options = useMemo(
    () => buildOptions(visible, { range: data.range, stacked, stepMs: data.stepMs, onDraw, onCursor }),
    [shape],
  )
  useEffect(() => setTooltip(undefined), [shape])

  const legend = (panel.options?.legend ?? {}) as LegendOptions
  const showLegend = legend.showLegend !== false && legend.displayMode !== 'hidden'
  const right = legend.placement === 'right'
  const toggle = (name: string, add: boolean) => setHidden((old) => toggled(old, name, add, lines))
  return (
    <div class={`timeseries${right ? ' legend-right' : ''}`}>
      <div class="chart-box" ref={box}>
        <Chart options={options} data={columns} {...size} shape={shape} label={describe(panel.title, lines)} />
        <ExemplarMarks marks={plot.marks} offset={plot} config={visible[0]?.config ?? {}} />
        <ChartTooltip state={tooltip} />
      </div>
      {showLegend && (
        <Legend
          lines={lines}
          hidden={hidden}
          onToggle={toggle}
          calcs={legend.calcs ?? []}
          table={legend.displayMode === 'table'}
          right={right}
        />
      )}
    </div>
  )
}

function toggled(hidden: ReadonlySet<string>, name: string, add: boolean, lines: readonly Line[]): ReadonlySet<string> {
  const names = lines.map((line) => line.name)
  if (add) {
    const next = new Set(hidden)
    if (!next.delete(name)) next.add(name)
    return next
  }
  const alone = !hidden.has(name) && hidden.size === new Set(names).size - 1
  return alone ? new Set() : new Set(names.filter((other) => other !== name))
}

function tooltipState(u: uPlot, lines: readonly Line[]): TooltipState | undefined {
  const { idx, left, top, event } = u.cursor
  // Crosshairs moved by another chart show no card of their own.
  if (idx === null || idx === undefined || left === undefined || left < 0 || !event || top === undefined)
    return undefined
  const box = u.over.getBoundingClientRect()
  const rows = lines
    .map((line) => ({
      name: line.name,
      color: line.color,
      value: line.values[idx] ?? Number.NaN,
      text: valueText(line.config, line.values[idx] ?? null),
    }))
    .filter((row) => !Number.isNaN(row.value))
    .sort((a, b) => b.value - a.value)
  return { left: box.left + left, top: box.top + Math.max(top, 0), timeMs: (u.data[0][idx] ?? 0) * 1000, rows }
}

/** A screen reader gets the latest value of each line. */
function describe(title: string | undefined, lines: readonly Line[]): string {
  const latest = lines
    .slice(0, 8)
    .map((line) => `${line.name}: ${valueText(line.config, line.values.findLast((value) => value !== null) ?? null)}`)
  return `${title || 'Chart'}. ${latest.join('; ')}`
}
