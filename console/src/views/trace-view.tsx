/** One trace: header, overview, waterfall, and beside it the details of the chosen span. */
import { counted } from '@sightline/contracts/counted'
import type { ComponentChildren } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import { localDateTime } from '../data/time-range.ts'
import {
  buildTree,
  criticalPath,
  type Segment,
  type SpanNode,
  searchSpans,
  services,
  type Trace,
  visibleRows,
} from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import type { Window } from '../data/window.ts'
import { CopyButton } from '../shell/copy.tsx'
import { Icon } from '../shell/icons.tsx'
import { Overview } from './overview.tsx'
import { SpanDetails } from './span-details.tsx'
import { Waterfall } from './waterfall.tsx'
import './trace-view.css'

interface TraceViewProps {
  readonly trace: Trace
  readonly selected?: string | undefined
  readonly onSelect: (spanId: string | undefined) => void
  readonly search?: string
  readonly onSearch?: (text: string) => void
  /** Spans to mark, e.g. those that differ from another trace. */
  readonly marked?: ReadonlySet<string>
  /** Compared traces are drawn on one scale: nanoseconds the time axis spans at least. */
  readonly scale?: number
  readonly compact?: boolean
  /** What of the time axis is in sight, when it is kept elsewhere. */
  readonly window?: Window | undefined
  readonly onWindow?: (window: Window) => void
  /** What stands in place of the waterfall. */
  readonly body?: TraceBody | undefined
}

/** Another look at the same trace: it shares the search, the chosen span and the stretch of time. */
export interface TraceBody {
  /** It has a time axis, so that the overview over it means something. */
  readonly timed: boolean
  readonly draw: (parts: TraceParts) => ComponentChildren
}

export interface TraceParts {
  readonly trace: Trace
  readonly roots: readonly SpanNode[]
  /** Every span, in the order of the tree. */
  readonly nodes: readonly SpanNode[]
  readonly path: readonly Segment[]
  readonly pathBySpan: ReadonlyMap<string, readonly Segment[]>
  readonly window: Window
  readonly onWindow: (window: Window) => void
  readonly selected: string | undefined
  readonly onSelect: (spanId: string | undefined) => void
  /** Ids of spans; undefined: nothing is searched for. */
  readonly found: ReadonlySet<string> | undefined
  readonly onFind: () => void
}

const NOTHING: ReadonlySet<string> = new Set()

