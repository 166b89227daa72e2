/**
 * The rows of a trace. Only those in sight are in the page, so ten thousand spans scroll like ten. As a tree it is walked
 * with the arrow keys: up and down move, left and right close and open, Enter shows a span's details.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import type { Segment, Span, SpanNode } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { Icon } from '../shell/icons.tsx'
import type { Window } from './overview.tsx'

const ROW = 26
const OVERSCAN = 8

interface WaterfallProps {
  readonly rows: readonly SpanNode[]
  readonly window: Window
  readonly path: ReadonlyMap<string, readonly Segment[]>
  readonly collapsed: ReadonlySet<string>
  readonly onToggle: (spanId: string) => void
  readonly selected: string | undefined
  readonly onSelect: (spanId: string | undefined) => void
  /** Undefined: nothing is searched for. */
  readonly found: ReadonlySet<string> | undefined
  readonly marked: ReadonlySet<string>
  readonly traceStart: bigint
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
      page: Math.floor(view.height / ROW),
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

  const first = Math.max(Math.floor(view.top / ROW) - OVERSCAN, 0)
  const last = Math.min(Math.ceil((view.top + view.height) / ROW) + OVERSCAN, rows.length)
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
        <div class="waterfall-space" role="presentation" style={{ height: `${rows.length * ROW}px` }}>
          {rows.slice(first, last).map((node, i) => (
            <Row
              key={node.span.spanId}
              {...props}
              node={node}
              top={(first + i) * ROW}
              active={first + i === active}
              onActive={() => setActive(first + i)}
            />
          ))}
        </div>
      </div>
    </div>
  )
}

const rowId = (span: Span): string => `span-${span.spanId}`

function reveal(box: HTMLElement | null, index: number): void {
  if (!box) return
  const top = index * ROW
  if (top < box.scrollTop) box.scrollTop = Math.max(top - ROW, 0)
  else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW * 2 - box.clientHeight
}

interface KeyContext {
  active: number
  count: number
  page: number
  collapsed: ReadonlySet<string>
  parent: () => number
}

interface KeyAction {
  move?: number
  toggle?: boolean
  open?: boolean
  close?: boolean
  find?: boolean
  step?: 1 | -1
}

function keyAction(
  key: string,
  row: SpanNode,
  { active, count, page, collapsed, parent }: KeyContext,
): KeyAction | undefined {
  const closed = collapsed.has(row.span.spanId)
  const hasChildren = row.children.length > 0
  if (key === 'ArrowDown' || key === 'j') return { move: active + 1 }
  if (key === 'ArrowUp' || key === 'k') return { move: active - 1 }
  if (key === 'PageDown') return { move: active + page }
  if (key === 'PageUp') return { move: active - page }
  if (key === 'Home') return { move: 0 }
  if (key === 'End') return { move: count - 1 }
  if (key === 'ArrowRight') return closed ? { toggle: true } : hasChildren ? { move: active + 1 } : undefined
  if (key === 'ArrowLeft') return hasChildren && !closed ? { toggle: true } : { move: parent() }
  if (key === 'Enter' || key === ' ') return { open: true }
  if (key === 'Escape') return { close: true }
  if (key === '/') return { find: true }
  if (key === 'n') return { step: 1 }
  if (key === 'N') return { step: -1 }
  return undefined
}

