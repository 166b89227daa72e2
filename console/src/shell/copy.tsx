import { useState } from 'preact/hooks'
import { Icon } from './icons.tsx'

export function CopyButton({ text, label, iconOnly = false }: { text: string; label: string; iconOnly?: boolean }) {
  const [state, setState] = useState<'idle' | 'done' | 'refused'>('idle')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setState('done')
    } catch {
      // No clipboard without https or permission: say so instead of pretending.
      setState('refused')
    }
    setTimeout(() => setState('idle'), 1500)
  }
  const words = state === 'done' ? 'Copied' : state === 'refused' ? 'Not allowed here' : label
  return (
    <button
      type="button"
      class={iconOnly ? 'icon-button small' : 'button'}
      aria-label={words}
      title={words}
      onClick={() => void copy()}
    >
      <Icon name={state === 'done' ? 'check' : 'copy'} />
      {!iconOnly && <span aria-live="polite"> {words}</span>}
    </button>
  )
}
