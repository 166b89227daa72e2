/** A line without axes: the shape of what a number was before. */
import { withAlpha } from '../data/colors.ts'
import './sparkline.css'

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/** Whether there are enough numbers for a line. */
export const hasShape = (values: readonly unknown[]): boolean => values.filter(isNumber).length >= 3

/** Draws nothing for fewer than three numbers. */
export function Sparkline({ values, color }: { values: readonly unknown[]; color: string }) {
  if (!hasShape(values)) return null
  const numbers = values.map((value) => (isNumber(value) ? value : null))
  const known = numbers.filter(isNumber)
  const low = Math.min(...known, 0)
  const high = Math.max(...known)
  const points = numbers.flatMap((value, i) =>
    value === null ? [] : [{ x: (i / (numbers.length - 1)) * 100, y: 38 - ((value - low) / (high - low || 1)) * 34 }],
  )
  const line = `M${points.map(({ x, y }) => `${x.toFixed(2)} ${y.toFixed(2)}`).join('L')}`
  const area = `${line}L${points.at(-1)!.x} 40L${points[0]!.x} 40Z`
  return (
    <svg class="sparkline" viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true">
      <path d={area} fill={withAlpha(color, 0.18)} />
      <path d={line} fill="none" stroke={color} stroke-width="1.5" vector-effect="non-scaling-stroke" />
    </svg>
  )
}
