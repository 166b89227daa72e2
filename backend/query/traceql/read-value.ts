/** Values for answers: one field of one span, with the words of statuses and kinds instead of their numbers. */
import { lowerBound } from '../language/lower-bound.ts'
import type { Field } from './ast.ts'
import { childScope, type Frame, readField } from './fields.ts'
import { KIND_WORDS, STATUS_WORDS } from './print.ts'
import type { TypedValue } from './result.ts'
import type { AttributeValue, Scalar, SpanTable } from './span-table.ts'
import { typeAt, type VectorType, valueAt } from './vector.ts'

const NIL: TypedValue = { type: 'nil', value: null }

/** A value for an answer: statuses and kinds as words, an absent one as `nil`. */
export function typedValue(type: VectorType, value: AttributeValue | undefined): TypedValue {
  if (type === 'nil' || value === undefined) return NIL
  if (type === 'status') return { type, value: STATUS_WORDS[value as number] ?? String(value) }
  if (type === 'kind') return { type, value: KIND_WORDS[value as number] ?? String(value) }
  return { type, value: value as Scalar | readonly Scalar[] }
}

/** Trace ids in answers come without leading zeros. */
export function trimId(id: string): string {
  return id.replace(/^0+(?=.)/, '')
}

/**
 * Values of a field on some spans. Of a span's events and links the one in `chosen` counts, or the first that has a value
 * where that one has none. `always`: a span without events or links has values of their intrinsics, too.
 */
export function readValues(
  field: Field,
  table: SpanTable,
  rows: readonly number[],
  chosen: ChosenChild,
  always: boolean,
): TypedValue[] {
  const scope = childScope(field)
  if (scope === undefined) {
    const vector = readField(field, frameOf(table, Uint32Array.from(rows)))
    return rows.map((_, i) => typedValue(typeAt(vector, i), valueAt(vector, i)))
  }
  return rows.map((row) => {
    const values = childValues(field, scope, table, row)
    const own = values[chosen(scope, row)]
    return own !== undefined && own.type !== 'nil'
      ? own
      : (values.find(({ type }) => type !== 'nil') ?? (always ? absentChild(field) : NIL))
  })
}

/** Which of a span's events or links an answer shows: its place among them. */
export type ChosenChild = (scope: 'event' | 'link', row: number) => number

/** A field on each event or link of a span, in their order. */
export function childValues(field: Field, scope: 'event' | 'link', table: SpanTable, row: number): TypedValue[] {
  const owner = scope === 'event' ? table.events.span : table.links.span
  const first = lowerBound(owner, row)
  const last = lowerBound(owner, row + 1)
  const children = Int32Array.from({ length: last - first }, (_, i) => first + i)
  const vector = readField(field, { ...frameOf(table, new Uint32Array(children.length).fill(row)), [scope]: children })
  return Array.from(children, (_, i) => typedValue(typeAt(vector, i), valueAt(vector, i)))
}

/** A span without events answers `event:name` with '', `event:timeSinceStart` with 0, attributes not at all. */
function absentChild(field: Field): TypedValue {
  if (field.kind === 'attribute') return NIL
  return field.name === 'event:timeSinceStart' ? { type: 'duration', value: 0 } : { type: 'string', value: '' }
}

function frameOf(table: SpanTable, span: Uint32Array): Frame {
  return { table, rows: span.length, span, event: null, link: null }
}
