/**
 * TraceQL evaluated the obvious way, span by span on plain objects: slow, without columns, dictionaries or masks, and
 * with rules of its own for comparing and calculating. Property tests hold the engine against it. Left out: nested sets,
 * ints beyond 2^53 and metrics.
 */
import type { Binary, Field, FieldExpression, Relation, Scalar, SpansetExpression, Stage } from '../ast.ts'
import { type PlainAttributes, type PlainSpan, SPAN_KINDS, STATUSES } from './spans.ts'

interface Value {
  readonly type: string
  readonly value: unknown
}

type Event = NonNullable<PlainSpan['events']>[number]
type Link = NonNullable<PlainSpan['links']>[number]

/** One way to look at a span: with one of its events and one of its links, if it has any. */
interface View {
  readonly span: PlainSpan
  readonly trace: readonly PlainSpan[]
  readonly event: Event | undefined
  readonly link: Link | undefined
}

const NIL: Value = { type: 'nil', value: undefined }

/** Spansets left at the end, each as its span ids, per trace that has any. */
export function referenceSearch(stages: readonly Stage[], spans: readonly PlainSpan[]): Map<string, string[][]> {
  const answer = new Map<string, string[][]>()
  for (const [traceId, trace] of Map.groupBy(spans, (span) => span.traceId)) {
    const sets = stages.reduce((before, stage) => runStage(stage, before, trace), [trace as PlainSpan[]])
    if (sets.length > 0)
      answer.set(
        traceId,
        sets.map((set) => set.map((span) => span.spanId)),
      )
  }
  return answer
}

function runStage(stage: Stage, sets: PlainSpan[][], trace: readonly PlainSpan[]): PlainSpan[][] {
  switch (stage.kind) {
    case 'wrapped':
      return stage.stages.reduce((before, inner) => runStage(inner, before, trace), sets)
    case 'filter':
    case 'combine':
      return sets.map((set) => spansOf(stage, set, trace)).filter((set) => set.length > 0)
    case 'by':
      return sets.flatMap((set) => [...Map.groupBy(set, (span) => keyOf(stage.of, span, trace)).values()])
    case 'coalesce':
      return sets.length === 0 ? [] : [trace.filter((span) => sets.some((set) => set.includes(span)))]
    case 'select':
      return sets
    case 'scalarFilter':
      return sets.filter((set) => {
        const [left, right] = [measure(stage.left, set, trace), measure(stage.right, set, trace)]
        return left !== undefined && right !== undefined && holds(stage.op, left, right)
      })
  }
}

function spansOf(expression: SpansetExpression, set: PlainSpan[], trace: readonly PlainSpan[]): PlainSpan[] {
  if (expression.kind === 'filter') return set.filter((span) => matches(expression.where, span, trace))
  if (expression.kind === 'wrapped')
    return expression.stages.reduce((sets, stage) => runStage(stage, sets, trace), [set]).flat()
  const left = spansOf(expression.left, set, trace)
  const right = spansOf(expression.right, set, trace)
  const { op } = expression
  if (op === '||') return set.filter((span) => left.includes(span) || right.includes(span))
  if (op === '&&')
    return left.length === 0 || right.length === 0
      ? []
      : set.filter((span) => left.includes(span) || right.includes(span))
  const relation = op.replace(/^[!&]/, '') as Relation
  const related = right.filter((span) => left.some((other) => isRelated(relation, other, span, trace)))
  if (op.startsWith('!')) return right.filter((span) => !related.includes(span))
  if (!op.startsWith('&')) return related
  const sources = left.filter((span) => right.some((other) => isRelated(relation, span, other, trace)))
  return set.filter((span) => related.includes(span) || sources.includes(span))
}

/** Whether `span` stands in the relation to `other`: `other > span` means that it is its child. */
function isRelated(relation: Relation, other: PlainSpan, span: PlainSpan, trace: readonly PlainSpan[]): boolean {
  switch (relation) {
    case '>':
      return parentOf(span, trace) === other
    case '<':
      return parentOf(other, trace) === span
    case '>>':
      return ancestorsOf(span, trace).includes(other)
    case '<<':
      return ancestorsOf(other, trace).includes(span)
    case '~':
      return other !== span && parentOf(span, trace) !== undefined && parentOf(span, trace) === parentOf(other, trace)
  }
}

function parentOf(span: PlainSpan, trace: readonly PlainSpan[]): PlainSpan | undefined {
  return span.parentSpanId ? trace.find((other) => other.spanId === span.parentSpanId) : undefined
}