export function TraceView({
  trace,
  selected,
  onSelect,
  search,
  onSearch,
  marked = NOTHING,
  scale,
  compact = false,
  body,
  ...kept
}: TraceViewProps) {
  const roots = useMemo(() => buildTree(trace), [trace])
  const segments = useMemo(() => criticalPath(roots), [roots])
  const path = useMemo(() => bySpan(segments), [segments])
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(NOTHING)
  const [ownText, setOwnText] = useState('')
  const [showPath, setShowPath] = useState(true)
  const full = Math.max(trace.duration, scale ?? 0)
  const [ownWindow, setOwnWindow] = useState<Window>({ from: 0, to: full })
  useEffect(() => setOwnWindow({ from: 0, to: full }), [full])
  const window = kept.window ?? ownWindow
  const setWindow = kept.onWindow ?? setOwnWindow
  const text = search ?? ownText
  const found = useMemo(() => searchSpans(trace, text), [trace, text])
  const nodes = useMemo(() => visibleRows(roots, NOTHING), [roots])
  const rows = useMemo(() => visibleRows(roots, collapsed), [roots, collapsed])
  const matches = useMemo(() => (found.size ? nodes.filter((row) => found.has(row.span.spanId)) : []), [nodes, found])
  const searchBox = useRef<HTMLInputElement>(null)

  const step = (by: 1 | -1) => {
    if (matches.length === 0) return
    const at = matches.findIndex((row) => row.span.spanId === selected)
    const next = matches.at((at + by + (at === -1 && by === -1 ? 1 : 0)) % matches.length)!
    setCollapsed(NOTHING)
    onSelect(next.span.spanId)
  }
  const toggle = (spanId: string) => {
    const next = new Set(collapsed)
    if (!next.delete(spanId)) next.add(spanId)
    setCollapsed(next)
  }
  const collapseAll = () =>
    setCollapsed(
      collapsed.size
        ? NOTHING
        : new Set(rows.filter((row) => row.children.length && row.depth > 0).map((row) => row.span.spanId)),
    )
  const node = useMemo(() => nodes.find((row) => row.span.spanId === selected), [nodes, selected])
  const span = node?.span
  const onFind = () => searchBox.current?.focus()
  const timed = body?.timed ?? true

  return (
    <div class={`trace-view${compact ? ' compact' : ''}`}>
      <TraceHeader
        trace={trace}
        rootName={roots[0] ? `${roots[0].span.service}: ${roots[0].span.name}` : ''}
        compact={compact}
      />
      <div class="trace-tools">
        <label class="search-box">
          <Icon name="search" />
          <input
            ref={searchBox}
            type="search"
            value={text}
            placeholder="Find a span: name, attribute, value"
            aria-label="Find spans"
            data-find
            onInput={(event) => (onSearch ?? setOwnText)(event.currentTarget.value)}
            onKeyDown={(event) => event.key === 'Enter' && step(event.shiftKey ? -1 : 1)}
          />
        </label>
        {text && (
          <span class="matches" role="status">
            {matches.length} of {trace.spans.length}
            <button type="button" class="icon-button small" aria-label="Previous match" onClick={() => step(-1)}>
              <Icon name="up" />
            </button>
            <button type="button" class="icon-button small" aria-label="Next match" onClick={() => step(1)}>
              <Icon name="down" />
            </button>
          </span>
        )}
        {!body && (
          <button type="button" class="button" onClick={collapseAll}>
            {collapsed.size ? 'Expand all' : 'Collapse all'}
          </button>
        )}
        {timed && (
          <label class="check" title={PATH_LEGEND}>
            <input type="checkbox" checked={showPath} onChange={(event) => setShowPath(event.currentTarget.checked)} />{' '}
            <span class="path-sample" aria-hidden="true" /> Critical path
          </label>
        )}
        {timed && (window.from > 0 || window.to < full) && (
          <button type="button" class="button" onClick={() => setWindow({ from: 0, to: full })}>
            Whole trace
          </button>
        )}
      </div>
      {timed && <Overview rows={rows} full={full} window={window} onWindow={setWindow} />}
      <div class="trace-body">
        {body ? (
          body.draw({
            trace,
            roots,
            nodes,
            path: segments,
            pathBySpan: showPath || !timed ? path : NO_PATH,
            window,
            onWindow: setWindow,
            selected,
            onSelect,
            found: text ? found : undefined,
            onFind,
          })
        ) : (
          <Waterfall
            rows={rows}
            full={full}
            window={window}
            onWindow={setWindow}
            path={showPath ? path : NO_PATH}
            collapsed={collapsed}
            onToggle={toggle}
            selected={selected}
            onSelect={onSelect}
            found={text ? found : undefined}
            marked={marked}
            traceStart={trace.startNs}
            onFind={onFind}
            onStep={step}
          />
        )}
        {span && (
          <SpanDetails
            key={span.spanId}
            trace={trace}
            span={span}
            selfTime={node?.selfTime}
            onClose={() => onSelect(undefined)}
          />
        )}
      </div>
    </div>
  )
}

/** What the thin line along bars says. */
export const PATH_LEGEND =
  'The stretches the end had to wait for: walking back from the end, always into the child that finished last. ' +
  'Only making one of these shorter makes the whole shorter.'

const NO_PATH: ReadonlyMap<string, readonly Segment[]> = new Map()

function bySpan(segments: readonly Segment[]): ReadonlyMap<string, readonly Segment[]> {
  const map = new Map<string, Segment[]>()
  for (const segment of segments) {
    const known = map.get(segment.spanId)
    if (known) known.push(segment)
    else map.set(segment.spanId, [segment])
  }
  return map
}

function TraceHeader({ trace, rootName, compact }: { trace: Trace; rootName: string; compact: boolean }) {
  const shares = useMemo(() => services(trace), [trace])
  const errors = shares.reduce((total, share) => total + share.errors, 0)
  return (
    <div class="trace-header">
      <strong class="trace-title">{rootName}</strong>
      <span>{formatNanos(trace.duration)}</span>
      <span>{counted(trace.spans.length, 'span')}</span>
      <span>{counted(shares.length, 'service')}</span>
      {errors > 0 && <span class="error-text">{counted(errors, 'error')}</span>}
      <time class="muted">{localDateTime(Number(trace.startNs / 1_000_000n))}</time>
      {!compact && (
        <span class="trace-id">
          <code>{trace.traceId}</code> <CopyButton text={trace.traceId} label="Copy the trace id" iconOnly />
        </span>
      )}
      <span class="service-tags">
        {shares.map((share) => (
          <span key={share.service} class="service-tag" style={{ borderColor: serviceColor(share.service) }}>
            {share.service} <b>{share.spans}</b>
            {share.errors > 0 && <em> {share.errors} err</em>}
          </span>
        ))}
      </span>
    </div>
  )
}
