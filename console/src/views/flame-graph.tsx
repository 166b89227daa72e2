/**
 * A flame graph on a canvas as large as what is in sight, so that ten thousand boxes cost what is seen of them. What the box
 * under the pointer, or under the keyboard, is stands in words below it.
 */
import type { RefObject } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { type Flame, type FlameBox, flameNeighbour } from '../data/flame.ts'
import { AXIS_KEYS, FLAME_KEYS, meaningOf } from '../data/keys.ts'
import type { Segment } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { type Window, windowKey } from '../data/window.ts'
import { useKeyTable } from '../shell/keys.ts'
import { useDark } from '../shell/theme.ts'
import { useScrolled } from '../shell/use-scrolled.ts'
import { useSize } from '../shell/use-size.ts'
import { boxAt, drawFlame, FLAME_ROW } from './flame-drawing.ts'
import { useWheelZoom } from './use-wheel-zoom.ts'
import { Ticks } from './waterfall.tsx'
import './flame-graph.css'

interface FlameGraphProps {
  readonly flame: Flame
  readonly window: Window
  readonly onWindow: (window: Window) => void
  readonly label: string
  /** The span whose details are shown. */
  readonly selected?: string | undefined
  /** A box was clicked, or Enter pressed on it; undefined: Escape. */
  readonly onSelect?: (box: FlameBox | undefined) => void
  /** Ids of spans; the others are drawn pale. Undefined: nothing is searched for. */
  readonly found?: ReadonlySet<string> | undefined
  /** The stretches of the critical path, by span id. */
  readonly path?: ReadonlyMap<string, readonly Segment[]>
  readonly onFind?: () => void
}

export function FlameGraph(props: FlameGraphProps) {
  const { flame, window, onWindow, label, selected, onSelect, found, path } = props
  const scroller = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [sheet, { width }] = useSize<HTMLDivElement>()
  const { top, height } = useSight(scroller)
  useKeyTable(FLAME_KEYS)
  useKeyTable(AXIS_KEYS)
  const dark = useDark()
  const [hovered, setHovered] = useState<FlameBox>()
  const [walked, setWalked] = useState<FlameBox>()
  const chosen = useMemo(() => boxOfSpan(flame, selected), [flame, selected])
  const present = hovered ?? walked ?? chosen
  useWheelZoom(scroller, { window, full: flame.full, onWindow })
  useEffect(() => {
    setHovered(undefined)
    setWalked(undefined)
  }, [flame])

  // `dark` changes the colours read while drawing
  useLayoutEffect(() => {
    if (canvas.current && width && height)
      drawFlame(canvas.current, { flame, window, width, height, top, chosen, walked, hovered, found, path })
  }, [flame, window, width, height, top, chosen, walked, hovered, found, path, dark])

  const under = (event: MouseEvent): FlameBox | undefined => {
    const bounds = canvas.current!.getBoundingClientRect()
    return boxAt(flame, window, width, event.clientX - bounds.left, event.clientY - bounds.top + top)
  }
  const show = (box: FlameBox) => {
    setHovered(undefined)
    setWalked(box)
    const row = scroller.current!
    const y = box.row * FLAME_ROW
    if (y < row.scrollTop || y + FLAME_ROW > row.scrollTop + height) row.scrollTop = y - height / 2
    if (box.to < window.from || box.from > window.to) onWindow(around(box, flame.full))
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const from = walked ?? chosen
    const to = from ? flameNeighbour(flame, from, event.key) : flame.rows[0]?.[0]
    const looked = windowKey(event.key, window, flame.full)
    const does = meaningOf(FLAME_KEYS, event.key)
    if (looked) onWindow(looked)
    else if (does === 'open' && from) onSelect?.(from)
    else if (does === 'closer' && from) onWindow({ from: from.from, to: Math.max(from.to, from.from + 1) })
    else if (does === 'close') onSelect?.(undefined)
    else if (does === 'find' && props.onFind) props.onFind()
    else if (does && MOVES.includes(does)) to && show(to)
    else return
    event.preventDefault()
  }
  return (
    <div class="flame-graph">
      <div class="flame-axis">
        <Ticks window={window} />
      </div>
      <div
        class="flame-scroller"
        ref={scroller}
        role="application"
        tabIndex={0}
        aria-label={`${label}: arrows walk along it, Enter opens, z looks closer at a box, 0 at all`}
        onKeyDown={onKey}
        onPointerMove={(event) => setHovered(under(event))}
        onPointerLeave={() => setHovered(undefined)}
        onClick={(event) => {
          const box = under(event)
          setWalked(box)
          if (box) onSelect?.(box)
        }}
        onDblClick={(event) => {
          const box = under(event)
          if (box) onWindow({ from: box.from, to: Math.max(box.to, box.from + 1) })
        }}
      >
        <div class="flame-sheet" ref={sheet} style={{ height: `${flame.rows.length * FLAME_ROW}px` }}>
          <canvas ref={canvas} />
        </div>
      </div>
      <p class="flame-says" role="status">
        {present ? <Words box={present} full={flame.full} /> : <span class="muted">{HELP}</span>}
      </p>
    </div>
  )
}

const MOVES: readonly string[] = ['above', 'below', 'left', 'right', 'first']

const HELP = 'Point at a box for its numbers; click for its details, twice to look closer, Ctrl and the wheel to zoom.'

function Words({ box, full }: { box: FlameBox; full: number }) {
  const width = box.to - box.from
  return (
    <>
      <b>{box.service}</b> {box.name} · {formatNanos(width)} ({((width / (full || 1)) * 100).toFixed(1)}%), self{' '}
      {formatNanos(box.self)}
      {box.spanId === undefined && `, ${box.calls} call${box.calls === 1 ? '' : 's'}`}
      {box.errors > 0 && (
        <span class="error-text"> · {box.spanId === undefined ? `${box.errors} failed` : 'failed'}</span>
      )}
    </>
  )
}

const boxOfSpan = (flame: Flame, spanId: string | undefined): FlameBox | undefined => {
  if (!spanId) return undefined
  for (const row of flame.rows) for (const box of row) if (box.spanId === spanId) return box
  return undefined
}

/** A box in the middle, with as much before and after. */
const around = (box: FlameBox, full: number): Window => {
  const width = Math.max(box.to - box.from, full / 1000)
  return { from: Math.max(box.from - width, 0), to: Math.min(box.to + width, full) }
}

/** What of the element's content is in sight, in pixels. */
function useSight(ref: RefObject<HTMLElement | null>): { top: number; height: number } {
  const [sight, setSight] = useState({ top: 0, height: 0 })
  useScrolled(ref, ({ scrollTop: top, clientHeight: height }) =>
    setSight((old) => (old.top === top && old.height === height ? old : { top, height })),
  )
  return sight
}
