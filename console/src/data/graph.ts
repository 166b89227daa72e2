/** The service map as data: services and databases, and the calls between them. */
export interface Flow {
  /** Requests per second. */
  readonly rate: number
  /** Share of calls that failed: answered 5xx, or not at all. 0..1 */
  readonly errorRatio: number
  /** Share of calls that were refused: answered 4xx, which is the caller's doing. 0..1 */
  readonly refusedRatio: number
  /** Seconds; null where nothing was measured. */
  readonly p95: number | null
}

export interface GraphNode extends Flow {
  readonly id: string
  /** `database`, `messaging_system`, `virtual_node` or empty, as the edge that leads here says. */
  readonly kind: string
}

export interface GraphEdge extends Flow {
  readonly id: string
  readonly source: string
  readonly target: string
}

export interface ServiceGraph {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}
