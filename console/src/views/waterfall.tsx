/**
 * The rows of a trace. Only those in sight are in the page, so ten thousand spans scroll like ten. As a tree it is walked
 * with the arrow keys: up and down move, left and right close and open, Enter shows a span's details.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { SpanNode } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import type { Window } from './overview.tsx'
import { keyAction, parentIndex } from './waterfall-keys.ts'
import { ROW_HEIGHT, type RowContext, rowId, WaterfallRow } from './waterfall-row.tsx'
import './waterfall.css'

/** Rows beyond either edge of what is in sight, so that scrolling shows no gap. */
const OVERSCAN = 8

interface WaterfallProps extends RowContext {
  readonly rows: readonly SpanNode[]
  readonly onFind: () => void
  readonly onStep: (by: 1 | -1) => void
}

export function Waterfall(props: WaterfallProps) {
  const { rows, window, collapsed, onToggle, selected, onSelect } = props
  const scroller = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 600 })
  const [active, setActive] = useState(0)
  const index = selected ? rows.findIndex((row) => row.span.spanId === selected) : -1

  useEffect(() => {
    const box = scroller.current
    if (!box) return undefined
    const measure = () => setView({ top: box.scrollTop, height: box.clientHeight })
    const observer = new ResizeObserver(measure)
    observer.observe(box)
    box.addEventListener('scroll', measure, { passive: true })
    return () => {
      observer.disconnect()
      box.removeEventListener('scroll', measure)
    }
  }, [])
  useEffect(() => {
    if (index < 0) return
    setActive(index)
    reveal(scroller.current, index)
  }, [index])

  const move = (to: number) => {
    const next = Math.min(Math.max(to, 0), rows.length - 1)
    setActive(next)
    reveal(scroller.current, next)
    if (selected) onSelect(rows[next]!.span.spanId)
  }
  const onKey = (event: KeyboardEvent) => {
    const row = rows[active]
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return
    const action = keyAction(event.key, row, {
      active,
      count: rows.length,
      page: Math.floor(view.height / ROW_HEIGHT),
      collapsed,
      parent: () => parentIndex(rows, active),
    })
    if (!action) return
    event.preventDefault()
    if (action.move !== undefined) move(action.move)
    if (action.toggle) onToggle(row.span.spanId)
    if (action.open) onSelect(selected === row.span.spanId ? undefined : row.span.spanId)
    if (action.close) onSelect(undefined)
    if (action.find) props.onFind()
    if (action.step) props.onStep(action.step)
  }

  const first = Math.max(Math.floor(view.top / ROW_HEIGHT) - OVERSCAN, 0)
  const last = Math.min(Math.ceil((view.top + view.height) / ROW_HEIGHT) + OVERSCAN, rows.length)
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
              onActive={() => setActive(first + i)}
            />
          ))}
        </div>
      </div>
    </div>
  )
}

function reveal(box: HTMLElement | null, index: number): void {
  if (!box) return
  const top = index * ROW_HEIGHT
  if (top < box.scrollTop) box.scrollTop = Math.max(top - ROW_HEIGHT, 0)
  else if (top + ROW_HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW_HEIGHT * 2 - box.clientHeight
}

function Ticks({ window }: { window: Window }) {
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