function ancestorsOf(span: PlainSpan, trace: readonly PlainSpan[]): PlainSpan[] {
  const parent = parentOf(span, trace)
  return parent === undefined ? [] : [parent, ...ancestorsOf(parent, trace)]
}

function measure(scalar: Scalar, set: readonly PlainSpan[], trace: readonly PlainSpan[]): number | undefined {
  if (scalar.kind === 'literal') return Number(scalar.value)
  if (scalar.kind !== 'aggregate') throw new Error(`the reference does not know ${scalar.kind}`)
  if (scalar.of === null) return set.length
  const values = set.map((span) => read(scalar.of!, firstView(span, trace))).filter(isNumeric)
  const numbers = values.map(({ value }) => Number(value))
  if (numbers.length === 0) return undefined
  const sum = numbers.reduce((total, number) => total + number)
  const mean = sum / numbers.length
  const avg = values.every(({ type }) => type === 'duration') ? Math.trunc(mean) : mean
  return { sum, avg, min: Math.min(...numbers), max: Math.max(...numbers), count: 0 }[scalar.fn]
}

function keyOf(expression: FieldExpression, span: PlainSpan, trace: readonly PlainSpan[]): string {
  const { type, value } = read(expression, firstView(span, trace))
  return `${type} ${String(value)}`
}

function firstView(span: PlainSpan, trace: readonly PlainSpan[]): View {
  return { span, trace, event: span.events?.[0], link: span.links?.[0] }
}

function matches(where: FieldExpression | null, span: PlainSpan, trace: readonly PlainSpan[]): boolean {
  const events = span.events?.length ? span.events : [undefined]
  const links = span.links?.length ? span.links : [undefined]
  return where === null || events.some((event) => links.some((link) => isTrue(where, { span, trace, event, link })))
}

function isTrue(expression: FieldExpression, view: View): boolean {
  if (expression.kind === 'unary' && expression.op === '!') {
    const isField = expression.of.kind === 'attribute' || expression.of.kind === 'intrinsic'
    return isField
      ? elements(read(expression.of, view)).some(({ value }) => value === false)
      : !isTrue(expression.of, view)
  }
  if (expression.kind !== 'binary') return elements(read(expression, view)).some(({ value }) => value === true)
  const { op, left, right } = expression
  if (op === '&&') return isTrue(left, view) && isTrue(right, view)
  if (op === '||') return isTrue(left, view) || isTrue(right, view)
  if (op === '=~' || op === '!~') {
    const pattern = new RegExp(`^(?:${(right as { value: string }).value})$`, 's')
    return elements(read(left, view)).some(
      ({ type, value }) => type === 'string' && pattern.test(value as string) === (op === '=~'),
    )
  }
  return compare(expression, view)
}

function compare({ op, left, right }: Binary, view: View): boolean {
  const ofNil = [left, right].find((side) => side.kind === 'literal' && side.type === 'nil')
  if (ofNil !== undefined) {
    const other = ofNil === left ? right : left
    const absent = read(other, view).type === 'nil'
    const scope = other.kind === 'attribute' ? other.scope : ''
    if (absent && ((scope === 'event' && !view.event) || (scope === 'link' && !view.link))) return false
    return absent === (op === '=')
  }
  const strict = [left, right].some((side) => side.kind === 'attribute') && [left, right].some(isConstant)
  const [a, b] = [read(left, view), read(right, view)]
  return elements(a).some((x) =>
    elements(b).some((y) => {
      if (x.type === 'nil' || y.type === 'nil') return false
      if (x.type !== y.type && (strict || !isNumeric(x) || !isNumeric(y))) return false
      return holds(op, x.value, y.value)
    }),
  )
}

function isConstant(expression: FieldExpression): boolean {
  if (expression.kind === 'binary') return isConstant(expression.left) && isConstant(expression.right)
  return expression.kind === 'unary' ? isConstant(expression.of) : expression.kind === 'literal'
}

function elements(value: Value): Value[] {
  if (value.type !== 'array') return [value]
  const items = (value.value as unknown[]).map(typed)
  if (!items.some(({ type }) => type === 'float')) return items
  return items.map((item) => (item.type === 'int' ? { ...item, type: 'float' } : item))
}

function holds(op: string, left: unknown, right: unknown): boolean {
  const [a, b] = [left as number, right as number]
  return { '=': a === b, '!=': a !== b, '>': a > b, '>=': a >= b, '<': a < b, '<=': a <= b }[op] ?? false
}

