/** What two traces of the same kind do differently: spans matched by their way from the root, service and name. */
import { buildTree, type Span, type SpanNode, type Trace } from '../data/trace.ts'

export interface Difference {
  readonly key: string
  readonly service: string
  readonly name: string
  readonly depth: number
  /** Spans with this way in each trace, and nanoseconds they took together. */
  readonly left: Share
  readonly right: Share
}

export interface Share {
  readonly count: number
  readonly duration: number
  readonly errors: number
  readonly spanIds: readonly string[]
}

const NONE: Share = { count: 0, duration: 0, errors: 0, spanIds: [] }

/** In the order of the left trace, what only the right one has at its place after that. */
export function compareTraces(left: Trace, right: Trace): Difference[] {
  const leftShares = sharesOf(left)
  const rightShares = sharesOf(right)
  const keys = [...new Set([...leftShares.keys(), ...rightShares.keys()])].sort()
  const order = new Map([...leftShares.keys(), ...rightShares.keys()].map((key, i) => [key, i]))
  return keys
    .sort((a, b) => order.get(a)! - order.get(b)!)
    .map((key) => {
      const { span, depth } = (leftShares.get(key) ?? rightShares.get(key))!
      return {
        key,
        service: span.service,
        name: span.name,
        depth,
        left: leftShares.get(key)?.share ?? NONE,
        right: rightShares.get(key)?.share ?? NONE,
      }
    })
}

interface Entry {
  span: Span
  depth: number
  share: Share
}

function sharesOf(trace: Trace): Map<string, Entry> {
  const entries = new Map<string, Entry>()
  const visit = (nodes: readonly SpanNode[], above: string) => {
    for (const { span, depth, children } of nodes) {
      const key = `${above}/${span.service} ${span.name}`
      const known = entries.get(key)?.share ?? NONE
      const share = {
        count: known.count + 1,
        duration: known.duration + span.duration,
        errors: known.errors + (span.status === 'error' ? 1 : 0),
        spanIds: [...known.spanIds, span.spanId],
      }
      entries.set(key, { span, depth, share })
      visit(children, key)
    }
  }
  visit(buildTree(trace), '')
  return entries
}

/** Missing on the other side, or failing on one side only. */
export const isStructural = ({ left, right }: Difference): boolean =>
  left.count !== right.count || left.errors > 0 !== right.errors > 0
