/** Runs a template on a row: `.name` is a label, `__line__` the line, `__timestamp__` its time. */
import { formatValue, isList, type Value } from './format.ts'
import { isTruthy, MAX_TEXT, TEMPLATE_FUNCTIONS } from './functions.ts'
import { type Command, type Operand, type Pipe, parseTemplate, type TemplateNode } from './parse.ts'

/** As much of a row as a template sees. */
export interface TemplateRow {
  readonly line: string
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint
  /** The value of a label, '' when it is absent. */
  get(name: string): string
  labels(): Readonly<Record<string, string>>
}

/** Characters that a template may read and write for one row, calls and rounds of a loop counting as some too. */
const MAX_WORK = 4 << 20
const STEP_COST = 100

/** The text for a row. The returned function throws an Error where Go's template would fail. */
export function compileTemplate(source: string): (row: TemplateRow) => string {
  const nodes = parseTemplate(source)
  const only = nodes.length === 1 ? nodes[0] : undefined
  if (only?.kind === 'text') return () => only.text
  return (row) => {
    const run: Run = { row, out: '', variables: [], work: 0 }
    runNodes(nodes, undefined, run)
    return run.out
  }
}

interface Run {
  readonly row: TemplateRow
  out: string
  variables: { name: string; value: Value }[]
  work: number
}

/** `dot` undefined = the row's labels. */
type Dot = { readonly value: Value } | undefined

function runNodes(nodes: readonly TemplateNode[], dot: Dot, run: Run): void {
  for (const node of nodes) {
    if (node.kind === 'text') {
      write(run, node.text)
    } else if (node.kind === 'action') {
      const value = evalPipe(node.pipe, dot, run)
      if (node.pipe.declare.length === 0) write(run, formatValue(value))
    } else {
      runBlock(node, dot, run)
    }
  }
}

function write(run: Run, text: string): void {
  run.out += text
  if (run.out.length > MAX_TEXT) throw new Error(`the template writes more than ${MAX_TEXT} characters`)
}

/** A template can repeat its work and its input; it fails before it hangs the worker or fills the memory. */
function spend(run: Run, ...values: readonly Value[]): void {
  run.work += STEP_COST
  for (const value of values) {
    if (typeof value === 'object') run.work += sizeOf(value)
    if (typeof value !== 'string') continue
    if (value.length > MAX_TEXT) throw new Error(`the template makes a text of more than ${MAX_TEXT} characters`)
    run.work += value.length
  }
  if (run.work > MAX_WORK) throw new Error('the template does too much work for one line')
}

/** Characters and entries of a list or a map, and of what is in it. */
function sizeOf(value: Value): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || (!isList(value) && value.kind === 'time')) return 1
  const known = sizes.get(value)
  if (known !== undefined) return known
  let size = 1
  for (const one of isList(value) ? value : value.entries.values()) size += sizeOf(one)
  sizes.set(value, size)
  return size
}

const sizes = new WeakMap<object, number>()

function runBlock(node: TemplateNode & { kind: 'if' | 'with' | 'range' }, dot: Dot, run: Run): void {
  const scope = run.variables.length
  if (node.kind === 'range') {
    runRange(node, dot, run)
  } else {
    const value = evalPipe(node.pipe, dot, run)
    const inner = node.kind === 'with' ? { value } : dot
    if (isTruthy(value)) runNodes(node.body, inner, run)
    else runNodes(node.otherwise, dot, run)
  }
  run.variables.length = scope
}

function runRange(node: TemplateNode & { kind: 'if' | 'with' | 'range' }, dot: Dot, run: Run): void {
  const value = evalPipe({ ...node.pipe, declare: [] }, dot, run)
  spend(run, value)
  const entries = rangeEntries(value)
  if (entries.length === 0) runNodes(node.otherwise, dot, run)
  const scope = run.variables.length
  for (const [key, item] of entries) {
    spend(run)
    const [first, second] = node.pipe.declare
    if (first !== undefined) run.variables.push({ name: first, value: second === undefined ? item : key })
    if (second !== undefined) run.variables.push({ name: second, value: item })
    runNodes(node.body, { value: item }, run)
    run.variables.length = scope
  }
}

