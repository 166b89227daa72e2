/**
 * Found traces by start and duration, those with an error red: hover names one, a click opens it, a drag sideways is a time range,
 * a box asks what differs in it. With the keyboard: the arrows walk from trace to trace, Enter opens one.
 */
import { counted } from '@sightline/contracts/counted'
import { useCallback, useMemo, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import type { TraceRow } from '../data/found-traces.ts'
import { localDateTime, type TimeRange } from '../data/time-range.ts'
import { formatValue } from '../data/units.ts'
import { cssColor } from '../shell/theme.ts'
import { keepingTime, navigate } from '../shell/url.ts'
import { useSize } from '../shell/use-size.ts'
import { timeAxis, valueAxis } from './axes.ts'
import { boxDrag, onBox } from './box-select.ts'
import { ChartTooltip } from './chart-tooltip.tsx'
import { type DurationScale, heightOf, lengthBetween, marksOf, nearest, scaleFor } from './scatter-points.ts'
import { Chart, CROSSHAIR } from './uplot.tsx'
import './chart.css'
import './trace-scatter.css'

interface TraceScatterProps {
  readonly rows: readonly TraceRow[]
  /** The time axis. */
  readonly span: TimeRange
  /** What the page looks at: a box compares within it. */
  readonly range: TimeRange
  /** TraceQL for what the search found, as a comparison takes it. */
  readonly spans: string
  readonly hrefOf: (row: TraceRow) => string
}

interface Point {
  readonly row: TraceRow
  /** CSS pixels inside the plot. */
  readonly x: number
  readonly y: number
}

/** Pixels around the pointer in which a trace is meant. */
const REACH = 14

export function TraceScatter({ rows, span, range, spans, hrefOf }: TraceScatterProps) {
  const [box, size] = useSize<HTMLDivElement>()
  // Those with an error lie on top, and no one hides behind a later one.
  const drawn = useMemo(() => rows.toSorted((a, b) => rank(a) - rank(b) || a.start - b.start), [rows])
  const byTime = useMemo(() => rows.toSorted((a, b) => a.start - b.start), [rows])
  const scale = useMemo(() => scaleFor(rows.map(({ duration }) => duration)), [rows])
  const [plot, setPlot] = useState<{ points: readonly Point[]; left: number; top: number }>({
    points: [],
    left: 0,
    top: 0,
  })
  const [hovered, setHovered] = useState<Point>()
  const [walked, setWalked] = useState<string>()
  const latest = useRef({ drawn, scale, range, spans, points: plot.points })
  latest.current = { drawn, scale, range, spans, points: plot.points }

  const onDraw = useCallback((u: uPlot) => {
    const points = placed(u, latest.current.drawn, latest.current.scale)
    drawPoints(u, points)
    setPlot({ points, left: u.over.offsetLeft, top: u.over.offsetTop })
  }, [])
  const onCursor = useCallback((u: uPlot) => {
    const { left = -1, top = -1, event } = u.cursor
    // Without an event the crosshair of another chart moves this one.
    setHovered(event && left >= 0 && top >= 0 ? nearest(latest.current.points, left, top, REACH) : undefined)
  }, [])
  const onSelect = useCallback((u: uPlot) => {
    const { scale: now, range: within, spans: of } = latest.current
    onBox(u, { spans: of, range: within, between: (low, high) => lengthBetween(now, low, high) })
  }, [])

  const shape = JSON.stringify([span, scale])
  // `shape` is what the options depend on, compared by value
  const chart = useMemo(
    (): Omit<uPlot.Options, 'width' | 'height'> => ({
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: CROSSHAIR, setSeries: false }, drag: boxDrag(true), points: { show: false } },
      scales: {
        x: { time: true, min: span.from / 1000, max: span.to / 1000, auto: false },
        y: { distr: scale.log ? 3 : 1, range: () => [scale.low, scale.high] },
      },
      axes: [
        timeAxis(),
        { ...valueAxis({ scale: 'y', unit: 'ms' }), ...(scale.log && { splits: () => marksOf(scale) }) },
      ],
      series: [{}, { scale: 'y', paths: () => null, points: { show: false } }],
      hooks: { draw: [onDraw], setCursor: [onCursor], setSelect: [onSelect] },
    }),
    [shape],
  )
  const columns = useMemo(
    () => [byTime.map(({ start }) => start / 1000), byTime.map(({ duration }) => heightOf(duration, scale))],
    [byTime, scale],
  ) as unknown as uPlot.AlignedData

  const shown = hovered ?? plot.points.find(({ row }) => row.id === walked)
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const at = byTime.findIndex(({ id }) => id === walked)
    const to = { ArrowRight: at + 1, ArrowLeft: at < 0 ? byTime.length - 1 : at - 1, Home: 0, End: byTime.length - 1 }[
      event.key
    ]
    if (to !== undefined) setWalked(byTime[Math.min(Math.max(to, 0), byTime.length - 1)]?.id)
    else if (event.key === 'Enter' && at >= 0) navigate(hrefOf(byTime[at]!))
    else if (event.key === 'Escape' && at >= 0) setWalked(undefined)
    else return
    event.preventDefault()
  }
  const failed = rows.filter(({ status }) => status === 'error').length
  return (
    <section class="trace-scatter" aria-label="Traces by start and duration">
      <div
        class="chart-box"
        ref={box}
        role="application"
        tabIndex={0}
        aria-label={`${counted(rows.length, 'trace')} by start and duration, ${failed} with an error; arrows walk along them, Enter opens one`}
        onKeyDown={onKey}
        onBlur={() => setWalked(undefined)}
        onClick={(event) => hovered && open(hrefOf(hovered.row), event)}
      >
        <Chart options={chart} data={columns} {...size} shape={shape} label="Traces by start and duration" />
        {shown && (
          <span
            class={`scatter-ring ${shown.row.status}`}
            style={{ left: `${plot.left + shown.x}px`, top: `${plot.top + shown.y}px` }}
          />
        )}
        {hovered && <ChartTooltip state={tooltipOf(hovered, box.current!, plot)} />}
      </div>
      <p class="scatter-says" role="status">
        {walked && shown ? <Words row={shown.row} /> : <Legend failed={failed > 0} />}
      </p>
    </section>
  )
}

