/** Filters over whole tables: which spans match what stands between a pair of braces. */
import { memo } from '../language/memo.ts'
import type { FieldExpression } from './ast.ts'
import { TraceQLError } from './errors.ts'
import { truth } from './evaluate.ts'
import { childScope, type Frame, spanFrame } from './fields.ts'
import { and, type Mask, or } from './mask.ts'
import type { SpanTable } from './span-table.ts'

/** Spans for which the expression holds; where it asks about events or links, for at least one of them. */
export function filterSpans(where: FieldExpression | null, table: SpanTable): Mask {
  return where === null ? true : exists(where, table)
}

/** Splits at `||` and `&&` so that the wider frames for events and links serve only the parts that need them. */
function exists(expression: FieldExpression, table: SpanTable): Mask {
  const scopes = childScopes(expression)
  if (scopes.size === 0) return truth(expression, spanFrame(table))
  if (expression.kind === 'binary' && expression.op === '||') {
    return or(exists(expression.left, table), exists(expression.right, table))
  }
  const parts = conjuncts(expression)
  const ofEvents = parts.filter((part) => childScopes(part).has('event'))
  const ofLinks = parts.filter((part) => childScopes(part).has('link'))
  const onSpan = parts.filter((part) => childScopes(part).size === 0)
  let mask: Mask = true
  for (const part of onSpan) mask = and(mask, truth(part, spanFrame(table)))
  if (mask === false) return false
  const groups = ofEvents.some((part) => ofLinks.includes(part))
    ? [parts.filter((part) => !onSpan.includes(part))]
    : [ofEvents, ofLinks]
  for (const group of groups) {
    if (group.length === 0) continue
    const frame = childFrame(
      table,
      group.some((part) => ofEvents.includes(part)),
      group.some((part) => ofLinks.includes(part)),
    )
    mask = and(
      mask,
      anyOfSpan(
        group.reduce((all: Mask, part) => and(all, truth(part, frame)), true),
        frame,
      ),
    )
  }
  return mask
}

function conjuncts(expression: FieldExpression): FieldExpression[] {
  return expression.kind === 'binary' && expression.op === '&&'
    ? [...conjuncts(expression.left), ...conjuncts(expression.right)]
    : [expression]
}

const scopesOf = new WeakMap<FieldExpression, Set<'event' | 'link'>>()

function childScopes(expression: FieldExpression): Set<'event' | 'link'> {
  return memo(scopesOf, expression, () => {
    switch (expression.kind) {
      case 'literal':
        return new Set()
      case 'unary':
        return childScopes(expression.of)
      case 'binary':
        return childScopes(expression.left).union(childScopes(expression.right))
      default: {
        const scope = childScope(expression)
        return new Set(scope === undefined ? [] : [scope])
      }
    }
  })
}

/** Spans with a thousand events and a thousand links each would make a million rows a span. */
const MAX_FRAME_ROWS = 20_000_000

/** A row per span and event and link of it; a span without any has one row with -1. */
function childFrame(table: SpanTable, events: boolean, links: boolean): Frame {
  const firstEvent = events ? offsets(table.events.span, table.rows) : undefined
  const firstLink = links ? offsets(table.links.span, table.rows) : undefined
  const count = (first: Uint32Array | undefined, row: number) =>
    first === undefined ? 1 : Math.max(1, first[row + 1]! - first[row]!)
  let rows = 0
  for (let row = 0; row < table.rows; row++) rows += count(firstEvent, row) * count(firstLink, row)
  if (rows > MAX_FRAME_ROWS) {
    throw new TraceQLError('limit', '', 0, 'the spans have too many events and links to try them all with each other')
  }
  const span = new Uint32Array(rows)
  const event = events ? new Int32Array(rows) : null
  const link = links ? new Int32Array(rows) : null
  let at = 0
  for (let row = 0; row < table.rows; row++) {
    for (let e = 0; e < count(firstEvent, row); e++) {
      for (let l = 0; l < count(firstLink, row); l++) {
        span[at] = row
        if (event !== null) event[at] = childAt(firstEvent!, row, e)
        if (link !== null) link[at] = childAt(firstLink!, row, l)
        at++
      }
    }
  }
  return { table, rows, span, event, link }
}

function childAt(first: Uint32Array, row: number, i: number): number {
  return first[row] === first[row + 1] ? -1 : first[row]! + i
}

/** Children stand in span order, so those of a span are a range: from `result[row]` to `result[row + 1]`. */
function offsets(owner: Uint32Array, rows: number): Uint32Array {
  const first = new Uint32Array(rows + 1)
  for (const row of owner) first[row + 1]!++
  for (let row = 0; row < rows; row++) first[row + 1]! += first[row]!
  return first
}

function anyOfSpan(mask: Mask, { table, span }: Frame): Mask {
  if (typeof mask === 'boolean') return mask
  const result = new Uint8Array(table.rows)
  for (let i = 0; i < mask.length; i++) if (mask[i] === 1) result[span![i]!] = 1
  return result
}