function rangeEntries(value: Value): [Value, Value][] {
  if (isList(value)) return value.map((item, index) => [BigInt(index), item])
  if (typeof value === 'object' && value.kind === 'map') {
    return [...value.entries].sort(([a], [b]) => (a < b ? -1 : 1))
  }
  if (typeof value === 'bigint')
    return Array.from({ length: Math.min(Math.max(Number(value), 0), 10_000) }, (_, k) => [BigInt(k), BigInt(k)])
  if (value === undefined) return []
  throw new Error(`range can't iterate over ${formatValue(value)}`)
}

function evalPipe(pipe: Pipe, dot: Dot, run: Run): Value {
  let value: Value
  for (const [index, command] of pipe.commands.entries()) {
    value = evalCommand(command, dot, run, index > 0 ? [value] : [])
  }
  const [name] = pipe.declare
  if (name !== undefined) {
    const known = pipe.assign ? run.variables.findLast((variable) => variable.name === name) : undefined
    if (pipe.assign && !known) throw new Error(`undefined variable ${name}`)
    if (known) known.value = value
    else run.variables.push({ name, value })
  }
  return value
}

/** `piped` comes last among the arguments. */
function evalCommand(command: Command, dot: Dot, run: Run, piped: readonly Value[]): Value {
  const [head, ...rest] = command as [Operand, ...Operand[]]
  if (head.kind !== 'function') {
    if (rest.length + piped.length > 0) throw new Error("can't give argument to non-function")
    if (head.kind === 'constant' && head.value === undefined) throw new Error('nil is not a command')
    return evalOperand(head, dot, run)
  }
  if (head.name === '__line__') return run.row.line
  if (head.name === '__timestamp__') return { kind: 'time', ns: run.row.timeNs, zone: 'UTC' }
  if (head.name === 'and' || head.name === 'or') {
    let value: Value
    for (const operand of rest) {
      value = evalOperand(operand, dot, run)
      if (isTruthy(value) === (head.name === 'or')) return value
    }
    return piped.length > 0 ? piped[0] : value
  }
  const values = [...rest.map((operand) => evalOperand(operand, dot, run)), ...piped]
  const known = TEMPLATE_FUNCTIONS[head.name]!
  if (values.length < known.least || values.length > known.most) {
    throw new Error(`wrong number of args for ${head.name}: want ${known.least} got ${values.length}`)
  }
  spend(run, ...values)
  const result = known.call(values)
  spend(run, result)
  return result
}

function evalOperand(operand: Operand, dot: Dot, run: Run): Value {
  switch (operand.kind) {
    case 'constant':
      return operand.value
    case 'dot':
      return dot ? dot.value : { kind: 'map', entries: new Map(Object.entries(run.row.labels())) }
    case 'variable': {
      if (operand.name === '$') return { kind: 'map', entries: new Map(Object.entries(run.row.labels())) }
      const found = run.variables.findLast((variable) => variable.name === operand.name)
      if (!found) throw new Error(`undefined variable ${operand.name}`)
      return found.value
    }
    case 'function':
      return evalCommand([operand], dot, run, [])
    case 'pipe':
      return evalPipe(operand.pipe, dot, run)
    case 'field': {
      const ofLabels = operand.of.kind === 'dot' ? !dot : operand.of.kind === 'variable' && operand.of.name === '$'
      if (ofLabels) return run.row.get(operand.name)
      const value = evalOperand(operand.of, dot, run)
      if (typeof value === 'object' && 'kind' in value && value.kind === 'map') return value.entries.get(operand.name)
      throw new Error(`can't evaluate field ${operand.name} in ${formatValue(value)}`)
    }
  }
}
