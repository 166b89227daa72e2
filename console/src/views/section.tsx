/** A heading that opens and closes what is below it. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Icon } from '../shell/icons.tsx'

interface SectionProps {
  readonly title: string
  readonly count?: number
  readonly open?: boolean
  readonly children: ComponentChildren
}

export function Section({ title, count, open = false, children }: SectionProps) {
  const [shown, setShown] = useState(open)
  return (
    <section class="detail-section">
      <h4>
        <button type="button" aria-expanded={shown} onClick={() => setShown(!shown)}>
          <Icon name={shown ? 'chevron-down' : 'chevron-right'} /> {title}{' '}
          {count !== undefined && <span class="muted">{count}</span>}
        </button>
      </h4>
      {shown && children}
    </section>
  )
}
