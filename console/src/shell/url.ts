/** The address holds the whole state of a page. Reading it, changing it, and links that don't reload. */
import { useEffect, useState } from 'preact/hooks'

const CHANGED = 'sightline:navigated'

export interface Address {
  readonly path: string
  readonly params: URLSearchParams
}

const current = (): Address => ({ path: location.pathname, params: new URLSearchParams(location.search) })

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

export function navigate(href: string, replace = false): void {
  if (href === location.pathname + location.search) return
  history[replace ? 'replaceState' : 'pushState'](null, '', href)
  dispatchEvent(new Event(CHANGED))
}

type Patch = Readonly<Record<string, string | readonly string[] | null | undefined>>

/** `null` and undefined remove a parameter. */
export function patchedParams(params: URLSearchParams, patch: Patch): URLSearchParams {
  const next = new URLSearchParams(params)
  for (const [name, value] of Object.entries(patch)) {
    next.delete(name)
    for (const one of value === null || value === undefined ? [] : [value].flat()) next.append(name, one)
  }
  return next
}

export function setParams(patch: Patch, replace = false): void {
  const { path, params } = current()
  const next = patchedParams(params, patch)
  navigate(next.size ? `${path}?${next}` : path, replace)
}

export const withParams = (path: string, patch: Patch, base = new URLSearchParams()): string => {
  const params = patchedParams(base, patch)
  return params.size ? `${path}?${params}` : path
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
    navigate(link.pathname + link.search)
    if (!samePage) scrollTo(0, 0)
  })
}

/**
 * Links in a dashboard are data. Only http(s) addresses and paths of this origin become links: never `javascript:`.
 */
export function safeHref(url: string): string | undefined {
  try {
    const parsed = new URL(url, location.origin)
    return parsed.protocol === 'http:' || parsed.protocol === 'https:' ? url : undefined
  } catch {
    return undefined
  }
}
