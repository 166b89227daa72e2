/** From a field of the language to a vector over a table: attributes of every scope and all intrinsics. */
import { memo } from '../language/memo.ts'
import type { Attribute, Field, Intrinsic } from './ast.ts'
import type { Column, SpanTable } from './span-table.ts'
import { ABSENT, attributeVector, firstOf, gather, textVector, type Vector } from './vector.ts'

/**
 * Rows to evaluate an expression over. With all three null they are the table's spans. Where a filter asks about events
 * or links there is one row per span and event (or link), -1 standing for "has none", so that several conditions hold
 * on the same event.
 */
export interface Frame {
  readonly table: SpanTable
  readonly rows: number
  readonly span: Uint32Array | null
  readonly event: Int32Array | null
  readonly link: Int32Array | null
}

/** The frame of all spans of a table, one row each. */
export function spanFrame(table: SpanTable): Frame {
  return { table, rows: table.rows, span: null, event: null, link: null }
}

/** Facts about a table that several queries need, worked out once. */
interface Derived {
  readonly vectors: Map<string, Vector>
  traceOf?: Uint32Array
  rootOf?: Int32Array
  extent?: TraceExtent
  nested?: NestedSet
}

/** Per trace: earliest start and latest end, in nanoseconds from the table's `baseNs`. */
export interface TraceExtent {
  readonly start: Float64Array
  readonly end: Float64Array
}

interface NestedSet {
  readonly left: Int32Array
  readonly right: Int32Array
  readonly parent: Int32Array
}

const derived = new WeakMap<SpanTable, Derived>()

function factsOf(table: SpanTable): Derived {
  return memo(derived, table, () => ({ vectors: new Map() }))
}

/** The values of a field, one per row of the frame; absent ones are `nil`. */
export function readField(field: Field, frame: Frame): Vector {
  return field.kind === 'attribute' ? readAttribute(field, frame) : readIntrinsic(field, frame)
}

/** Whether a field belongs to a span's events or links; `undefined` when it belongs to the span. */
export function childScope(field: Field): 'event' | 'link' | undefined {
  const name = field.kind === 'attribute' ? field.scope : field.name
  if (name.startsWith('event')) return 'event'
  return name.startsWith('link') ? 'link' : undefined
}

function readAttribute({ scope, parent, name }: Attribute, frame: Frame): Vector {
  const { table } = frame
  if (scope === 'event' || scope === 'link') {
    const children = scope === 'event' ? table.events : table.links
    return onChildren(attributeVector(children.column(name)), frame, scope)
  }
  const vector = scope === 'any' ? unscoped(table, name) : attributeVector(table.column(scope, name))
  return onSpans(parent ? gather(vector, table.parent) : vector, frame)
}

function unscoped(table: SpanTable, name: string): Vector {
  const { vectors } = factsOf(table)
  const known = vectors.get(name)
  if (known !== undefined) return known
  const vector = firstOf(attributeVector(table.column('span', name)), attributeVector(table.column('resource', name)))
  if (vector !== ABSENT) vectors.set(name, vector)
  return vector
}

function readIntrinsic({ name }: Intrinsic, frame: Frame): Vector {
  const { table } = frame
  switch (name) {
    case 'event:name':
      return textOnChildren(table.events.name, frame, 'event')
    case 'event:timeSinceStart':
      return onChildren({ is: 'numbers', type: 'duration', data: table.events.timeSinceStart }, frame, 'event')
    case 'link:traceID':
      return textOnChildren(table.links.traceId, frame, 'link')
    case 'link:spanID':
      return textOnChildren(table.links.spanId, frame, 'link')
    case 'span:id':
      return idTexts(frame, (row) => table.spanId(row))
    case 'span:parentID':
      return idTexts(frame, (row) => table.parentSpanId(row))
    default:
      return onSpans(spanIntrinsic(name, table), frame)
  }
}

