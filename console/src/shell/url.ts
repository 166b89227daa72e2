/** The address holds the whole state of a page. Reading it, changing it, and links that don't reload. */
import { useEffect, useState } from 'preact/hooks'
import { type Patch, withParams } from '../data/url.ts'

const CHANGED = 'sightline:navigated'

export interface Address {
  readonly path: string
  readonly params: URLSearchParams
}

const current = (): Address => ({ path: location.pathname, params: new URLSearchParams(location.search) })

/** The present address; the component is drawn again when it changes. */
export function useAddress(): Address {
  const [address, setAddress] = useState(current)
  useEffect(() => {
    const update = () => setAddress(current())
    addEventListener('popstate', update)
    addEventListener(CHANGED, update)
    return () => {
      removeEventListener('popstate', update)
      removeEventListener(CHANGED, update)
    }
  }, [])
  return address
}

/** Goes to a path of this origin without loading it; `replace`: not a step that the back button returns from. */
export function navigate(href: string, replace = false): void {
  if (href === location.pathname + location.search + location.hash) return
  history[replace ? 'replaceState' : 'pushState'](null, '', href)
  dispatchEvent(new Event(CHANGED))
}

/** Changes parameters of the present address. */
export function setParams(patch: Patch, replace = false): void {
  const { path, params } = current()
  navigate(withParams(path, patch, params), replace)
}

/** Clicks on links to this origin change the page without loading it again. */
export function interceptLinks(): void {
  addEventListener('click', (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return
    const link = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement)
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (link.pathname.startsWith('/api/') || link.pathname.endsWith('.json')) return
    event.preventDefault()
    const samePage = link.pathname === location.pathname
    navigate(link.pathname + link.search + link.hash)
    if (!samePage) scrollTo(0, 0)
  })
}
