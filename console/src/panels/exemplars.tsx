/** Single requests behind a chart's numbers: diamonds that lead to their traces. */
import type uPlot from 'uplot'
import type { Exemplar } from '../data/frame.ts'
import type { FieldConfig } from '../data/grafana-json.ts'
import { MARK_KEYS, meaningOf } from '../data/keys.ts'
import { localDateTime } from '../data/time-range.ts'
import { formatValue } from '../data/units.ts'
import { useKeyTable } from '../shell/keys.ts'
import './exemplars.css'

export interface Mark {
  readonly exemplar: Exemplar
  /** CSS pixels inside the plot area. */
  readonly x: number
  readonly y: number
}

export const exemplarTrace = (exemplar: Exemplar): string | undefined =>
  exemplar.labels.trace_id ?? exemplar.labels.traceID ?? exemplar.labels.traceId

/** At most this many: the slowest of each slot along the time axis. */
const SLOT_PX = 11

/** Where the diamonds go; `yOf` gives undefined for what lies outside. */
export function placeExemplars(
  u: uPlot,
  exemplars: readonly Exemplar[],
  yOf: (exemplar: Exemplar) => number | undefined,
): Mark[] {
  const slots = new Map<number, Mark>()
  for (const exemplar of exemplars) {
    if (!exemplarTrace(exemplar)) continue
    const x = u.valToPos(exemplar.timeMs / 1000, 'x')
    const y = yOf(exemplar)
    if (y === undefined || x < 0 || x > u.over.clientWidth) continue
    const slot = Math.floor(x / SLOT_PX)
    const known = slots.get(slot)
    if (!known || known.exemplar.value < exemplar.value) slots.set(slot, { exemplar, x, y })
  }
  return [...slots.values()].sort((a, b) => a.x - b.x)
}

export function ExemplarMarks({
  marks,
  offset,
  config,
}: {
  marks: readonly Mark[]
  offset: { left: number; top: number }
  config: FieldConfig
}) {
  useKeyTable(marks.length > 0 ? MARK_KEYS : undefined)
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <div
      class="exemplars"
      role="group"
      aria-label="Exemplars; the arrow keys go from one to the next"
      style={{ left: `${offset.left}px`, top: `${offset.top}px` }}
      onKeyDown={moveAlong}
    >
      {marks.map(({ exemplar, x, y }, index) => {
        const traceId = exemplarTrace(exemplar)!
        const text = `${formatValue(exemplar.value, config)} at ${localDateTime(exemplar.timeMs)}`
        return (
          <a
            key={`${traceId}/${exemplar.timeMs}/${exemplar.value}`}
            class="exemplar"
            // Tens of marks would drown the page's tab order: one stop for all of them.
            tabIndex={index === 0 ? 0 : -1}
            href={`/trace/${traceId}`}
            style={{ left: `${x}px`, top: `${y}px` }}
            aria-label={`Trace of a request of ${text}`}
          >
            <span class="exemplar-card">
              <strong>{text}</strong>
              {Object.entries({ ...exemplar.seriesLabels, ...exemplar.labels })
                .filter(([name]) => !['__name__', 'instance', 'le'].includes(name))
                .map(([name, value]) => (
                  <span key={name}>
                    <span class="muted">{name}</span> {value}
                  </span>
                ))}
              <em>Click to open the trace</em>
            </span>
          </a>
        )
      })}
    </div>
  )
}

function moveAlong(event: KeyboardEvent): void {
  const does = meaningOf(MARK_KEYS, event.key)
  const step = does && { previous: -1, next: 1 }[does]
  const marks = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('.exemplar')]
  const next = step && marks[marks.indexOf(document.activeElement as HTMLElement) + step]
  if (!next) return
  event.preventDefault()
  next.focus()
}
