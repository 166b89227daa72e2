/** What helps to write a query, below the editor: one of them open at a time. */
import type { ComponentChildren } from 'preact'
import { useId, useRef } from 'preact/hooks'
import './query-tools.css'

export interface QueryTool {
  readonly id: string
  readonly label: string
  readonly draw: () => ComponentChildren
}

interface QueryToolsProps {
  readonly tools: readonly QueryTool[]
  /** The id of the open one. */
  readonly open: string | undefined
  readonly onOpen: (id: string | undefined) => void
}

export function QueryTools({ tools, open, onOpen }: QueryToolsProps) {
  const id = useId()
  const root = useRef<HTMLDivElement>(null)
  const shown = tools.find((tool) => tool.id === open)
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !shown) return
    event.preventDefault()
    onOpen(undefined)
    root.current?.querySelector<HTMLElement>('[aria-expanded="true"]')?.focus()
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only listens for a key that its controls let through
    <div class="query-tools" ref={root} role="presentation" onKeyDown={onKey}>
      <div class="query-tool-buttons">
        {tools.map((tool) => (
          <button
            key={tool.id}
            type="button"
            class="button"
            aria-expanded={tool.id === open}
            aria-controls={tool.id === open ? id : undefined}
            onClick={() => onOpen(tool.id === open ? undefined : tool.id)}
          >
            {tool.label}
          </button>
        ))}
      </div>
      {shown && (
        <section id={id} class="query-tool" aria-label={shown.label} tabIndex={-1}>
          {shown.draw()}
        </section>
      )}
    </div>
  )
}
