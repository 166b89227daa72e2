/** The tools that look into one trace: in brief, its critical path, one of its spans, its log lines. */
import { buildTree, criticalPath, type Span, type SpanNode, type Trace } from '@sightline/console/trace'
import { startError } from '@sightline/local/settings'
import { oneLine } from '@sightline/local/terminal'
import { z } from 'zod'
import { type Answer, type List, milliseconds, type Row, rounded, type Value } from './answer.ts'
import type { System } from './system.ts'
import { fetchTrace } from './tempo.ts'
import { defineTool, offset, traceId } from './tool.ts'
import { momentText } from './window.ts'

/** Rejects with a startError when there is none. */
export async function existingTrace(system: System, id: string): Promise<Trace> {
  const found = await fetchTrace(system, id)
  if (found) return found
  throw startError(
    `Tempo has no trace ${id}. A new one takes a second or two to arrive; an old one may be past retention, and where traces are sampled it may have been left out (docs/sampling.md). Newest traces: the tool traces.`,
  )
}

const ms = (ns: number) => rounded(ns / 1e6)
const spanId = z
  .string()
  .regex(/^[0-9a-f]{1,16}$/i, 'a span id has up to 16 hexadecimal digits')
  .transform((id) => id.toLowerCase().padStart(16, '0'))

export const trace = defineTool({
  name: 'trace',
  title: 'a trace in brief: errors, where its time went, and its tree',
  about:
    'One trace: what failed (deepest spans first), operations by self time, and the tree of spans with start, duration and self time (time in which no child ran). Alike siblings are one row with how often they were called. Page through the tree with offset, or ask for what lies below one span with below. Next: path for the critical path, span for one span, trace-logs for its log lines.',
  example: '4bf92f3577b34da6a3ce929d0e0e4736 --service order-service',
  positionals: ['trace'],
  parameters: {
    trace: traceId,
    below: spanId.optional().describe('a span id: only what lies below it'),
    service: z.string().optional().describe('only spans of this service'),
    every: z.boolean().default(false).describe('every span in a row of its own'),
    offset,
  },
  async run({ trace: id, below, service, every, offset }, system) {
    const found = await existingTrace(system, id)
    const roots = buildTree(found)
    const nodes = [...walk(roots)]
    const top = below === undefined ? roots : nodes.filter(({ span }) => span.spanId === below)
    if (top.length === 0) throw startError(`The trace ${id} has no span ${below}.`)
    const tree = treeRows(top, every).filter((row) => service === undefined || row.service === service)
    const isFirst = offset === 0 && below === undefined
    const shown = nodes.filter(({ span }) => service === undefined || span.service === service)
    return {
      facts: isFirst ? factsOf(found, roots) : { trace: id },
      lists: [
        ...(isFirst ? [errorsOf(shown, new Set(originsOf(nodes))), operationsOf(shown, service !== undefined)] : []),
        treeList(tree, offset),
      ],
      nothing: `No span of ${service} is in it.`,
    }
  },
})

function factsOf(trace: Trace, roots: readonly SpanNode[]): Row {
  const { traceId, startNs, duration, spans } = trace
  const orphans = roots.filter(({ orphan }) => orphan).length
  const [first] = roots
  return {
    trace: traceId.padStart(32, '0'),
    root: first ? `${first.span.service} ${first.span.name}` : null,
    start: momentText(startNs),
    duration_ms: ms(duration),
    spans: spans.length,
    services: [...new Set(spans.map(({ service }) => service))].slice(0, 20),
    failed_spans: spans.filter(({ status }) => status === 'error').length,
    ...(roots.length > 1 ? { roots: roots.length } : {}),
    ...(orphans > 0 ? { without_their_parent: orphans } : {}),
    ...odditiesOf(trace, roots),
  }
}

/** A child can't begin before its parent; clocks of two machines differ by less. */
const CLOCK_NS = 20e6
/** Spans of one trace arrive within so long. */
const ARRIVING_MS = 10_000

