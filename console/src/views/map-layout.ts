/**
 * Where nodes and edges of the service map lie. The picture depends on nothing but names and connections, and nodes keep
 * their places while those stay: numbers change at every refresh, the map doesn't jump.
 */
import { layout as dagre, Graph } from '@dagrejs/dagre'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface MapLayout {
  readonly width: number
  readonly height: number
  readonly nodes: ReadonlyMap<string, Point>
  /** Way of each edge from rim to rim, by `source -> target`. */
  readonly edges: ReadonlyMap<string, readonly Point[]>
}

/** In units of the layout, which are pixels at scale 1. */
export const NODE_RADIUS = 30
const LABEL_HEIGHT = 40

/** The name of a way in `MapLayout.edges`. */
export const edgeKey = (source: string, target: string): string => `${source} -> ${target}`

/** Callers to the left of, or above, what they call. */
export type Direction = 'LR' | 'TB'

const known = new Map<string, MapLayout>()

/** The same names and connections, in whatever order, give the very same layout. */
export function layoutMap(
  nodes: readonly string[],
  edges: readonly { source: string; target: string }[],
  direction: Direction = 'LR',
): MapLayout {
  const names = nodes.toSorted()
  const pairs = edges
    .map(({ source, target }) => ({ source, target }))
    .toSorted((a, b) => (edgeKey(a.source, a.target) < edgeKey(b.source, b.target) ? -1 : 1))
  const key = JSON.stringify([direction, names, pairs])
  const found = known.get(key)
  if (found) return found
  const made = compute(names, pairs, direction)
  known.set(key, made)
  return made
}

/** How much a layout can be drawn larger than its own size in so many pixels. */
export const scaleInto = (layout: MapLayout, width: number, height: number): number =>
  Math.min(width / layout.width, height / layout.height)

function compute(
  names: readonly string[],
  pairs: readonly { source: string; target: string }[],
  rankdir: Direction,
): MapLayout {
  const graph = new Graph({ multigraph: false })
  graph.setGraph({ rankdir, nodesep: 40, ranksep: 56, edgesep: 26, marginx: 30, marginy: 20 })
  graph.setDefaultEdgeLabel(() => ({}))
  // dagre keys plain objects by id: a service may have a name that every object knows.
  const ids = new Map(names.map((name, index) => [name, `n${index}`]))
  for (const id of ids.values()) graph.setNode(id, { width: NODE_RADIUS * 2, height: NODE_RADIUS * 2 + LABEL_HEIGHT })
  for (const { source, target } of pairs) {
    if (source !== target) graph.setEdge(ids.get(source)!, ids.get(target)!, { width: 76, height: 30, labelpos: 'c' })
  }
  dagre(graph)
  const nodes = new Map(
    names.map((name): [string, Point] => {
      const { x, y } = graph.node(ids.get(name)!) as Point
      // The circle sits at the upper end of its box, the name below it.
      return [name, { x, y: y - LABEL_HEIGHT / 2 }]
    }),
  )
  const edges = new Map(
    pairs.map(({ source, target }): [string, readonly Point[]] => {
      const from = nodes.get(source)!
      const to = nodes.get(target)!
      if (source === target) return [edgeKey(source, target), loop(from)]
      const edge = graph.edge(ids.get(source)!, ids.get(target)!) as { points?: Point[] } | undefined
      const bends = (edge?.points ?? []).slice(1, -1).map(({ x, y }) => ({ x, y: y - LABEL_HEIGHT / 2 }))
      const first = bends[0] ?? to
      const last = bends.at(-1) ?? from
      return [edgeKey(source, target), [rim(from, first), ...bends, rim(to, last)]]
    }),
  )
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number }
  return { width, height, nodes, edges }
}

/** Where the line from the circle's middle towards `to` leaves it. */
function rim(middle: Point, to: Point): Point {
  const length = Math.hypot(to.x - middle.x, to.y - middle.y) || 1
  const reach = NODE_RADIUS + 4
  return { x: middle.x + ((to.x - middle.x) / length) * reach, y: middle.y + ((to.y - middle.y) / length) * reach }
}

const loop = ({ x, y }: Point): Point[] => [
  { x: x - 14, y: y - NODE_RADIUS },
  { x: x - 26, y: y - NODE_RADIUS - 34 },
  { x: x + 26, y: y - NODE_RADIUS - 34 },
  { x: x + 14, y: y - NODE_RADIUS },
]

/** A smooth path through the points. */
export function curve(points: readonly Point[]): string {
  const first = points[0]
  if (!first) return ''
  if (points.length === 2) return `M${at(first)}L${at(points[1]!)}`
  let path = `M${at(first)}`
  for (let i = 1; i < points.length - 1; i++) {
    const here = points[i]!
    const next = points[i + 1]!
    const end = i === points.length - 2 ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 }
    path += `Q${at(here)} ${at(end)}`
  }
  return path
}

const at = ({ x, y }: Point): string => `${x.toFixed(1)} ${y.toFixed(1)}`

/** Halfway along, where the label goes. */
export function middle(points: readonly Point[]): Point {
  if (points.length % 2 === 1) return points[(points.length - 1) / 2]!
  const before = points[points.length / 2 - 1]!
  const after = points[points.length / 2]!
  return { x: (before.x + after.x) / 2, y: (before.y + after.y) / 2 }
}
