/**
 * A plan of PostgreSQL as EXPLAIN (FORMAT JSON) and auto_explain write it, as rows to draw:
 * https://www.postgresql.org/docs/current/using-explain.html. What costs are is PostgreSQL's: a page read in order is 1.
 */

/** One step, below the one that asks it for rows. */
export interface PlanStep {
  readonly depth: number
  /** What it does and to what: `Seq Scan on products p`. */
  readonly title: string
  /** Its conditions and keys, each as PostgreSQL names it. */
  readonly details: readonly string[]
  /** Rows the planner expects of it each time it runs; null where the plan doesn't say. */
  readonly rows: number | null
  /** Rows that came, each time it ran; null where nobody counted (auto_explain.log_analyze is off). */
  readonly actualRows: number | null
  /** What it costs without the steps below it. */
  readonly cost: number
  /** The same as a part of the whole plan, 0 to 1. */
  readonly share: number
}

interface Node {
  readonly [key: string]: unknown
  readonly Plans?: readonly Node[]
}

const DETAILS = [
  'Index Cond',
  'Recheck Cond',
  'TID Cond',
  'Order By',
  'Hash Cond',
  'Merge Cond',
  'Join Filter',
  'Filter',
  'One-Time Filter',
  'Sort Key',
  'Presorted Key',
  'Group Key',
  'Cache Key',
  'Conflict Resolution',
  'Workers Planned',
]

/** Above all real plans: deeper ones are made to be drawn for ever. */
const DEEPEST = 200

/** Undefined for what is no such plan: a text that was cut, say, or that somebody else has sent under this name. */
export function readPlan(text: string): readonly PlanStep[] | undefined {
  const root = rootOf(text)
  const steps: Omit<PlanStep, 'share'>[] = []
  if (root === undefined || !walk(root, 0, steps)) return undefined
  const whole = steps.reduce((sum, { cost }) => sum + cost, 0)
  return steps.map((step) => ({ ...step, share: whole > 0 ? step.cost / whole : 0 }))
}

function rootOf(text: string): Node | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  const { Plan: plan } = ((Array.isArray(parsed) ? parsed[0] : parsed) ?? {}) as { Plan?: unknown }
  return isNode(plan) ? plan : undefined
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node)['Node Type'] === 'string'

/** False where something in it is no step. */
function walk(node: Node, depth: number, steps: Omit<PlanStep, 'share'>[]): boolean {
  const below: readonly unknown[] = Array.isArray(node.Plans) ? node.Plans : []
  if (depth > DEEPEST || !below.every(isNode)) return false
  const cost = numberOf(node, 'Total Cost') ?? 0
  // A step that ends early, Limit or a nested loop's first match, is cheaper than what is below it.
  const own = Math.max(0, cost - below.reduce((sum, one) => sum + (numberOf(one, 'Total Cost') ?? 0), 0))
  steps.push({
    depth,
    title: titleOf(node),
    details: DETAILS.flatMap((name) => (node[name] === undefined ? [] : [`${name}: ${textOf(node[name])}`])),
    rows: numberOf(node, 'Plan Rows'),
    actualRows: numberOf(node, 'Actual Rows'),
    cost: own,
  })
  return below.every((one) => walk(one, depth + 1, steps))
}

function titleOf(node: Node): string {
  const named = (name: string) => (node[name] === undefined ? undefined : textOf(node[name]))
  const index = named('Index Name')
  const alias = named('Alias')
  const relation = named('Relation Name') ?? named('CTE Name') ?? named('Function Name') ?? alias
  return [
    named('Subplan Name') && `${named('Subplan Name')}:`,
    kindOf(node),
    index && `by ${index}`,
    relation && `on ${relation}`,
    alias !== relation && alias,
  ]
    .filter(Boolean)
    .join(' ')
}

/** As EXPLAIN's text has it: `Hash Left Join`, `Partial HashAggregate`, `Parallel Seq Scan`, `Insert`. */
function kindOf(node: Node): string {
  const [kind, join, order] = [textOf(node['Node Type']), node['Join Type'], node.Strategy]
  const part = node['Partial Mode'] === undefined || node['Partial Mode'] === 'Simple' ? '' : node['Partial Mode']
  const words = [node['Parallel Aware'] === true ? 'Parallel' : '', part]
  if (join !== undefined && join !== 'Inner') words.push(kind.replace(/( Join)?$/, ` ${textOf(join)} Join`))
  else if (kind === 'Aggregate') words.push(`${AGGREGATES[String(order)] ?? ''}${kind}`)
  else if (kind === 'ModifyTable' && node.Operation !== undefined) words.push(node.Operation)
  else if (kind === 'SetOp') words.push(order === 'Hashed' ? 'HashSetOp' : kind, node.Command ?? '')
  else words.push(kind)
  if (node['Scan Direction'] === 'Backward') words.push('Backward')
  return words.filter(Boolean).map(textOf).join(' ')
}

const AGGREGATES: Readonly<Record<string, string>> = { Hashed: 'Hash', Sorted: 'Group', Mixed: 'Mixed' }

const textOf = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(', ') : String(value))

const numberOf = (node: Node, name: string): number | null => {
  const value = node[name]
  return typeof value === 'number' ? value : null
}