function isNumeric({ type }: Value): boolean {
  return type === 'int' || type === 'float' || type === 'duration'
}

function read(expression: FieldExpression, view: View): Value {
  switch (expression.kind) {
    case 'literal':
      return { type: expression.type, value: expression.value }
    case 'attribute':
    case 'intrinsic':
      return fieldOf(expression, view)
    case 'unary':
      if (expression.op === '!') return { type: 'bool', value: isTrue(expression, view) }
      return calculate('-', { type: 'int', value: 0 }, read(expression.of, view))
    case 'binary':
      if (/^[-+*/%^]$/.test(expression.op))
        return calculate(expression.op, read(expression.left, view), read(expression.right, view))
      return { type: 'bool', value: isTrue(expression, view) }
  }
}

function calculate(op: string, left: Value, right: Value): Value {
  if (!isNumeric(left) || !isNumeric(right)) return NIL
  const [a, b] = [Number(left.value), Number(right.value)]
  const types = [left.type, right.type]
  const type = types.includes('duration')
    ? 'duration'
    : types.includes('float') || (op === '^' && b < 0)
      ? 'float'
      : 'int'
  const exact = { '+': a + b, '-': a - b, '*': a * b, '/': a / b, '%': a % b, '^': a ** b }[op]!
  if (!Number.isFinite(exact)) return NIL
  return { type, value: type === 'int' ? Math.trunc(exact) : exact }
}

function fieldOf(field: Field, view: View): Value {
  if (field.kind === 'intrinsic') return intrinsicOf(field.name, view)
  if (field.parent) {
    const parent = parentOf(view.span, view.trace)
    return parent === undefined ? NIL : attributeOf(field.scope, field.name, { ...view, span: parent })
  }
  return attributeOf(field.scope, field.name, view)
}

function attributeOf(scope: string, name: string, { span, event, link }: View): Value {
  const bags: Record<string, PlainAttributes | undefined> = {
    span: span.attributes,
    resource: span.resource,
    instrumentation: span.instrumentation?.attributes,
    event: event?.attributes,
    link: link?.attributes,
    any: { ...span.resource, ...span.attributes },
  }
  return typed(bags[scope]?.[name])
}

function typed(plain: unknown): Value {
  if (plain === undefined) return NIL
  if (typeof plain === 'string') return { type: 'string', value: plain }
  if (typeof plain === 'boolean') return { type: 'bool', value: plain }
  if (typeof plain === 'number') return { type: Number.isInteger(plain) ? 'int' : 'float', value: plain }
  return Array.isArray(plain)
    ? { type: 'array', value: plain }
    : { type: 'float', value: (plain as { double: number }).double }
}

function intrinsicOf(name: string, { span, trace, event, link }: View): Value {
  const text = (value: string | undefined) => ({ type: 'string', value: value ?? '' })
  const root = trace
    .filter((other) => !other.parentSpanId)
    .reduce<PlainSpan | undefined>((a, b) => (a && a.startNs <= b.startNs ? a : b), undefined)
  switch (name) {
    case 'name':
      return text(span.name)
    case 'statusMessage':
      return text(span.statusMessage)
    case 'duration':
      return { type: 'duration', value: span.durationNs }
    case 'status':
      return { type: 'status', value: STATUSES.indexOf(span.status ?? 'unset') }
    case 'kind':
      return { type: 'kind', value: SPAN_KINDS.indexOf(span.kind ?? 'unspecified') }
    case 'span:childCount':
      return { type: 'int', value: trace.filter((other) => parentOf(other, trace) === span).length }
    case 'rootName':
      return text(root?.name)
    case 'rootServiceName':
      return text(root?.resource?.['service.name'] as string | undefined)
    case 'traceDuration': {
      const starts = trace.map((other) => Number(other.startNs))
      const ends = trace.map((other) => Number(other.startNs) + other.durationNs)
      return { type: 'duration', value: Math.max(...ends) - Math.min(...starts) }
    }
    case 'parent':
      return parentOf(span, trace) === undefined ? NIL : { type: 'int', value: 1 }
    case 'span:id':
      return text(span.spanId)
    case 'span:parentID':
      return text(span.parentSpanId)
    case 'event:name':
      return event === undefined ? NIL : text(event.name)
    case 'event:timeSinceStart':
      return event === undefined ? NIL : { type: 'duration', value: event.timeSinceStartNs }
    case 'link:spanID':
      return link === undefined ? NIL : text(link.spanId)
    default:
      throw new Error(`the reference does not know ${name}`)
  }
}
