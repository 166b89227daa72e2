/** How a query would have to be written here to find what Tempo finds by it: documented differences as changes of the tree. */
import { compileRegex } from '../../../backend/query/traceql/regex.ts'
import { condition, conditionText, type Node } from './rewrite.ts'
import {
  COMPARISONS,
  changed,
  fieldsIn,
  isArray,
  isBinary,
  isHttp,
  isHttpText,
  isNil,
  nameOf,
} from './traceql-nodes.ts'

/** Attributes of the data set that have no column of their own in Tempo's blocks. */
const PLAIN = {
  span: ['tier', 'count', 'ratio', 'cached', '"a b"', 'mixed', 'tags', 'sizes', 'weights', 'flags'],
  resource: ['region', 'replicas', 'canary', 'tier', 'count'],
}
const hasPlain = (scope: 'span' | 'resource') => PLAIN[scope].map((name) => `${scope}.${name} != nil`).join(' || ')

export const isNilTest = (node: Node) =>
  isBinary(node, '=') && isNil(node.right as Node) && !isHttp(node.left) && /\./.test(nameOf(node.left as Node))

/** There a span is looked at only when it has another attribute that has no column of its own. */
export function asNil(node: Node): Node {
  const name = nameOf(node.left as Node)
  const scopes = (['span', 'resource'] as const).filter((scope) => name.startsWith('.') || name.startsWith(`${scope}.`))
  const own = conditionText(node).replace(/^(span|resource)?\./, '')
  return scopes.length === 0
    ? node
    : condition(
        scopes
          .map((scope) => `${scope}.${own} && (${hasPlain(scope)})`)
          .map((one) => `(${one})`)
          .join(' || '),
      )
}

/** The comparisons that a condition is made of; spans for which none of them holds are not looked at there. */
function leaves(where: Node): Node[] {
  if (where.kind === 'unary') return leaves(where.of as Node)
  if (isBinary(where, '&&', '||')) return [...leaves(where.left as Node), ...leaves(where.right as Node)]
  return [where]
}

/** A comparison without a constant beside a field asks only whether the fields are there. */
function pruned(leaf: Node): string {
  if (leaf.kind === 'attribute') return `${conditionText(leaf)} = true`
  const [left, right] = [leaf.left as Node, leaf.right as Node]
  if (right.kind === 'literal' && /^(attribute|intrinsic)$/.test(left.kind)) return conditionText(leaf)
  const names = fieldsIn(leaf)
  return names.some((name) => !/^[.]|^(span|resource|event|link|instrumentation)\./.test(name))
    ? 'duration >= 0ns'
    : names.map((name) => `${name} != nil`).join(' || ')
}

/** What a filter finds there: only spans that the storage finds by its comparisons, without `!`, are tried. */
export function asPruned(where: Node): Node {
  const all = leaves(where)
  if (conditionText(where).includes('||'))
    return condition(`(${all.map((leaf) => `(${pruned(leaf)})`).join(' || ')}) && (${conditionText(where)})`)
  return condition(`(${conditionText(asStored(where))}) && (${conditionText(where)})`)
}

/** A metrics query of nothing but these, and without `||`, relations and `compare()`, is left to the storage there: it compares fields with constants only, and knows no `!`. */
export function leftToStorage(query: string): boolean {
  let others = 0
  changed((node) => {
    const other = node.kind === 'attribute' ? nameOf(node) !== 'resource.service.name' : isBinary(node, '||')
    if (other || node.kind === 'combine' || node.kind === 'compare') others++
    return node
  })(query)
  return others === 0
}

/** What the storage finds by itself: several comparisons of one field are one question to it. */
export function asStored(where: Node): Node {
  const byField = Map.groupBy(leaves(where), (leaf) => fieldsIn(leaf).join())
  const asked = [...byField.values()].map((own) => `(${own.map((leaf) => `(${pruned(leaf)})`).join(' || ')})`)
  return condition(asked.join(' && '))
}

/** `||` beside a truth value that is absent holds for nothing there; of two only the second is asked when the first is one. */
export const asAbsent = changed((node) => {
  if (!isBinary(node, '||')) return node
  const [left, right] = [node.left as Node, node.right as Node]
  const texts = [conditionText(left), conditionText(right)]
  if (left.kind === 'attribute') return condition(`${texts[0]} != nil && (${texts[1]})`)
  return right.kind === 'attribute' ? condition(`${texts[1]} != nil && ((${texts[0]}) || ${texts[1]})`) : node
})