/** What can't be, or need not stay so. */
function odditiesOf({ startNs, duration }: Trace, roots: readonly SpanNode[]): Row {
  const early = [...walk(roots)]
    .flatMap(({ span, children }) => children.map((child) => ({ parent: span, child: child.span })))
    .map((pair) => ({ ...pair, by: pair.parent.start - pair.child.start }))
    .filter(({ parent, child, by }) => by > CLOCK_NS && parent.service !== child.service)
    .toSorted((a, b) => b.by - a.by)[0]
  const age = Date.now() - Number(startNs / 1_000_000n) - duration / 1e6
  return {
    ...(early && {
      before_its_parent: `${early.child.service} ${early.child.name} begins ${milliseconds(early.by / 1e6)} before ${early.parent.service} ${early.parent.name} that called it: do their clocks agree?`,
    }),
    ...(age >= 0 && age < ARRIVING_MS && { young: 'some spans may still be on their way: ask again in a few seconds' }),
  }
}

const MOST_ERRORS = 8
const MOST_OPERATIONS = 8

/** Failed spans with none that failed below them. Not only children: the server span between a call and what it led to is no error at 4xx. */
function originsOf(nodes: readonly SpanNode[]): SpanNode[] {
  const failedBelow = new Set<SpanNode>()
  // Children stand behind their parents.
  for (const node of nodes.toReversed()) {
    if (node.children.some((child) => child.span.status === 'error' || failedBelow.has(child))) failedBelow.add(node)
  }
  return nodes.filter((node) => node.span.status === 'error' && !failedBelow.has(node))
}

/** Where it began comes first. */
function errorsOf(nodes: readonly SpanNode[], origins: ReadonlySet<SpanNode>): List {
  const failed = nodes.filter(({ span }) => span.status === 'error')
  const inOrder = [...failed.filter((node) => origins.has(node)), ...failed.filter((node) => !origins.has(node))]
  return {
    name: 'errors',
    rows: inOrder.slice(0, MOST_ERRORS).map((node) => ({
      span: node.span.spanId,
      service: node.span.service,
      name: node.span.name,
      began_here: origins.has(node),
      reason: reasonOf(node.span),
    })),
    total: failed.length,
    hint: 'the tool errors, which groups them',
  }
}

/** What a failed span says: its exception, its status, or its kind of error. */
function reasonOf({ events, statusMessage, attributes }: Span): string {
  const exception = events.find(({ name }) => name === 'exception')?.attributes ?? {}
  const said = [exception['exception.type'], exception['exception.message'] ?? statusMessage].filter(Boolean).join(': ')
  return said || String(attributes['error.type'] ?? attributes['http.response.status_code'] ?? '')
}

function operationsOf(nodes: readonly SpanNode[], isOneService: boolean): List {
  const groups = [...Map.groupBy(nodes, ({ span }) => `${span.service}\n${span.name}`).values()]
  const rows = groups
    .map((group) => ({
      service: group[0]!.span.service,
      name: group[0]!.span.name,
      calls: group.length,
      errors: group.filter(({ span }) => span.status === 'error').length,
      self_ms: ms(group.reduce((all, { selfTime }) => all + selfTime, 0)),
      longest_ms: ms(group.reduce((most, { span }) => Math.max(most, span.duration), 0)),
    }))
    .sort((a, b) => b.self_ms - a.self_ms)
  const hint = isOneService ? 'the tree below' : 'trace with service'
  return { name: 'operations', rows: rows.slice(0, MOST_OPERATIONS), total: rows.length, hint }
}

/** So many siblings of one name are one row. */
const ALIKE = 4

/** Depth first. Without recursion: chains of calls may be deeper than the stack. */
function treeRows(top: readonly SpanNode[], every: boolean): Row[] {
  const rows: Row[] = []
  const open: { group: readonly SpanNode[]; depth: number }[] = []
  const push = (nodes: readonly SpanNode[], depth: number) => {
    for (const group of grouped(nodes, every).toReversed()) open.push({ group, depth })
  }
  push(top, 0)
  for (let next = open.pop(); next; next = open.pop()) {
    const { group, depth } = next
    rows.push(treeRow(group, depth))
    if (group.length === 1) push(group[0]!.children, depth + 1)
  }
  return rows
}

