/** Light, dark, or as the system says. Canvas drawings read their colours from the same CSS variables as the rest. */
import { useEffect, useState } from 'preact/hooks'

export type Theme = 'system' | 'light' | 'dark'
const KEY = 'sightline.theme'
const CHANGED = 'sightline:theme'

/** What was chosen since the page was loaded: the browser may keep nothing for it. */
let chosen: Theme | undefined

/** What the user chose in this browser. */
export function storedTheme(): Theme {
  if (chosen) return chosen
  try {
    return (localStorage.getItem(KEY) as Theme | null) ?? 'system'
  } catch {
    // Storage is forbidden: the page works without.
    return 'system'
  }
}

/** Remembers it, and repaints. */
export function applyTheme(theme: Theme): void {
  chosen = theme
  try {
    if (theme === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, theme)
  } catch {
    // Forbidden or full: it is remembered until the page is loaded again.
  }
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
