/** Spans by operation: how often each was called, how long it took, how much of that was its own work. */
import { criticalPath, type SpanNode, visibleRows } from './trace.ts'

/** All calls of one operation of one service. Times are nanoseconds. */
export interface Operation {
  readonly service: string
  readonly name: string
  readonly calls: number
  readonly errors: number
  /** Traces that call it. */
  readonly traces: number
  /** From begin to end; a call within a call of the same operation is not counted again. */
  readonly total: number
  /** In which none of its children ran. */
  readonly self: number
  /** Of which the trace's end had to wait. */
  readonly onPath: number
  /** The longest call. */
  readonly slowest: { readonly traceId: string; readonly spanId: string; readonly duration: number }
}

type Counting = { -readonly [name in keyof Operation]: Operation[name] }

/** Operations by a text that only those two names give. */
export type Operations = ReadonlyMap<string, Operation>

export const operationKey = (service: string, name: string): string => JSON.stringify([service, name])

/** Those of one trace added to `before`, which stays as it is. `roots` is the trace's tree. */
export function addOperations(before: Operations, traceId: string, roots: readonly SpanNode[]): Operations {
  const counts = new Map<string, Counting>([...before].map(([key, operation]) => [key, { ...operation }]))
  const keyOf = new Map<string, string>()
  const seen = new Set<string>()
  // The operations that the node looked at is within, root first, and how often each is among them.
  const within: string[] = []
  const open = new Map<string, number>()
  for (const { span, depth, selfTime } of visibleRows(roots, new Set())) {
    const key = operationKey(span.service, span.name)
    keyOf.set(span.spanId, key)
    while (within.length > depth) {
      const left = within.pop()!
      open.set(left, open.get(left)! - 1)
    }
    const count = counts.get(key) ?? newCount(span.service, span.name)
    counts.set(key, count)
    count.calls++
    if (span.status === 'error') count.errors++
    if (!open.get(key)) count.total += span.duration
    count.self += selfTime
    if (!seen.has(key)) count.traces++
    if (span.duration > count.slowest.duration || !count.slowest.spanId)
      count.slowest = { traceId, spanId: span.spanId, duration: span.duration }
    seen.add(key)
    within.push(key)
    open.set(key, (open.get(key) ?? 0) + 1)
  }
  for (const { spanId, start, end } of criticalPath(roots)) counts.get(keyOf.get(spanId)!)!.onPath += end - start
  return counts
}

const newCount = (service: string, name: string): Counting => ({
  service,
  name,
  calls: 0,
  errors: 0,
  traces: 0,
  total: 0,
  self: 0,
  onPath: 0,
  slowest: { traceId: '', spanId: '', duration: 0 },
})

/** Those of one trace, first called first. */
export const operationsOf = (traceId: string, roots: readonly SpanNode[]): Operation[] => [
  ...addOperations(new Map(), traceId, roots).values(),
]