function spanIntrinsic(
  name: Exclude<Intrinsic['name'], `event:${string}` | `link:${string}` | 'span:id' | 'span:parentID'>,
  table: SpanTable,
): Vector {
  switch (name) {
    case 'duration':
      return { is: 'numbers', type: 'duration', data: table.duration }
    case 'name':
      return textVector(table.name)
    case 'status':
      return { is: 'numbers', type: 'status', data: table.status }
    case 'statusMessage':
      return textVector(table.statusMessage)
    case 'kind':
      return { is: 'numbers', type: 'kind', data: table.kind }
    case 'span:childCount':
      return { is: 'numbers', type: 'int', data: childCounts(table) }
    case 'rootName':
      return orEmpty(gather(textVector(table.name), rootOf(table)))
    case 'rootServiceName':
      return orEmpty(gather(attributeVector(table.column('resource', 'service.name')), rootOf(table)))
    case 'traceDuration': {
      const { start, end } = traceExtent(table)
      const traceOf = traceOfRow(table)
      return { is: 'numbers', type: 'duration', data: Float64Array.from(traceOf, (t) => end[t]! - start[t]!) }
    }
    case 'nestedSetLeft':
      return { is: 'numbers', type: 'int', data: nestedSet(table).left }
    case 'nestedSetRight':
      return { is: 'numbers', type: 'int', data: nestedSet(table).right }
    case 'nestedSetParent':
      return { is: 'numbers', type: 'int', data: nestedSet(table).parent }
    case 'parent':
      return {
        is: 'numbers',
        type: 'int',
        data: Float64Array.from(table.parent, (row) => (row < 0 ? Number.NaN : row)),
      }
    case 'trace:id':
      return texts(traceOfRow(table), table.traces, (trace) => table.traceId(trace))
    case 'instrumentation:name':
      return textVector(table.instrumentationName)
    case 'instrumentation:version':
      return textVector(table.instrumentationVersion)
  }
}

/** Nearly all of them are different: only those of the frame's rows become texts. */
function idTexts({ span, rows }: Frame, idOf: (row: number) => string): Vector {
  const codes = Uint32Array.from({ length: rows }, (_, i) => i)
  return texts(codes, rows, (i) => idOf(span === null ? i : span[i]!))
}

function texts(codes: Uint32Array, count: number, text: (code: number) => string): Vector {
  const values = Array.from({ length: count }, (_, code) => text(code))
  return { is: 'dictionary', codes, values, types: new Array<'string'>(count).fill('string') }
}

function orEmpty(vector: Vector): Vector {
  if (vector.is === 'constant') return { is: 'constant', type: 'string', value: '' }
  if (vector.is !== 'dictionary') return vector
  const values = vector.values.map((value, code) => (vector.types[code] === 'nil' ? '' : value))
  return { ...vector, values, types: vector.types.map((type) => (type === 'nil' ? 'string' : type)) }
}

function onSpans(vector: Vector, frame: Frame): Vector {
  return frame.span === null ? vector : gather(vector, frame.span)
}

/** Outside a filter (`by`, aggregates) a span answers with its first event or link. */
function onChildren(vector: Vector, frame: Frame, scope: 'event' | 'link'): Vector {
  return gather(vector, frame[scope] ?? onSpanRows(firstChild(frame.table, scope), frame))
}

/** Outside a filter a span without events or links has the empty string for their intrinsics, as it has for its own. */
function textOnChildren(column: Column, frame: Frame, scope: 'event' | 'link'): Vector {
  const vector = onChildren(attributeVector(column), frame, scope)
  return frame[scope] === null ? orEmpty(vector) : vector
}

function onSpanRows(index: Int32Array, frame: Frame): Int32Array {
  return frame.span === null ? index : Int32Array.from(frame.span, (row) => index[row]!)
}

function firstChild(table: SpanTable, scope: 'event' | 'link'): Int32Array {
  const { span, rows } = scope === 'event' ? table.events : table.links
  const first = new Int32Array(table.rows).fill(-1)
  for (let child = rows - 1; child >= 0; child--) first[span[child]!] = child
  return first
}

/** Per span the number of its trace. */
export function traceOfRow(table: SpanTable): Uint32Array {
  const facts = factsOf(table)
  if (facts.traceOf === undefined) {
    const { traceStart } = table
    facts.traceOf = new Uint32Array(table.rows)
    for (let t = 0; t < table.traces; t++) facts.traceOf.fill(t, traceStart[t], traceStart[t + 1])
  }
  return facts.traceOf
}

