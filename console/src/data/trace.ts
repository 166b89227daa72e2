/** A trace as the waterfall needs it: spans in order of the tree, with what each one alone took. */

export type AttributeValue = string | number | boolean | readonly AttributeValue[]
export type Attributes = Readonly<Record<string, AttributeValue>>

export interface SpanEvent {
  readonly name: string
  readonly timeNs: bigint
  readonly attributes: Attributes
}

export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
  readonly attributes: Attributes
}

export interface Span {
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  /** `server`, `client`, `internal`, `producer`, `consumer`, `unspecified` */
  readonly kind: string
  readonly status: 'unset' | 'ok' | 'error'
  readonly statusMessage: string
  /** Nanoseconds since the trace's first span began. */
  readonly start: number
  readonly duration: number
  readonly service: string
  readonly scope: string
  readonly attributes: Attributes
  readonly resource: Attributes
  readonly events: readonly SpanEvent[]
  readonly links: readonly SpanLink[]
}

export interface Trace {
  readonly traceId: string
  /** Nanoseconds since 1970 of the first span's begin. */
  readonly startNs: bigint
  /** Nanoseconds from the first begin to the last end. */
  readonly duration: number
  /** In no particular order. */
  readonly spans: readonly Span[]
}

export interface SpanNode {
  readonly span: Span
  readonly children: readonly SpanNode[]
  readonly depth: number
  /** Spans below this one, itself included. */
  readonly size: number
  /** Nanoseconds in which no child was running. */
  readonly selfTime: number
  /** Names a parent that isn't in the trace: it was lost, or not sampled. */
  readonly orphan: boolean
  /** Nanoseconds by which it begins before its parent, which only a wrong clock explains; 0 when it does not. */
  readonly precedes: number
  /** Nanoseconds by which it ends after its parent; 0 when it does not, or when that is the parent's wrong clock. */
  readonly outlives: number
  /** Nanoseconds by which the clock of its service is behind, for all that its trace tells. */
  readonly lag: number
}

/** Nanoseconds: two clocks of well-kept machines differ by no more. */
const CLOCKS_AGREE = 1_000_000
/** How far a lag is off, of itself: a call begins some time before it arrives. */
const LAG_IS_OFF = 0.01

/** Roots by start time; a span whose parent is missing is a root too, and a cycle of parents is cut. */
export function buildTree(trace: Trace): SpanNode[] {
  const known = new Set(trace.spans.map((span) => span.spanId))
  const childrenOf = new Map<string, Span[]>()
  for (const span of trace.spans) {
    const parent = known.has(span.parentSpanId) && span.parentSpanId !== span.spanId ? span.parentSpanId : ''
    const siblings = childrenOf.get(parent)
    if (siblings) siblings.push(span)
    else childrenOf.set(parent, [span])
  }
  const placed = new Set<string>()
  const nodesOf = (spans: readonly Span[], depth: number, parent?: SpanNode): Growing[] =>
    spans
      .filter((span) => !placed.has(span.spanId) && placed.add(span.spanId))
      .sort((a, b) => a.start - b.start || b.duration - a.duration)
      .map((span) => {
        const orphan = depth === 0 && span.parentSpanId !== ''
        return { span, children: [], depth, size: 1, selfTime: span.duration, orphan, ...besideParent(span, parent) }
      })
  const grow = (roots: readonly Growing[]): void => {
    const grown = depthFirst(roots, (node) => {
      node.children = nodesOf(childrenOf.get(node.span.spanId) ?? [], node.depth + 1, node)
      return node.children
    })
    for (const node of grown.reverse()) {
      node.size = node.children.reduce((total, child) => total + child.size, 1)
      node.selfTime = selfTime(node.span, node.children)
    }
  }
  const roots = nodesOf(childrenOf.get('') ?? [], 0)
  grow(roots)
  const cut = nodesOf(
    trace.spans.filter((span) => !placed.has(span.spanId)),
    0,
  )
  grow(cut)
  return [...roots, ...cut]
}

/**
 * Where a service's clock is behind, its spans begin before those of who called it, and end before those of whom it calls: only the
 * former are marked, the latter are on time.
 */
function besideParent(span: Span, parent: SpanNode | undefined): Pick<SpanNode, 'precedes' | 'outlives' | 'lag'> {
  if (parent === undefined) return { precedes: 0, outlives: 0, lag: 0 }
  const isOwn = span.service === parent.span.service
  // By one clock both are told as it has them; by two, the parent as it would be without its lag.
  const lag = isOwn ? 0 : parent.lag
  const early = parent.span.start + lag - span.start
  const precedes = early > CLOCKS_AGREE + lag * LAG_IS_OFF ? early : 0
  const late = span.start + span.duration - parent.span.start - parent.span.duration - lag
  return {
    precedes,
    outlives: late > lag * LAG_IS_OFF ? late : 0,
    lag: isOwn ? parent.lag : precedes,
  }
}

/** A node whose children are not known yet. */
interface Growing extends SpanNode {
  children: readonly Growing[]
  size: number
  selfTime: number
}

/** Each node before its children. Without recursion: chains of calls may be deeper than the stack. */
function depthFirst<T>(roots: readonly T[], childrenOf: (node: T) => readonly T[]): T[] {
  const visited: T[] = []
  const open = roots.toReversed()
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    visited.push(node)
    for (const child of childrenOf(node).toReversed()) open.push(child)
  }
  return visited
}

