/** What a click on the map asks for: the traces that went through that node or along that edge. */

import { exploreHref } from './explore-address.ts'
import type { GraphEdge, GraphNode } from './graph.ts'
import type { RawRange } from './time-range.ts'

const text = (value: string): string => JSON.stringify(value)

/** Databases have no spans of their own: the calls into them are client spans with their name. */
const reaches = (node: Pick<GraphNode, 'id' | 'kind'>): string =>
  node.kind === 'database'
    ? `{ span.peer.service = ${text(node.id)} || span.db.system.name = ${text(node.id)} }`
    : `{ resource.service.name = ${text(node.id)} && kind = server }`

/** To the traces that reached the node, or, for clients outside, to all roots. */
export const nodeHref =
  (range: RawRange) =>
  (node: GraphNode): string =>
    node.id === 'user' || node.id === 'client'
      ? exploreHref('tempo', '{ nestedSetParent < 0 }', range)
      : exploreHref('tempo', reaches(node), range)

/** To the traces in which the edge's source called its target. */
export const edgeHref =
  (range: RawRange, nodes: readonly GraphNode[]) =>
  (edge: GraphEdge): string => {
    const target = nodes.find((node) => node.id === edge.target) ?? { id: edge.target, kind: '' }
    const known = edge.source !== 'user' && edge.source !== 'client'
    return exploreHref(
      'tempo',
      known ? `{ resource.service.name = ${text(edge.source)} } >> ${reaches(target)}` : reaches(target),
      range,
    )
  }
