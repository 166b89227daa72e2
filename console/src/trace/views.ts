/** The views of one trace, as the address names them. */
export const VIEWS = [
  { id: 'waterfall', label: 'Waterfall' },
  { id: 'flame', label: 'Flame graph' },
  { id: 'spans', label: 'Spans' },
  { id: 'operations', label: 'Operations' },
  { id: 'path', label: 'Critical path' },
  { id: 'json', label: 'JSON' },
] as const

export type ViewId = (typeof VIEWS)[number]['id']

/** The waterfall for anything that is no view. */
export const readView = (text: string | null): ViewId => VIEWS.find(({ id }) => id === text)?.id ?? 'waterfall'
