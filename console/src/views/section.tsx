/** A heading that opens and closes what is below it. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Icon } from '../shell/icons.tsx'
import './section.css'

interface SectionProps {
  readonly title: string
  readonly count?: number
  readonly open?: boolean
  readonly children: ComponentChildren
}

export function Section({ title, count, open = false, children }: SectionProps) {
  const [expanded, setExpanded] = useState(open)
  return (
    <section class="detail-section">
      <h4>
        <button type="button" aria-expanded={expanded} onClick={() => setExpanded(!expanded)}>
          <Icon name={expanded ? 'chevron-down' : 'chevron-right'} /> {title}{' '}
          {count !== undefined && <span class="muted">{count}</span>}
        </button>
      </h4>
      {expanded && children}
    </section>
  )
}