/** Each by itself, but for those without an error of which there are several with the same name: they stand where the first does. */
function grouped(nodes: readonly SpanNode[], every: boolean): (readonly SpanNode[])[] {
  if (every || nodes.length < ALIKE) return nodes.map((node) => [node])
  const alike = Map.groupBy(nodes, ({ span }) => `${span.service}\n${span.name}\n${span.status === 'error'}`)
  const isTogether = (group: readonly SpanNode[]) => group.length >= ALIKE && group[0]!.span.status !== 'error'
  return [...alike.values()]
    .flatMap((group) => (isTogether(group) ? [group] : group.map((node) => [node])))
    .sort((a, b) => a[0]!.span.start - b[0]!.span.start)
}

function treeRow(group: readonly SpanNode[], depth: number): Row {
  const [{ span, orphan }] = group as [SpanNode]
  const sum = (of: (node: SpanNode) => number) => ms(group.reduce((all, node) => all + of(node), 0))
  return {
    span: span.spanId,
    depth,
    service: span.service,
    name: span.name,
    start_ms: ms(span.start),
    duration_ms: sum((node) => node.span.duration),
    self_ms: sum((node) => node.selfTime),
    ...(group.length > 1 ? { calls: group.length, below: group.reduce((all, { size }) => all + size - 1, 0) } : {}),
    ...(span.status === 'error' ? { error: reasonOf(span) || 'error' } : {}),
    ...(orphan ? { orphan: true } : {}),
  }
}

function treeList(all: readonly Row[], offset: number): List {
  return {
    name: 'tree',
    rows: all.slice(offset),
    total: Math.max(0, all.length - offset),
    next: (shown) => ({ offset: offset + shown }),
    hint: 'below with a span id, or service',
    line: treeLine,
  }
}

function treeLine({ span, depth, service, name, start_ms, duration_ms, self_ms, calls, error, orphan }: Row): string {
  const deep = Number(depth)
  // Beyond that the indentation would be all there is.
  const indent = deep <= 20 ? '  '.repeat(deep) : `${'  '.repeat(20)}(${deep}) `
  const time = `${milliseconds(Number(start_ms)).padStart(9)} ${milliseconds(Number(duration_ms)).padStart(9)} ${milliseconds(Number(self_ms)).padStart(9)}`
  const marks = [calls ? ` ×${calls}` : '', orphan ? ' (its parent is missing)' : '', error ? ` ✘ ${error}` : '']
  return oneLine(`${span} ${time}  ${indent}${service}: ${name}${marks.join('')}`)
}

/** Each node before its children. */
function* walk(roots: readonly SpanNode[]): Generator<SpanNode> {
  const open = roots.toReversed()
  for (let node = open.pop(); node; node = open.pop()) {
    yield node
    for (const child of node.children.toReversed()) open.push(child)
  }
}

/** Of the path: what is shorter decides nothing. */
const LEAST_SHARE = 0.01