/** Start and end of each trace, worked out once per table. */
export function traceExtent(table: SpanTable): TraceExtent {
  const facts = factsOf(table)
  if (facts.extent === undefined) {
    const start = new Float64Array(table.traces).fill(Number.POSITIVE_INFINITY)
    const end = new Float64Array(table.traces).fill(Number.NEGATIVE_INFINITY)
    const { traceStart, startOffset, duration } = table
    for (let t = 0; t < table.traces; t++) {
      for (let row = traceStart[t]!; row < traceStart[t + 1]!; row++) {
        const from = startOffset[row]!
        const to = from + duration[row]!
        if (from < start[t]!) start[t] = from
        if (to > end[t]!) end[t] = to
      }
    }
    facts.extent = { start, end }
  }
  return facts.extent
}

/** Per span the row of its trace's root, -1 when none has arrived. */
function rootOf(table: SpanTable): Int32Array {
  const facts = factsOf(table)
  if (facts.rootOf === undefined) {
    const { traceStart } = table
    facts.rootOf = new Int32Array(table.rows)
    for (let t = 0; t < table.traces; t++) {
      facts.rootOf.fill(rootOfTrace(table, t), traceStart[t], traceStart[t + 1])
    }
  }
  return facts.rootOf
}

/** The earliest span without a parent id, -1 when there is none. */
export function rootOfTrace(table: SpanTable, trace: number): number {
  const { traceStart, parent, startOffset } = table
  let root = -1
  for (let row = traceStart[trace]!; row < traceStart[trace + 1]!; row++) {
    if (parent[row]! >= 0 || table.parentSpanId(row) !== '') continue
    if (root < 0 || startOffset[row]! < startOffset[root]!) root = row
  }
  return root
}

function childCounts(table: SpanTable): Int32Array {
  const counts = new Int32Array(table.rows)
  for (const parent of table.parent) if (parent >= 0) counts[parent]!++
  return counts
}

/**
 * Nested-set numbers: a walk over the tree from its roots counts up on entering and leaving each span. A root's parent
 * is -1; spans that hang on no root have 0 everywhere.
 */
function nestedSet(table: SpanTable): NestedSet {
  const facts = factsOf(table)
  facts.nested ??= numberTree(table)
  return facts.nested
}

function numberTree(table: SpanTable): NestedSet {
  const { rows } = table
  const [left, right, parent] = [new Int32Array(rows), new Int32Array(rows), new Int32Array(rows)]
  const { firstChild, nextSibling } = linkChildren(table)
  const { traceStart, parent: parentOf } = table
  for (let t = 0; t < table.traces; t++) {
    let counter = 0
    for (let root = traceStart[t]!; root < traceStart[t + 1]!; root++) {
      if (parentOf[root]! >= 0 || table.parentSpanId(root) !== '') continue
      parent[root] = -1
      // Down to the first child, else on to the next sibling of the nearest span that has one.
      for (let row = root; row >= 0; ) {
        left[row] = ++counter
        if (row !== root) parent[row] = left[parentOf[row]!]!
        if (firstChild[row]! >= 0) {
          row = firstChild[row]!
          continue
        }
        while (row !== root && nextSibling[row]! < 0) {
          right[row] = ++counter
          row = parentOf[row]!
        }
        right[row] = ++counter
        row = row === root ? -1 : nextSibling[row]!
      }
    }
  }
  return { left, right, parent }
}

/** Children as linked lists in row order, -1 at the end. */
function linkChildren(table: SpanTable): { firstChild: Int32Array; nextSibling: Int32Array } {
  const firstChild = new Int32Array(table.rows).fill(-1)
  const nextSibling = new Int32Array(table.rows).fill(-1)
  const { parent } = table
  for (let row = table.rows - 1; row >= 0; row--) {
    const up = parent[row]!
    if (up < 0) continue
    nextSibling[row] = firstChild[up]!
    firstChild[up] = row
  }
  return { firstChild, nextSibling }
}
