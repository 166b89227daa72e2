/** What a key means in the waterfall's tree. */
import { meaningOf, SPAN_KEYS } from '../data/keys.ts'
import type { SpanNode } from '../data/trace.ts'

interface KeyContext {
  /** Index of the active row, and of how many. */
  active: number
  count: number
  /** Rows in sight. */
  page: number
  collapsed: ReadonlySet<string>
  /** Index of the row above whose span is the active one's parent. */
  parent: () => number
}

interface KeyAction {
  /** Index of the row to go to; may lie outside. */
  move?: number
  toggle?: boolean
  open?: boolean
  close?: boolean
  find?: boolean
  step?: 1 | -1
}

/** The action of `key` on the active row; undefined: not one of the tree's keys. */
export function keyAction(
  key: string,
  row: SpanNode,
  { active, count, page, collapsed, parent }: KeyContext,
): KeyAction | undefined {
  const does = meaningOf(SPAN_KEYS, key)
  const closed = collapsed.has(row.span.spanId)
  const hasChildren = row.children.length > 0
  if (does === 'next') return { move: active + 1 }
  if (does === 'previous') return { move: active - 1 }
  if (does === 'pageDown') return { move: active + page }
  if (does === 'pageUp') return { move: active - page }
  if (does === 'first') return { move: 0 }
  if (does === 'last') return { move: count - 1 }
  if (does === 'unfold') return closed ? { toggle: true } : hasChildren ? { move: active + 1 } : undefined
  if (does === 'fold') return hasChildren && !closed ? { toggle: true } : { move: parent() }
  if (does === 'open') return { open: true }
  if (does === 'close') return { close: true }
  if (does === 'find') return { find: true }
  if (does === 'nextFound') return { step: 1 }
  if (does === 'previousFound') return { step: -1 }
  return undefined
}

/** Of a row without one its own. */
export function parentIndex(rows: readonly SpanNode[], index: number): number {
  const depth = rows[index]!.depth
  for (let i = index - 1; i >= 0; i--) if (rows[i]!.depth < depth) return i
  return index
}
