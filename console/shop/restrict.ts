/** What leaves the browser: nothing that could tell a person from another. Knows no browser, and is tested without one. */
import { BROWSER } from '@sightline/contracts/telemetry-names'

interface Told {
  attributes: Record<string, unknown>
  events: { attributes?: Record<string, unknown> }[]
}

/** Changes the span: only listed attributes stay, and of a URL what stands before `?` and `#`. */
export function restrict({ attributes, events }: Told): void {
  for (const told of [attributes, ...events.map((event) => event.attributes ?? {})]) {
    for (const key of Object.keys(told)) if (!Object.hasOwn(BROWSER.attributes, key)) delete told[key]
    if (typeof told['url.full'] === 'string') told['url.full'] = told['url.full'].replace(/[?#].*$/s, '')
  }
}

/** Chrome, Edge, Firefox, Safari or other. The first that fits: a browser says of itself that it is those after it, too. */
export const familyOf = (userAgent: string): string =>
  FAMILIES.find(([, pattern]) => pattern.test(userAgent))?.[0] ?? 'other'

const FAMILIES: readonly (readonly [family: string, pattern: RegExp])[] = [
  ['other', /\b(?:OPR|SamsungBrowser|YaBrowser|Vivaldi)\//],
  ['Edge', /\bEdg(?:e|A|iOS)?\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /(?:Chrome|Chromium|CriOS)\//],
  ['Safari', /\bVersion\/.*\bSafari\//],
]
