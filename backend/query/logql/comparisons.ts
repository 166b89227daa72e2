/** The comparisons of LogQL, for label filters and metric queries alike: as IEEE 754 has them, so NaN equals nothing. */
import type { CompareOp } from './ast.ts'

/** What each operator tells of two numbers. */
export const COMPARISONS: Readonly<Record<CompareOp, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
}

/** Whether the operator compares, and does not calculate or join sets. */
export const isComparison = (op: string): op is CompareOp => Object.hasOwn(COMPARISONS, op)
