/** Many traces counted together, one after the other, so that only their sums are kept. */
import { addWays, type Ways } from './flame.ts'
import { addOperations, type Operations } from './operations.ts'
import { buildTree, type Trace } from './trace.ts'

export interface Aggregate {
  readonly traces: number
  readonly spans: number
  /** Nanoseconds of all of them together. */
  readonly duration: number
  readonly operations: Operations
  readonly ways: Ways
}

export const NO_TRACES: Aggregate = { traces: 0, spans: 0, duration: 0, operations: new Map(), ways: [] }

/** `before` is used up by it: the counts of its ways grow. */
export function addTrace(before: Aggregate, trace: Trace): Aggregate {
  const roots = buildTree(trace)
  return {
    traces: before.traces + 1,
    spans: before.spans + trace.spans.length,
    duration: before.duration + trace.duration,
    operations: addOperations(before.operations, trace.traceId, roots),
    ways: addWays(before.ways, roots),
  }
}
