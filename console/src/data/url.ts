/** Addresses as text: what they say after the question mark. */

/** Parameters to set, each to one value or several. `null` and undefined remove one. */
export type Patch = Readonly<Record<string, string | readonly string[] | null | undefined>>

/** `path` with the parameters of `base` as `patch` changes them; no question mark when there are none. */
export function withParams(path: string, patch: Patch, base = new URLSearchParams()): string {
  const params = patchedParams(base, patch)
  return params.size ? `${path}?${params}` : path
}

/** A copy of `params` with the changes of `patch`. */
export function patchedParams(params: URLSearchParams, patch: Patch): URLSearchParams {
  const next = new URLSearchParams(params)
  for (const [name, value] of Object.entries(patch)) {
    next.delete(name)
    for (const one of value === null || value === undefined ? [] : [value].flat()) next.append(name, one)
  }
  return next
}

/** What of the time one looks at goes along from page to page. */
const TIME = ['from', 'to', 'refresh']

/** `href`, an address of this origin, with the time of `present`; one that has a time of its own is left as it is. */
export function withTime(href: string, present: URLSearchParams): string {
  const [, path = '', search = '', hash = ''] = /^([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(href) ?? []
  const params = new URLSearchParams(search)
  if (params.has('from') || params.has('to')) return href
  const kept = TIME.filter((name) => present.has(name) && !params.has(name))
  if (kept.length === 0) return href
  return withParams(path, Object.fromEntries(kept.map((name) => [name, present.get(name)])), params) + hash
}
