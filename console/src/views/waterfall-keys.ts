/** What a key means in the waterfall's tree. */
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
  const closed = collapsed.has(row.span.spanId)
  const hasChildren = row.children.length > 0
  if (key === 'ArrowDown' || key === 'j') return { move: active + 1 }
  if (key === 'ArrowUp' || key === 'k') return { move: active - 1 }
  if (key === 'PageDown') return { move: active + page }
  if (key === 'PageUp') return { move: active - page }
  if (key === 'Home') return { move: 0 }
  if (key === 'End') return { move: count - 1 }
  if (key === 'ArrowRight') return closed ? { toggle: true } : hasChildren ? { move: active + 1 } : undefined
  if (key === 'ArrowLeft') return hasChildren && !closed ? { toggle: true } : { move: parent() }
  if (key === 'Enter' || key === ' ') return { open: true }
  if (key === 'Escape') return { close: true }
  if (key === '/') return { find: true }
  if (key === 'n') return { step: 1 }
  if (key === 'N') return { step: -1 }
  return undefined
}

/** Of a row without one its own. */
export function parentIndex(rows: readonly SpanNode[], index: number): number {
  const depth = rows[index]!.depth
  for (let i = index - 1; i >= 0; i--) if (rows[i]!.depth < depth) return i
  return index
}
