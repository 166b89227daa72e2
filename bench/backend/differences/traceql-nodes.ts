/** Parts of TraceQL's trees, as the kinds of differences look for them and put others in their place. */
import { condition, conditionText, type Node, rewrite } from './rewrite.ts'

export const changed = (change: (node: Node) => unknown) => (query: string) => rewrite('traceql', query, change)
export const isBinary = (node: Node, ...ops: string[]) => node.kind === 'binary' && ops.includes(node.op as string)
export const isNil = (node: Node) => node.kind === 'literal' && node.type === 'nil'
/** `span.x`, `.x`; '' for what is no attribute. */
export const nameOf = (node: Node) =>
  node.kind === 'attribute' ? `${node.scope === 'any' ? '' : node.scope}.${node.name}` : ''
export const named = (pattern: RegExp) => (node: unknown) =>
  typeof node === 'object' && node !== null && pattern.test(nameOf(node as Node))
export const isArray = named(/^(span)?\.(tags|sizes|weights|flags)$/)
export const isHttp = named(/^(span)?\.http\./)
export const isHttpText = named(/^(span)?\.http\.(method|route)$/)
export const COMPARISONS = ['=', '!=', '>', '>=', '<', '<=', '=~', '!~'] as const
export const field = (text: string) => (condition(`${text} = 1`) as unknown as { left: Node }).left

/** A field that the query does not name: what is compared in it is told otherwise, too. */
const another = (query: string, ...names: string[]) =>
  field(names.find((name) => !query.includes(name.replace(/^\w+/, ''))) ?? names[0]!)
export const anotherInt = (query: string) => another(query, 'span.count', 'resource.replicas', 'event.attempt')
export const anotherText = (query: string) => another(query, 'span.tier', 'resource.region', 'span."a b"')

export function fieldsIn(node: Node): string[] {
  if (node.kind === 'attribute' || node.kind === 'intrinsic') return [conditionText(node)]
  return [node.left, node.right, node.of].flatMap((side) => (side ? fieldsIn(side as Node) : []))
}