/** The same filters without `!`, and with comparisons in the place of bare truth values. */
export const plain = changed((node) => {
  if (node.kind === 'unary' && node.op === '!') return node.of
  if (!isBinary(node, '||')) return node
  const asked = (side: unknown) =>
    (side as Node).kind === 'attribute' ? condition(`${conditionText(side)} = true`) : side
  const [left, right] = [asked(node.left), asked(node.right)]
  return left === node.left && right === node.right ? node : { ...node, left, right }
})

/** `.x` is `span.x`, too. */
const isOneField = (a: string, b: string) =>
  a === b || [`span${a}`, `resource${a}`].includes(b) || [`span${b}`, `resource${b}`].includes(a)

/** Where a bare truth value may stand. */
const truths = (node: Node) =>
  isBinary(node, '&&', '||')
    ? [node.left, node.right]
    : node.kind === 'filter' || (node.kind === 'unary' && node.op === '!')
      ? [node.where ?? node.of]
      : []

/** The comparisons with constants of one field, anywhere in a query whose filters are not all joined by `&&`; a bare truth value is one. */
export function comparisonsBesideOr(query: string, of: string): string[] {
  const found: string[] = []
  if (/\|\||\}.*\}/s.test(query))
    changed((node) => {
      const compares = isBinary(node, ...COMPARISONS)
      if (compares && (node.right as Node).kind === 'literal' && isOneField(conditionText(node.left), of))
        found.push(conditionText(node))
      for (const side of truths(node)) {
        const isField = (side as Node | null)?.kind === 'attribute' && isOneField(conditionText(side), of)
        if (isField) found.push(`${conditionText(side)} = true`)
      }
      return node
    })(query)
  return found
}

/** Only spans whose value meets a comparison count for the function of a metrics query. */
export function measuringMet(query: string): string {
  const [, before, measure, of] = /^(.*) (\| \w+_over_time\(([^,()]+)[,)].*)$/.exec(query) ?? []
  const met = of === undefined ? [] : comparisonsBesideOr(query, of)
  return met.length === 0 ? query : `${before} | { ${met.join(' || ')} } ${measure}`
}

/** Whether a comparison holds for the text `nil`. Another field is taken for some other value. */
export function holdsForNil(op: string, { type, value }: Node): boolean {
  if (type !== 'string') return op === '!='
  const text = value as string
  switch (op) {
    case '=~':
    case '!~':
      return compileRegex(text)('nil') === (op === '=~')
    case '=':
      return text === 'nil'
    case '!=':
      return text !== 'nil'
    case '<':
    case '<=':
      return text >= 'nil'
    default:
      return text <= 'nil'
  }
}

/**
 * The attributes with a column of their own that are compared with another field, or with nil: where they are absent they are the text
 * `nil` there, in the whole query.
 */
export function comparedWithOthers(query: string): ReadonlySet<string> {
  const found = new Set<string>()
  changed((node) => {
    const [left, right] = [node.left as Node, node.right as Node]
    if (isBinary(node, ...COMPARISONS) && left.kind !== 'literal' && (right.kind !== 'literal' || isNil(right)))
      for (const side of [left, right]) if (isHttp(side)) found.add(nameOf(side))
    return node
  })(query)
  return found
}

/** What is not known of a span there unless the filters before `compare()` name it. */
const UNKNOWN = /^(event|link)[.:]|^nestedSet|^span:id$/
const NOTHING = condition('span.absent = 1')

export const asksUnknown = (node: Node) => fieldsIn(node).some((name) => UNKNOWN.test(name))

/** Which spans the filter of a `compare()` selects there: it is asked of what was read of each span. */
export const asSelected = (filter: string) =>
  asAbsent(
    changed((node) => {
      if (node.kind === 'unary' && node.op === '!' && isArray(node.of)) {
        const flags = conditionText(node.of)
        return condition(`${flags} = false && !(${flags} = true)`)
      }
      if (!isBinary(node, ...COMPARISONS)) return node
      if (asksUnknown(node) || isNilTest(node)) return NOTHING
      const [left, right] = [node.left as Node, node.right as Node]
      // Where it is absent it is there as nil.
      if (isHttp(left) && isNil(right)) return node.op === '=' ? node : condition('duration >= 0ns')
      const [http, other] = isHttpText(left) ? [left, right] : [right, left]
      if (!isHttpText(http) || isNil(other) || !holdsForNil(node.op as string, other)) return node
      const absent = `${conditionText(http)} = nil`
      const met = other.kind === 'literal' ? absent : `${absent} && ${conditionText(other)} != nil`
      return condition(`(${conditionText(node)}) || (${met})`)
    })(filter),
  )
