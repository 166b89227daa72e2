/** Links in dashboards: to other dashboards (their path is the same here), to traces, to Explore. */

import { valueText } from './field-config.ts'
import type { Field, Frame } from './frame.ts'
import { displayName } from './frame.ts'
import type { DataLink } from './grafana-json.ts'
import { interpolate, single, type Variables } from './interpolate.ts'
import { safeHref } from './safe-href.ts'

export interface ReadyLink {
  readonly href: string
  readonly title: string
}

/** Of one cell: `${__value.raw}`, `${__data.fields.x}` and the dashboard's variables are filled in. */
export function cellLinks(field: Field, frame: Frame, row: number, variables: Variables): ReadyLink[] {
  const value = field.values[row]
  if (value === null || value === undefined || value === '') return []
  return (field.config.links ?? []).flatMap((link) =>
    resolveLink(link, variables, cellVariables(field, frame, row, value)),
  )
}

/** Of a panel; what would not be a safe address is left out. */
export function panelLinks(links: readonly DataLink[] | undefined, variables: Variables): ReadyLink[] {
  return (links ?? []).flatMap((link) => resolveLink(link, variables, new Map()))
}

function resolveLink(link: DataLink, variables: Variables, own: Map<string, string>): ReadyLink[] {
  const filled = (link.url ?? '').replaceAll(
    /\$\{(__data\.fields(?:\.[\w ]+|\["[^"]+"\])|__value\.\w+|__field\.[\w.]+)\}/g,
    (match, name: string) => {
      const value = own.get(name.replace(/\["([^"]+)"\]/, '.$1'))
      return value === undefined ? match : encodeURIComponent(value)
    },
  )
  const scope = new Map([
    ...variables,
    ['__url_time_range', single(timeParams(variables))],
    ['__all_variables', single(variableParams(variables))],
  ] as const)
  const url = interpolate(filled.replaceAll(/\$\{?(__url_time_range|__all_variables)\}?/g, '${$1:raw}'), scope, 'url')
  const href = safeHref(url)
  return href ? [{ href, title: interpolate(link.title ?? '', variables, 'text') || 'Open' }] : []
}

function cellVariables(field: Field, frame: Frame, row: number, value: unknown): Map<string, string> {
  const names = new Map<string, string>([
    ['__value.raw', String(value)],
    ['__value.text', valueText(field.config, value)],
    ['__value.numeric', String(Number(value))],
    ['__field.name', field.name],
  ])
  for (const [name, label] of Object.entries(field.labels ?? {})) names.set(`__field.labels.${name}`, label)
  for (const other of frame.fields) {
    names.set(`__data.fields.${other.name}`, String(other.values[row] ?? ''))
    names.set(`__data.fields.${displayName(other, frame)}`, String(other.values[row] ?? ''))
  }
  return names
}

const timeParams = (variables: Variables): string =>
  `from=${variables.get('__from')?.values[0] ?? ''}&to=${variables.get('__to')?.values[0] ?? ''}`

const variableParams = (variables: Variables): string =>
  [...variables]
    .filter(([name]) => !name.startsWith('__'))
    .flatMap(([name, { values }]) => values.map((value) => `var-${name}=${encodeURIComponent(value)}`))
    .join('&')
