/** Light, dark, or as the system says. Canvas drawings read their colours from the same CSS variables as the rest. */
import { useEffect, useState } from 'preact/hooks'

export type Theme = 'system' | 'light' | 'dark'
const KEY = 'sightline.theme'
const CHANGED = 'sightline:theme'

/** What the user chose in this browser. */
export const storedTheme = (): Theme => (localStorage.getItem(KEY) as Theme | null) ?? 'system'

/** Remembers it, and repaints. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') localStorage.removeItem(KEY)
  else localStorage.setItem(KEY, theme)
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  dispatchEvent(new Event(CHANGED))
}

/** What the theme comes to now. */
export const isDark = (): boolean => {
  const theme = storedTheme()
  return theme === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark'
}

/** Changes whenever colours do, so that canvases are drawn again. */
export function useDark(): boolean {
  const [dark, setDark] = useState(isDark)
  useEffect(() => {
    const update = () => setDark(isDark())
    const system = matchMedia('(prefers-color-scheme: dark)')
    addEventListener(CHANGED, update)
    system.addEventListener('change', update)
    return () => {
      removeEventListener(CHANGED, update)
      system.removeEventListener('change', update)
    }
  }, [])
  return dark
}

/** A CSS variable's value, or the colour itself when it is none. */
export function cssColor(color: string): string {
  const name = /^var\((--[\w-]+)\)$/.exec(color)?.[1]
  return name ? getComputedStyle(document.documentElement).getPropertyValue(name).trim() : color
}
