/** Queries changed in their trees: a documented difference is told by how the query would have to be written for it to vanish. */
import * as logql from '../../../backend/query/logql/index.ts'
import * as traceql from '../../../backend/query/traceql/index.ts'

/** A node of either language's tree. */
export interface Node {
  readonly kind: string
  readonly [member: string]: unknown
}

/** What a node becomes; itself where nothing is to be changed. */
export type Change = (node: Node) => unknown

/** The query with each node changed, the inner ones first. The text is printed anew only where one was. */
export function rewrite(language: 'traceql' | 'logql', query: string, change: Change): string {
  let changes = 0
  const visit = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(visit)
    if (typeof part !== 'object' || part === null) return part
    const inner = Object.fromEntries(Object.entries(part).map(([name, value]) => [name, visit(value)]))
    if (!('kind' in inner)) return inner
    const made = change(inner as Node)
    if (made === inner) return inner
    changes++
    return made
  }
  if (language === 'traceql') {
    const tree = visit(traceql.parse(query)) as traceql.Query
    return changes === 0 ? query : traceql.print(tree)
  }
  const tree = visit(logql.parse(query)) as ReturnType<typeof logql.parse>
  return changes === 0 ? query : logql.print(tree)
}

/** The query as it is printed; itself when it is refused here. */
export function reprinted(language: 'traceql' | 'logql', query: string): string {
  try {
    return language === 'traceql' ? traceql.print(traceql.parse(query)) : logql.print(logql.parse(query))
  } catch {
    return query
  }
}

/** The tree of what stands between the braces. */
export function condition(text: string): Node {
  const query = traceql.parse(`{ ${text} }`)
  if (query.kind !== 'search') throw new Error(`${text} is no condition`)
  return (query.stages[0] as unknown as { where: Node }).where
}

/** A condition as text. */
export function conditionText(where: unknown): string {
  const query = { kind: 'search', stages: [{ kind: 'filter', where, at: 0 }], hints: [], text: '' }
  return traceql.print(query as unknown as traceql.Query).replace(/^\{ | \}$/g, '')
}
