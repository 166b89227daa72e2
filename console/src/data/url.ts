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
