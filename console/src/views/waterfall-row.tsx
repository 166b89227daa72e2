/** One span of the waterfall: its name in the tree, and its bar on the time axis. */
import { memo } from 'preact/compat'
import { serviceColor } from '../data/colors.ts'
import { joinedSegments, type Segment, type Span, type SpanNode } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import type { Window } from '../data/window.ts'
import { Icon } from '../shell/icons.tsx'

/** Pixels. */
export const ROW_HEIGHT = 26

export const rowId = (span: Span): string => `span-${span.spanId}`

/** What all rows of a waterfall have in common. */
export interface RowContext {
  readonly window: Window
  /** The stretches of the critical path, by span id. */
  readonly path: ReadonlyMap<string, readonly Segment[]>
  readonly collapsed: ReadonlySet<string>
  readonly onToggle: (spanId: string) => void
  readonly selected: string | undefined
  readonly onSelect: (spanId: string | undefined) => void
  /** Undefined: nothing is searched for. */
  readonly found: ReadonlySet<string> | undefined
  readonly marked: ReadonlySet<string>
  readonly traceStart: bigint
}

interface RowProps extends RowContext {
  readonly node: SpanNode
  /** Index among all rows. */
  readonly index: number
  readonly active: boolean
  readonly onActive: (index: number) => void
}

/** Drawn again only when something of it changes: scrolling is not that. */
export const WaterfallRow = memo(function WaterfallRow({
  node,
  index,
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
    onActive(index)
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
      style={{ top: `${index * ROW_HEIGHT}px` }}
      onClick={choose}
    >
      <span class="span-name" style={{ '--depth': Math.min(node.depth, 24) }}>
        {node.children.length > 0 ? (
          <span
            class="twisty"
            aria-hidden="true"
            onClick={(event) => {
              event.stopPropagation()
              onActive(index)
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
        {node.precedes > 0 && (
          <span
            class="span-precedes"
            title={`It begins ${formatNanos(node.precedes)} before its parent: the clock of ${span.service} may be behind, or that of its caller ahead`}
          >
            begins before parent
          </span>
        )}
        {node.outlives > 0 && (
          <span
            class="span-outlives"
            title={`It ends ${formatNanos(node.outlives)} after its parent: nobody waited for it, or two clocks differ`}
          >
            ends after parent
          </span>
        )}
        {closed && <span class="span-count">+{node.size - 1}</span>}
      </span>
      <Bar span={span} color={color} window={window} segments={path.get(span.spanId) ?? []} traceStart={traceStart} />
    </div>
  )
})

/** As fine as a bar is drawn: parts of the window that are told apart. */
const STEPS = 1000

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
          {joinedSegments(segments, window, width / STEPS).map((segment) => (
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
