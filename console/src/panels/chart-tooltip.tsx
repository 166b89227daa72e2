/** What stands at the crosshair: the time, and each line's value, largest first. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { localDateTime } from '../data/time-range.ts'
import './chart-tooltip.css'

export interface TooltipRow {
  readonly name: string
  readonly color: string
  readonly text: string
  readonly value: number
}

export interface TooltipState {
  readonly left: number
  readonly top: number
  readonly timeMs: number
  readonly rows: readonly TooltipRow[]
}

const MOST_ROWS = 14

export function ChartTooltip({ state }: { state: TooltipState | undefined }) {
  const root = useRef<HTMLDivElement>(null)
  const [shift, setShift] = useState({ x: 0, y: 0 })
  useEffect(() => {
    const box = root.current?.getBoundingClientRect()
    if (!state || !box) return
    // The card stays on the page: it moves to the other side of the crosshair when there is no room.
    const x = state.left + 14 + box.width > innerWidth - 8 ? -box.width - 14 : 14
    const y = Math.min(0, innerHeight - 8 - (state.top + box.height))
    setShift((old) => (old.x === x && old.y === y ? old : { x, y }))
  }, [state])
  if (!state) return null
  const rows = state.rows.slice(0, MOST_ROWS)
  return (
    <div
      class="chart-tooltip"
      ref={root}
      style={{ left: `${state.left + shift.x}px`, top: `${state.top + shift.y}px` }}
      aria-hidden="true"
    >
      <div class="tooltip-time">{localDateTime(state.timeMs)}</div>
      <table>
        <tbody>
          {rows.map((row, index) => (
            <tr key={`${row.name}/${index}`}>
              <td>
                <span class="swatch" style={{ background: row.color }} /> {row.name}
              </td>
              <td class="number">{row.text}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {state.rows.length > MOST_ROWS && <div class="muted">and {state.rows.length - MOST_ROWS} more</div>}
    </div>
  )
}
