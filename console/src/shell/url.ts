/** The address holds the whole state of a page. Reading it, changing it, and links that don't reload. */
import { useEffect, useState } from 'preact/hooks'
import { type Patch, withParams, withTime } from '../data/url.ts'

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
export function navigate(to: string, replace = false): void {
  const href = keepingTime(to)
  if (href === location.pathname + location.search + location.hash) return
  history[replace ? 'replaceState' : 'pushState'](null, '', href)
  dispatchEvent(new Event(CHANGED))
}

/** Another page shows the time that this one does, unless the way there says which. */
export function keepingTime(href: string): string {
  const { path, params } = current()
  return href.split(/[?#]/, 1)[0] === path ? href : withTime(href, params)
}

/** Changes parameters of the present address. */
export function setParams(patch: Patch, replace = false): void {
  const { path, params } = current()
  navigate(withParams(path, patch, params), replace)
}

/**
 * Clicks on links to this origin change the page without loading it again. What opens in a tab of its own, or is copied, takes
 * the time along, too.
 */
export function interceptLinks(): void {
  addEventListener('click', (event) => {
    const link = linkOf(event)
    if (!link || event.defaultPrevented) return
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target) {
      lendTime(link)
      return
    }
    event.preventDefault()
    const samePage = link.pathname === location.pathname
    navigate(link.pathname + link.search + link.hash)
    if (!samePage) scrollTo(0, 0)
  })
  for (const kind of ['auxclick', 'contextmenu'] as const)
    addEventListener(kind, (event) => {
      const link = linkOf(event)
      if (link) lendTime(link)
    })
}

/** The link that an event means, if it leads to a page of the console. */
function linkOf(event: Event): HTMLAnchorElement | undefined {
  const link = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement)
  if (!link || link.hasAttribute('download') || link.origin !== location.origin) return undefined
  return link.pathname.startsWith('/api/') || link.pathname.endsWith('.json') ? undefined : link
}

/** Long enough for the browser to read where the link leads; then it says again what the page wrote. */
const LENT_MS = 1000

function lendTime(link: HTMLAnchorElement): void {
  const own = link.getAttribute('href')!
  const lent = keepingTime(link.pathname + link.search + link.hash)
  if (lent === link.pathname + link.search + link.hash) return
  link.setAttribute('href', lent)
  setTimeout(() => link.getAttribute('href') === lent && link.setAttribute('href', own), LENT_MS)
}