export const path = defineTool({
  name: 'path',
  title: 'the critical path of a trace: the stretches that decided how long it took',
  about:
    'The critical path of one trace: operations by their share of it, then the stretches of 1 % and more in the order of time. Making anything else faster would not have made the request faster.',
  example: '4bf92f3577b34da6a3ce929d0e0e4736',
  positionals: ['trace'],
  parameters: {
    trace: traceId,
    every: z.boolean().default(false).describe('shorter stretches, too'),
    offset,
  },
  async run({ trace: id, every, offset }, system) {
    const found = await existingTrace(system, id)
    const spans = new Map(found.spans.map((span) => [span.spanId, span]))
    const segments = criticalPath(buildTree(found)).map(({ spanId, start, end }) => ({
      span: spans.get(spanId)!,
      start,
      end,
    }))
    const whole = segments.reduce((all, { start, end }) => all + end - start, 0) || 1
    const share = (ns: number) => Math.round((ns / whole) * 1000) / 10
    const operations = [...Map.groupBy(segments, ({ span }) => `${span.service}\n${span.name}`).values()]
      .map((group) => {
        const ns = group.reduce((all, { start, end }) => all + end - start, 0)
        const [{ span }] = group as [(typeof group)[number]]
        return {
          service: span.service,
          name: span.name,
          spans: new Set(group.map((one) => one.span)).size,
          time_ms: ms(ns),
          share_percent: share(ns),
        }
      })
      .sort((a, b) => b.time_ms - a.time_ms)
    const long = every ? segments : segments.filter(({ start, end }) => (end - start) / whole >= LEAST_SHARE)
    const stretches = long.slice(offset).map(({ span, start, end }) => ({
      span: span.spanId,
      at_ms: ms(start),
      time_ms: ms(end - start),
      share_percent: share(end - start),
      service: span.service,
      name: span.name,
    }))
    return {
      facts: {
        trace: id,
        duration_ms: ms(found.duration),
        path_ms: ms(whole),
        ...(long.length < segments.length ? { shorter_than_1_percent: segments.length - long.length } : {}),
      },
      lists: [
        ...(offset === 0 ? [{ name: 'by_operation', rows: operations.slice(0, 15), total: operations.length }] : []),
        { name: 'stretches', rows: stretches, next: (shown: number) => ({ offset: offset + shown }) },
      ],
    }
  },
})

/** Lines of a stack: the rest is the framework. */
const STACK_LINES = 4

function withShortStack(attributes: Span['attributes']): Span['attributes'] {
  const { 'exception.stacktrace': stack, ...others } = attributes
  if (typeof stack !== 'string') return attributes
  const lines = stack.split('\n')
  const more = lines.length - STACK_LINES
  return {
    ...others,
    'exception.stacktrace': lines.slice(0, STACK_LINES).join('\n') + (more > 0 ? `\n… ${more} more` : ''),
  }
}

export const span = defineTool({
  name: 'span',
  title: 'one span: attributes, events, links, resource',
  about:
    'All that one span says: attributes, events (exceptions with the top of their stack; the whole with stack), links, and the resource that sent it. Without a span id it is the one where a failure began, else the first.',
  example: '4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7',
  positionals: ['trace', 'span'],
  parameters: {
    trace: traceId,
    span: spanId.optional().describe('the span id: 16 hexadecimal digits'),
    stack: z.boolean().default(false).describe('stacks as a whole'),
  },
  async run({ trace: id, span: wanted, stack }, system): Promise<Answer> {
    const found = await existingTrace(system, id)
    const nodes = [...walk(buildTree(found))]
    const node =
      wanted === undefined ? (originsOf(nodes)[0] ?? nodes[0]) : nodes.find((one) => one.span.spanId === wanted)
    if (!node) throw startError(`The trace ${id} has no span ${wanted}. Its spans: the tool trace.`)
    const { span, children, selfTime } = node
    const entries = (attributes: Readonly<Record<string, Value>>) =>
      Object.entries(attributes).map(([name, value]) => ({ name, value }))
    return {
      facts: {
        trace: id,
        span: span.spanId,
        parent: span.parentSpanId || null,
        service: span.service,
        name: span.name,
        kind: span.kind,
        status: span.status,
        ...(span.statusMessage ? { message: span.statusMessage } : {}),
        start: momentText(found.startNs + BigInt(span.start)),
        after_ms: ms(span.start),
        duration_ms: ms(span.duration),
        self_ms: ms(selfTime),
        children: children.length,
        scope: span.scope,
      },
      lists: [
        { name: 'attributes', rows: entries(span.attributes) },
        {
          name: 'events',
          rows: span.events.map(({ name, timeNs, attributes }) => ({
            at_ms: ms(Number(timeNs - found.startNs)),
            name,
            attributes: stack ? attributes : withShortStack(attributes),
          })),
        },
        {
          name: 'links',
          rows: span.links.map(({ traceId, spanId, attributes }) => ({ trace: traceId, span: spanId, attributes })),
        },
        { name: 'resource', rows: entries(span.resource) },
      ].map((list) => ({ ...list, hint: 'more bytes' })),
    }
  },
})
