/**
 * The rows of a trace. Only those in sight are in the page, so ten thousand spans scroll like ten. As a tree it is walked
 * by the keys of `SPAN_KEYS`; those of `AXIS_KEYS`, or the wheel with Ctrl, look closer at a stretch of time.
 */
import { useEffect, useState } from 'preact/hooks'
import { AXIS_KEYS, SPAN_KEYS } from '../data/keys.ts'
import type { SpanNode } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { type Window, windowKey } from '../data/window.ts'
import { useKeyTable } from '../shell/keys.ts'
import { useRows } from '../shell/use-rows.ts'
import { useWheelZoom } from './use-wheel-zoom.ts'
import { keyAction, parentIndex } from './waterfall-keys.ts'
import { ROW_HEIGHT, type RowContext, rowId, WaterfallRow } from './waterfall-row.tsx'
import './waterfall.css'

interface WaterfallProps extends RowContext {
  readonly rows: readonly SpanNode[]
  /** Nanoseconds the time axis spans when all of it is in sight. */
  readonly full: number
  readonly onWindow: (window: Window) => void
  readonly onFind: () => void
  readonly onStep: (by: 1 | -1) => void
}

export function Waterfall(props: WaterfallProps) {
  const { rows, window, full, onWindow, collapsed, onToggle, selected, onSelect } = props
  const { scroller, first, last, page, reveal } = useRows(rows.length, ROW_HEIGHT)
  const [active, setActive] = useState(0)
  useKeyTable(SPAN_KEYS)
  useKeyTable(AXIS_KEYS)
  const index = selected ? rows.findIndex((row) => row.span.spanId === selected) : -1
  useWheelZoom(scroller, props, '.span-track')

  useEffect(() => {
    if (index < 0) return
    setActive(index)
    reveal(index)
  }, [index])

  const move = (to: number) => {
    const next = Math.min(Math.max(to, 0), rows.length - 1)
    setActive(next)
    reveal(next)
    if (selected) onSelect(rows[next]!.span.spanId)
  }
  const onKey = (event: KeyboardEvent) => {
    const row = rows[active]
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return
    const action = keyAction(event.key, row, {
      active,
      count: rows.length,
      page,
      collapsed,
      parent: () => parentIndex(rows, active),
    })
    const looked = windowKey(event.key, window, full)
    if (looked) onWindow(looked)
    if (!action && !looked) return
    event.preventDefault()
    if (!action) return
    if (action.move !== undefined) move(action.move)
    if (action.toggle) onToggle(row.span.spanId)
    if (action.open) onSelect(selected === row.span.spanId ? undefined : row.span.spanId)
    if (action.close) onSelect(undefined)
    if (action.find) props.onFind()
    if (action.step) props.onStep(action.step)
  }

  return (
    <div class="waterfall">
      <div class="waterfall-head">
        <span>Service &amp; operation</span>
        <Ticks window={window} />
      </div>
      <div
        class="waterfall-rows"
        ref={scroller}
        role="tree"
        tabIndex={0}
        aria-label="Spans"
        aria-activedescendant={rows[active] && active >= first && active < last ? rowId(rows[active]!.span) : undefined}
        onKeyDown={onKey}
      >
        <div class="waterfall-space" role="presentation" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
          {rows.slice(first, last).map((node, i) => (
            <WaterfallRow
              key={node.span.spanId}
              {...props}
              node={node}
              index={first + i}
              active={first + i === active}
              onActive={setActive}
            />
          ))}
        </div>
      </div>
    </div>
  )
}

export function Ticks({ window }: { window: Window }) {
  const width = window.to - window.from
  return (
    <span class="ticks" aria-hidden="true">
      {[0, 0.25, 0.5, 0.75, 1].map((place) => (
        <span key={place} style={{ left: `${place * 100}%` }}>
          {formatNanos(window.from + width * place)}
        </span>
      ))}
    </span>
  )
}