function selfTime(span: Span, children: readonly SpanNode[]): number {
  const end = span.start + span.duration
  let covered = 0
  let reached = span.start
  for (const { span: child } of children) {
    const from = Math.max(child.start, reached)
    const to = Math.min(child.start + child.duration, end)
    if (to > from) {
      covered += to - from
      reached = to
    }
  }
  return span.duration - covered
}

export interface Segment {
  readonly spanId: string
  readonly start: number
  readonly end: number
}

/**
 * The stretches that decided how long the trace took: walking back from the end, always into the child that finished
 * last before the point reached. Shortening any other stretch wouldn't have made the request faster. Segments ascend
 * and don't overlap.
 */
export function criticalPath(roots: readonly SpanNode[]): Segment[] {
  const root = roots.reduce<SpanNode | undefined>(
    (longest, node) => (!longest || node.span.duration > longest.span.duration ? node : longest),
    undefined,
  )
  if (!root) return []
  return walkBack(root).reverse()
}

/** A span on the path, as far as it has been walked. */
interface Walk {
  readonly spanId: string
  readonly from: number
  readonly until: number
  /** The last to end first. */
  readonly children: Iterator<SpanNode>
  reached: number
}

/**
 * A child may start before its parent or end after it (fire and forget, clocks that differ): what lies outside the
 * parent's stretch delayed nobody here.
 */
function startWalk({ span, children }: SpanNode, from: number, until: number): Walk {
  const byEnd = children.toSorted((a, b) => Math.min(endOf(b), until) - Math.min(endOf(a), until))
  return { spanId: span.spanId, from, until, children: byEnd.values(), reached: until }
}

/** Segments from the last to the first. */
function walkBack(root: SpanNode): Segment[] {
  const segments: Segment[] = []
  const open = [startWalk(root, root.span.start, endOf(root))]
  for (let walk = open.at(-1); walk; walk = open.at(-1)) {
    const { spanId, from, until, reached } = walk
    const { value: child, done } = walk.children.next()
    if (done) {
      if (reached > from) segments.push({ spanId, start: from, end: reached })
      open.pop()
      continue
    }
    const childEnd = Math.min(endOf(child), until)
    // A child that outlives what is already explained ran beside the path, not on it.
    if (childEnd > reached || childEnd <= from || child.span.start >= reached) continue
    if (childEnd < reached) segments.push({ spanId, start: childEnd, end: reached })
    walk.reached = Math.max(child.span.start, from)
    open.push(startWalk(child, walk.reached, childEnd))
  }
  return segments
}

/** Those within `from` to `to`, cut there; what lies closer together than `apart` is one: nobody could see the gap. */
export function joinedSegments(
  segments: readonly Segment[],
  { from, to }: { readonly from: number; readonly to: number },
  apart: number,
): Segment[] {
  const joined: Segment[] = []
  for (const { spanId, start, end } of segments) {
    if (end < from || start > to) continue
    const before = joined.at(-1)
    if (before && before.spanId === spanId && start - before.end < apart)
      joined[joined.length - 1] = { ...before, end: Math.min(end, to) }
    else joined.push({ spanId, start: Math.max(start, from), end: Math.min(end, to) })
  }
  return joined
}

const endOf = (node: SpanNode): number => node.span.start + node.span.duration

/** The rows on screen, top to bottom, leaving out what is below collapsed spans. */
export function visibleRows(roots: readonly SpanNode[], collapsed: ReadonlySet<string>): SpanNode[] {
  return depthFirst(roots, (node) => (collapsed.has(node.span.spanId) ? [] : node.children))
}

/** Ids of the spans whose name, service, status message, ids, attributes or events hold the text, any case. */
export function searchSpans(trace: Trace, text: string): Set<string> {
  const wanted = text.trim().toLowerCase()
  if (!wanted) return new Set()
  return new Set(trace.spans.filter((span) => haystack(span).includes(wanted)).map((span) => span.spanId))
}

/** Letters typed one after the other search the same spans. */
const haystacks = new WeakMap<Span, string>()

function haystack(span: Span): string {
  const known = haystacks.get(span) ?? haystackOf(span)
  haystacks.set(span, known)
  return known
}

function haystackOf(span: Span): string {
  const attributes = (all: Attributes) => Object.entries(all).map(([name, value]) => `${name}=${value}`)
  const events = span.events.flatMap((event) => [event.name, ...attributes(event.attributes)])
  const own = [span.spanId, span.service, span.name, span.kind, span.status, span.statusMessage]
  return [...own, ...attributes(span.attributes), ...attributes(span.resource), ...events].join('\n').toLowerCase()
}

export interface ServiceShare {
  readonly service: string
  readonly spans: number
  readonly errors: number
}

/** Services in order of first appearance. */
export function services(trace: Trace): ServiceShare[] {
  const shares = new Map<string, { service: string; spans: number; errors: number; first: number }>()
  for (const span of trace.spans) {
    const share = shares.get(span.service) ?? { service: span.service, spans: 0, errors: 0, first: span.start }
    share.spans++
    share.first = Math.min(share.first, span.start)
    if (span.status === 'error') share.errors++
    shares.set(span.service, share)
  }
  return [...shares.values()].sort((a, b) => a.first - b.first)
}
