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
