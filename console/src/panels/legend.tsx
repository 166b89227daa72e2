/** The names under a chart. A click shows one line alone, a click with Ctrl or Shift hides or shows it. */

import { CALCULATION_LABELS, reduceValues } from '../data/reduce.ts'
import { formatValue } from '../data/units.ts'
import type { Line } from './lines.ts'
import './legend.css'

interface LegendProps {
  readonly lines: readonly Line[]
  readonly hidden: ReadonlySet<string>
  readonly onToggle: (name: string, add: boolean) => void
  readonly calcs: readonly string[]
  readonly table: boolean
  readonly right: boolean
}

export function Legend({ lines, hidden, onToggle, calcs, table, right }: LegendProps) {
  const entry = (line: Line) => (
    <button
      type="button"
      class="legend-entry"
      aria-pressed={!hidden.has(line.name)}
      title={`Show only ${line.name} (with Ctrl: hide or show it)`}
      onClick={(event) => onToggle(line.name, event.ctrlKey || event.metaKey || event.shiftKey)}
    >
      <span class="swatch" style={{ background: line.color }} />
      <span class="legend-name">{line.name}</span>
    </button>
  )
  const texts = (line: Line) => calcs.map((calc) => formatValue(reduceValues(line.values, calc), line.config))
  if (!table) {
    return (
      <ul class={`legend list${right ? ' right' : ''}`}>
        {lines.map((line, index) => (
          <li key={`${line.name}/${index}`}>
            {entry(line)}
            {calcs.length > 0 && <span class="legend-values">{texts(line).join(' · ')}</span>}
          </li>
        ))}
      </ul>
    )
  }
  return (
    <div class={`legend table${right ? ' right' : ''}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            {calcs.map((calc) => (
              <th scope="col" class="number" key={calc}>
                {CALCULATION_LABELS[calc] ?? calc}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map((line, index) => (
            <tr key={`${line.name}/${index}`}>
              <td>{entry(line)}</td>
              {texts(line).map((text, i) => (
                <td class="number" key={calcs[i]}>
                  {text}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
