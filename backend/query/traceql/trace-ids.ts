/** Which traces a query can match at all, where it names them: a source finds a trace by its id far sooner than by looking. */
import type { FieldExpression, SpansetExpression, Stage } from './ast.ts'

/** A query with more ids is answered by looking. */
const MAX_IDS = 100

/** Ids in lower-case hex of 32 characters; undefined when the pipeline names none that every answer must have. */
export function traceIdsOf(stages: readonly Stage[]): readonly string[] | undefined {
  const ids = ofStages(stages)
  return ids === undefined || ids.size > MAX_IDS ? undefined : [...ids]
}

/** Search results trim the zeros in front of trace ids, so both forms must be found. */
export function fullTraceId(text: string): string {
  return text.toLowerCase().padStart(32, '0')
}

type Ids = ReadonlySet<string> | undefined

/** A stage leaves out spans and brings none: what one of them needs, all need. */
function ofStages(stages: readonly Stage[]): Ids {
  for (const stage of stages) {
    const ids =
      stage.kind === 'filter' || stage.kind === 'combine' || stage.kind === 'wrapped' ? ofSpans(stage) : undefined
    if (ids !== undefined) return ids
  }
  return undefined
}

function ofSpans(expression: SpansetExpression): Ids {
  if (expression.kind === 'filter') return expression.where === null ? undefined : ofField(expression.where)
  if (expression.kind === 'wrapped') return ofStages(expression.stages)
  const [left, right] = [ofSpans(expression.left), ofSpans(expression.right)]
  if (expression.op === '||') return either(left, right)
  // Spans are related within their trace; without a relation those of the right side alone are left.
  return expression.op.startsWith('!') ? right : (left ?? right)
}

function ofField(expression: FieldExpression): Ids {
  if (expression.kind !== 'binary') return undefined
  const { op, left, right } = expression
  if (op === '&&') return ofField(left) ?? ofField(right)
  if (op === '||') return either(ofField(left), ofField(right))
  return op === '=' ? (ofEquality(left, right) ?? ofEquality(right, left)) : undefined
}

function ofEquality(field: FieldExpression, id: FieldExpression): Ids {
  if (field.kind !== 'intrinsic' || field.name !== 'trace:id') return undefined
  return id.kind === 'literal' && id.type === 'string' ? new Set([fullTraceId(String(id.value))]) : undefined
}

function either(left: Ids, right: Ids): Ids {
  return left === undefined || right === undefined ? undefined : left.union(right)
}