function parentIndex(rows: readonly SpanNode[], index: number): number {
  const depth = rows[index]!.depth
  for (let i = index - 1; i >= 0; i--) if (rows[i]!.depth < depth) return i
  return index
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

interface RowProps extends WaterfallProps {
  readonly node: SpanNode
  readonly top: number
  readonly active: boolean
  readonly onActive: () => void
}

function Row({
  node,
  top,
  active,
  onActive,
  window,
  path,
  collapsed,
  onToggle,
  selected,
  onSelect,
  found,
  marked,
  traceStart,
}: RowProps) {
  const { span } = node
  const closed = collapsed.has(span.spanId)
  const color = serviceColor(span.service)
  const classes = ['span-row']
  if (active) classes.push('active')
  if (selected === span.spanId) classes.push('selected')
  if (found && !found.has(span.spanId)) classes.push('dimmed')
  if (found?.has(span.spanId)) classes.push('found')
  if (marked.has(span.spanId)) classes.push('marked')
  const choose = () => {
    onActive()
    onSelect(selected === span.spanId ? undefined : span.spanId)
  }
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree around it has the keyboard, by aria-activedescendant
    // biome-ignore lint/a11y/useFocusableInteractive: see above
    <div
      id={rowId(span)}
      class={classes.join(' ')}
      role="treeitem"
      aria-level={node.depth + 1}
      aria-expanded={node.children.length ? !closed : undefined}
      aria-selected={selected === span.spanId}
      style={{ top: `${top}px` }}
      onClick={choose}
    >
      <span class="span-name" style={{ paddingLeft: `${Math.min(node.depth, 24) * 14 + 6}px` }}>
        {node.children.length > 0 ? (
          <span
            class="twisty"
            aria-hidden="true"
            onClick={(event) => {
              event.stopPropagation()
              onActive()
              onToggle(span.spanId)
            }}
          >
            <Icon name={closed ? 'chevron-right' : 'chevron-down'} />
          </span>
        ) : (
          <span class="twisty" />
        )}
        <span class="span-color" style={{ background: color }} />
        <b>{span.service}</b>
        <span class="span-operation" title={span.name}>
          {span.name}
        </span>
        {span.status === 'error' && (
          <span class="span-error" role="img" aria-label="error" title={span.statusMessage || 'error'}>
            !
          </span>
        )}
        {node.orphan && (
          <span class="span-orphan" title="Its parent is not in the stored trace">
            no parent
          </span>
        )}
        {closed && <span class="span-count">+{node.size - 1}</span>}
      </span>
      <Bar span={span} color={color} window={window} segments={path.get(span.spanId) ?? []} traceStart={traceStart} />
    </div>
  )
}

interface BarProps {
  readonly span: Span
  readonly color: string
  readonly window: Window
  readonly segments: readonly Segment[]
  readonly traceStart: bigint
}

function Bar({ span, color, window, segments, traceStart }: BarProps) {
  const width = window.to - window.from || 1
  const percent = (time: number) => ((time - window.from) / width) * 100
  const left = percent(span.start)
  const right = percent(span.start + span.duration)
  const inside = right >= 0 && left <= 100
  const from = Math.max(left, 0)
  const to = Math.min(right, 100)
  // The text stands where there is room: after the bar, else before it, else inside.
  const inner = to >= 88 && from <= 12
  const label =
    to < 88 ? { left: `calc(${to}% + 6px)` } : from > 12 ? { right: `calc(${100 - from}% + 6px)` } : { right: '6px' }
  return (
    <span class="span-track">
      {inside && (
        <>
          <span
            class={`span-bar${span.status === 'error' ? ' error' : ''}`}
            style={{ left: `${from}%`, width: `max(2px, ${to - from}%)`, background: color }}
          />
          {segments.map((segment) => (
            <span
              key={segment.start}
              class="span-path"
              style={{
                left: `${Math.max(percent(segment.start), 0)}%`,
                width: `${Math.max(Math.min(percent(segment.end), 100) - Math.max(percent(segment.start), 0), 0)}%`,
              }}
            />
          ))}
          {span.events.map((event, i) => {
            const place = percent(Number(event.timeNs - traceStart))
            return (
              place >= 0 &&
              place <= 100 && (
                <span
                  key={`${event.name}/${i}`}
                  class={`span-event${event.name === 'exception' ? ' exception' : ''}`}
                  style={{ left: `${place}%` }}
                  title={event.name}
                />
              )
            )
          })}
          <span class={`span-duration${inner ? ' inner' : ''}`} style={label}>
            {formatNanos(span.duration)}
          </span>
        </>
      )}
    </span>
  )
}
