/** A button that opens a small panel: closed by Escape, by a click elsewhere, and when focus leaves. */
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import './menu.css'

interface MenuProps {
  readonly label: string
  readonly button: ComponentChildren
  readonly children: (close: () => void) => ComponentChildren
  readonly className?: string
  readonly align?: 'left' | 'right'
}

export function Menu({ label, button, children, className = 'menu-button', align = 'right' }: MenuProps) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const trigger = useRef<HTMLButtonElement>(null)
  const close = () => {
    setOpen(false)
    trigger.current?.focus()
  }
  // At once: a key that is pressed before the next frame belongs to the panel already.
  useLayoutEffect(() => {
    if (!open) return undefined
    const outside = (event: Event) => !root.current?.contains(event.target as Node) && setOpen(false)
    addEventListener('pointerdown', outside)
    addEventListener('focusin', outside)
    root.current?.querySelector<HTMLElement>('.menu-panel :is(input, button, a)')?.focus()
    return () => {
      removeEventListener('pointerdown', outside)
      removeEventListener('focusin', outside)
    }
  }, [open])
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && open) {
      event.stopPropagation()
      close()
    }
    if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && open) moveFocus(root.current, event)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only listens for keys that its buttons let through
    <div class="menu" ref={root} onKeyDown={onKey} role="presentation">
      <button
        type="button"
        class={className}
        aria-label={label}
        title={label}
        aria-expanded={open}
        ref={trigger}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && <div class={`menu-panel ${align}`}>{children(close)}</div>}
    </div>
  )
}

function moveFocus(root: HTMLElement | null, event: KeyboardEvent): void {
  const items = [...(root?.querySelectorAll<HTMLElement>('.menu-panel :is(.menu-item, input[type=checkbox])') ?? [])]
  const at = items.indexOf(document.activeElement as HTMLElement)
  if (items.length === 0 || document.activeElement instanceof HTMLSelectElement) return
  event.preventDefault()
  items.at((at + (event.key === 'ArrowDown' ? 1 : -1)) % items.length)?.focus()
}