const rank = ({ status }: TraceRow): number => (status === 'error' ? 1 : 0)
const nameOf = ({ service, name }: TraceRow): string => [service, name].filter(Boolean).join(': ') || 'Trace'
const lengthOf = ({ duration }: TraceRow): string => (duration === 0 ? '< 1 ms' : formatValue(duration, { unit: 'ms' }))

/** As a link would: with Ctrl in a tab of its own. */
function open(href: string, event: MouseEvent): void {
  if (event.ctrlKey || event.metaKey) window.open(keepingTime(href), '_blank', 'noopener')
  else navigate(href)
}

const placed = (u: uPlot, rows: readonly TraceRow[], scale: DurationScale): Point[] =>
  rows.map((row) => ({
    row,
    x: u.valToPos(row.start / 1000, 'x'),
    y: u.valToPos(heightOf(row.duration, scale), 'y'),
  }))

/** More than this lie on each other. */
const CROWD = 400

/** Discs, and diamonds for those with an error: told apart without their colour, too. */
function drawPoints(u: uPlot, points: readonly Point[]): void {
  const { ctx } = u
  const ratio = devicePixelRatio
  const crowded = points.length > CROWD
  const colors = { error: cssColor('var(--error)'), ok: cssColor('var(--link)'), unset: cssColor('var(--link)') }
  ctx.save()
  ctx.beginPath()
  // The newest lie at the edge, and whole.
  const air = 6 * ratio
  ctx.rect(u.bbox.left - air, u.bbox.top - air, u.bbox.width + 2 * air, u.bbox.height + 2 * air)
  ctx.clip()
  ctx.translate(u.bbox.left, u.bbox.top)
  ctx.strokeStyle = cssColor('var(--panel)')
  ctx.lineWidth = 0.5 * ratio
  for (const { row, x, y } of points) {
    ctx.fillStyle = colors[row.status]
    ctx.globalAlpha = row.status === 'error' ? 0.95 : crowded ? 0.5 : 0.7
    ctx.beginPath()
    const [cx, cy] = [x * ratio, y * ratio]
    if (row.status === 'error') {
      const half = 5 * ratio
      ctx.moveTo(cx, cy - half)
      for (const [dx, dy] of [
        [half, 0],
        [0, half],
        [-half, 0],
      ] as const)
        ctx.lineTo(cx + dx, cy + dy)
      ctx.closePath()
    } else ctx.arc(cx, cy, (crowded ? 2.5 : 3.5) * ratio, 0, 2 * Math.PI)
    ctx.fill()
    ctx.stroke()
  }
  ctx.restore()
}

function tooltipOf({ row, x, y }: Point, box: HTMLElement, { left, top }: { left: number; top: number }) {
  const { left: boxLeft, top: boxTop } = box.getBoundingClientRect()
  const color = row.status === 'error' ? 'var(--error)' : 'var(--link)'
  const rows = [{ name: nameOf(row), color, value: row.duration, text: lengthOf(row) }]
  return { left: boxLeft + left + x, top: boxTop + top + y, timeMs: row.start, rows }
}

const Words = ({ row }: { row: TraceRow }) => (
  <>
    <b>{nameOf(row)}</b> · {lengthOf(row)} at {localDateTime(row.start)}
    {row.status === 'error' && <span class="error-text"> · with an error</span>}
  </>
)

const Legend = ({ failed }: { failed: boolean }) => (
  <span class="muted">
    <i class="scatter-dot" aria-hidden="true" /> a trace
    {failed && (
      <>
        {' '}
        <i class="scatter-dot error" aria-hidden="true" /> with an error
      </>
    )}
    . Click one to open it, drag sideways for a time range, draw a box: what differs in it?
  </span>
)
