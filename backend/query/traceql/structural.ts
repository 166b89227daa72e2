/** `>` `>>` `<` `<<` `~` over whole tables, by the array of parent rows. Masks in, mask out. */
import { tick } from '../language/turn.ts'
import type { Relation, StructuralOperator } from './ast.ts'
import type { Mask } from './mask.ts'
import type { SpanTable } from './span-table.ts'

/** `null`: the spans of a trace are one set. Otherwise the set of each row; only spans of one set are related. */
export type SetOf = Uint32Array | null

const INVERSE: Readonly<Record<Relation, Relation>> = { '>': '<', '<': '>', '>>': '<<', '<<': '>>', '~': '~' }

/**
 * Rows of `right` that stand in the relation to a row of `left`: `left > right` are the children. `!` keeps the rows of
 * `right` for which it doesn't hold, `&` adds the rows of `left` that made it hold.
 */
export function relate(op: StructuralOperator, left: Mask, right: Mask, table: SpanTable, setOf: SetOf): Uint8Array {
  tick()
  const a = bytes(left, table.rows)
  const b = bytes(right, table.rows)
  const prefix = op[0]
  const relation = (prefix === '!' || prefix === '&' ? op.slice(1) : op) as Relation
  const related = holds(relation, a, b, table, setOf)
  if (prefix === '!') {
    for (let row = 0; row < related.length; row++) related[row] = b[row]! & (1 - related[row]!)
  } else if (prefix === '&') {
    const sources = holds(INVERSE[relation], b, a, table, setOf)
    for (let row = 0; row < related.length; row++) related[row]! |= sources[row]!
  }
  return related
}

function bytes(mask: Mask, rows: number): Uint8Array {
  if (typeof mask !== 'boolean') return mask
  return mask ? new Uint8Array(rows).fill(1) : new Uint8Array(rows)
}

function holds(relation: Relation, a: Uint8Array, b: Uint8Array, table: SpanTable, setOf: SetOf): Uint8Array {
  switch (relation) {
    case '>':
      return children(a, b, table.parent, setOf)
    case '<':
      return parents(a, b, table.parent, setOf)
    case '>>':
      return setOf === null ? descendants(a, b, table.parent) : descendantsInSet(a, b, table.parent, setOf)
    case '<<':
      return setOf === null ? ancestors(a, b, table.parent) : ancestorsInSet(a, b, table.parent, setOf)
    case '~':
      return siblings(a, b, table.parent, setOf)
  }
}

function children(a: Uint8Array, b: Uint8Array, parent: Int32Array, setOf: SetOf): Uint8Array {
  const result = new Uint8Array(b.length)
  for (let row = 0; row < b.length; row++) {
    const up = parent[row]!
    if (b[row] === 1 && up >= 0 && a[up] === 1 && (setOf === null || setOf[up] === setOf[row])) result[row] = 1
  }
  return result
}

function parents(a: Uint8Array, b: Uint8Array, parent: Int32Array, setOf: SetOf): Uint8Array {
  const result = new Uint8Array(b.length)
  for (let row = 0; row < a.length; row++) {
    const up = parent[row]!
    if (a[row] === 1 && up >= 0 && b[up] === 1 && (setOf === null || setOf[up] === setOf[row])) result[up] = 1
  }
  return result
}

const UNKNOWN = 0
const YES = 1
const NO = 2
/** On the path being walked; meeting it again means that spans claim to be each other's parent. */
const OPEN = 3

/** Whether a span hangs below one of `a` is asked once per span: every span on the way up keeps its answer. */
function descendants(a: Uint8Array, b: Uint8Array, parent: Int32Array): Uint8Array {
  const below = new Uint8Array(b.length)
  const path: number[] = []
  for (let start = 0; start < b.length; start++) {
    if (b[start] === 0) continue
    let row = start
    let answer = below[row]!
    while (answer === UNKNOWN) {
      below[row] = OPEN
      path.push(row)
      const up = parent[row]!
      if (up < 0) answer = NO
      else if (a[up] === 1) answer = YES
      else {
        row = up
        answer = below[row] === OPEN ? NO : below[row]!
      }
    }
    while (path.length > 0) below[path.pop()!] = answer
  }
  for (let row = 0; row < below.length; row++) below[row] = b[row] === 1 && below[row] === YES ? 1 : 0
  return below
}

function ancestors(a: Uint8Array, b: Uint8Array, parent: Int32Array): Uint8Array {
  const above = new Uint8Array(b.length)
  for (let row = 0; row < a.length; row++) {
    if (a[row] === 0) continue
    for (let up = parent[row]!; up >= 0 && above[up] === 0; up = parent[up]!) above[up] = 1
  }
  for (let row = 0; row < above.length; row++) above[row]! &= b[row]!
  return above
}

function descendantsInSet(a: Uint8Array, b: Uint8Array, parent: Int32Array, setOf: Uint32Array): Uint8Array {
  return b.map((wanted, row) =>
    wanted === 1 && pathUp(row, parent).some((up) => a[up] === 1 && setOf[up] === setOf[row]) ? 1 : 0,
  )
}

function ancestorsInSet(a: Uint8Array, b: Uint8Array, parent: Int32Array, setOf: Uint32Array): Uint8Array {
  const result = new Uint8Array(b.length)
  for (let row = 0; row < a.length; row++) {
    if (a[row] === 0) continue
    for (const up of pathUp(row, parent)) if (b[up] === 1 && setOf[up] === setOf[row]) result[up] = 1
  }
  return result
}

function pathUp(row: number, parent: Int32Array): number[] {
  // A trace can be as deep as it has spans.
  if ((row & 63) === 0) tick()
  const path = new Set<number>()
  for (let up = parent[row]!; up >= 0 && !path.has(up); up = parent[up]!) path.add(up)
  return [...path]
}

/** Roots, and spans whose parent never arrived, have no siblings. */
function siblings(a: Uint8Array, b: Uint8Array, parent: Int32Array, setOf: SetOf): Uint8Array {
  const result = new Uint8Array(b.length)
  if (setOf === null) {
    const count = new Uint32Array(b.length)
    for (let row = 0; row < a.length; row++) if (a[row] === 1 && parent[row]! >= 0) count[parent[row]!]!++
    for (let row = 0; row < b.length; row++) {
      if (b[row] === 1 && parent[row]! >= 0 && count[parent[row]!]! > a[row]!) result[row] = 1
    }
    return result
  }
  const count = new Map<string, number>()
  const family = (row: number) => `${parent[row]} ${setOf[row]}`
  for (let row = 0; row < a.length; row++) {
    if (a[row] === 1 && parent[row]! >= 0) count.set(family(row), (count.get(family(row)) ?? 0) + 1)
  }
  for (let row = 0; row < b.length; row++) {
    if (b[row] === 1 && parent[row]! >= 0 && (count.get(family(row)) ?? 0) > a[row]!) result[row] = 1
  }
  return result
}
