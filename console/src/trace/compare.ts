/** What two traces of the same kind do differently: spans matched by their way from the root, service and name. */
import { operationKey } from '../data/operations.ts'
import { buildTree, type SpanNode, type Trace } from '../data/trace.ts'

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

/** Spans of both traces with the same way from the root. */
interface Pair {
  readonly key: string
  readonly depth: number
  readonly left: readonly SpanNode[]
  readonly right: readonly SpanNode[]
}

/** In the order of the trees, each way before those below it; what only the right one has stands where it stands there. */
export function compareTraces(left: Trace, right: Trace): Difference[] {
  const differences: Difference[] = []
  // Without recursion: chains of calls may be deeper than the stack.
  const open = pairs('', 0, buildTree(left), buildTree(right)).reverse()
  for (let pair = open.pop(); pair; pair = open.pop()) {
    const { key, depth } = pair
    const { service, name } = (pair.left[0] ?? pair.right[0])!.span
    differences.push({ key, service, name, depth, left: shareOf(pair.left), right: shareOf(pair.right) })
    const below = (nodes: readonly SpanNode[]) => nodes.flatMap((node) => node.children)
    for (const child of pairs(key, depth + 1, below(pair.left), below(pair.right)).reverse()) open.push(child)
  }
  return differences
}

function pairs(above: string, depth: number, left: readonly SpanNode[], right: readonly SpanNode[]): Pair[] {
  const leftGroups = byOperation(left)
  const rightGroups = byOperation(right)
  return mergedOrder([...leftGroups.keys()], [...rightGroups.keys()]).map((key) => ({
    key: `${above}/${key}`,
    depth,
    left: leftGroups.get(key) ?? [],
    right: rightGroups.get(key) ?? [],
  }))
}

function byOperation(nodes: readonly SpanNode[]): Map<string, SpanNode[]> {
  const groups = new Map<string, SpanNode[]>()
  for (const node of nodes) {
    const key = operationKey(node.span.service, node.span.name)
    const group = groups.get(key)
    if (group) group.push(node)
    else groups.set(key, [node])
  }
  return groups
}

/** The left order, and what only the right one has after what it follows there. */
function mergedOrder(left: readonly string[], right: readonly string[]): string[] {
  const known = new Set(left)
  const following = new Map<string | undefined, string[]>()
  let before: string | undefined
  for (const key of right) {
    if (known.has(key)) before = key
    else if (following.has(before)) following.get(before)!.push(key)
    else following.set(before, [key])
  }
  return [...(following.get(undefined) ?? []), ...left.flatMap((key) => [key, ...(following.get(key) ?? [])])]
}

const shareOf = (nodes: readonly SpanNode[]): Share => ({
  count: nodes.length,
  duration: nodes.reduce((total, { span }) => total + span.duration, 0),
  errors: nodes.filter(({ span }) => span.status === 'error').length,
  spanIds: nodes.map(({ span }) => span.spanId),
})

/** Missing on the other side, or failing on one side only. */
export const isStructural = ({ left, right }: Difference): boolean =>
  left.count !== right.count || left.errors > 0 !== right.errors > 0
