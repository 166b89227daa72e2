/** Random questions to the other routes of both APIs: which labels, tags and values there are. As `path?name=value & name=value`. */
import type { Choices } from './choices.ts'
import { selector } from './logql.ts'
import { BOOLS, DURATIONS, FLOATS, INTS, TEXTS } from './spans.ts'
import { filter } from './traceql.ts'

const LABELS = ['service_name', 'env', 'level', 'zone', 'status', 'absent', 'detected_level']

export function loki(choices: Choices): string {
  const query = () => selector(choices)
  const about = () => choices.of(['', `?query=${query()}`])
  return choices.way(
    [1, () => `labels${about()}`],
    [2, () => `label/${choices.of(LABELS)}/values${about()}`],
    [2, () => `series?match[]=${query()}${choices.of(['', ` & match[]=${query()}`])}`],
    [1, () => `index/stats?query=${query()}`],
    [2, () => `index/volume?query=${query()}${volume(choices)}`],
    [1, () => `index/volume_range?query=${query()} & step=60${volume(choices)}`],
    [
      2,
      () =>
        `detected_fields?query=${query()}${choices.of(['', ' | json', ' | logfmt', ' |= "status"'])} & line_limit=5000 & limit=5000`,
    ],
    [1, () => `detected_labels?query=${query()}`],
  )
}

const volume = (choices: Choices): string =>
  choices.of([
    '',
    ` & targetLabels=${choices.of(LABELS)}`,
    ' & aggregateBy=labels',
    ` & targetLabels=env,${choices.of(LABELS)} & aggregateBy=labels`,
  ])

const SCOPES = ['', 'resource', 'span', 'event', 'link', 'instrumentation', 'intrinsic', 'all', 'none']
const FIELDS = [
  ...Object.keys(TEXTS),
  ...Object.keys(INTS),
  ...Object.keys(FLOATS),
  ...Object.keys(DURATIONS),
  ...BOOLS,
  'status',
  'kind',
]

export function tempo(choices: Choices): string {
  const scope = choices.of(SCOPES)
  const field = encodeURIComponent(choices.of(FIELDS).replaceAll('"', ''))
  const about = () => choices.of(['', '', `?q=${filter(choices)}`])
  return choices.way(
    [1, () => `search/tags${scope === '' ? '' : `?scope=${scope}`}`],
    [2, () => `v2/search/tags${scope === '' ? about() : `?scope=${scope}`}`],
    [4, () => `v2/search/tag/${field}/values${about()}`],
    [1, () => `search/tag/${field.replace(/^(span|resource)?\./, '')}/values`],
  )
}

/** The path and the parameters of a question. */
export function readQuestion(text: string): { path: string; parameters: [string, string][] } {
  const mark = text.indexOf('?')
  const path = mark < 0 ? text : text.slice(0, mark)
  const parameters = mark < 0 ? [] : text.slice(mark + 1).split(' & ')
  return {
    path,
    parameters: parameters.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
  }
}

/** biome-ignore-start lint/suspicious/noExplicitAny: what a foreign program answers has no type until it is read here */
const asText = (value: any): string =>
  typeof value === 'object' && value !== null
    ? JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : String(value)

/** What is there, and what is said of it. */
export function readAnswer(body: any): (readonly [string, Map<string, string>])[] {
  const said = new Map<string, string>()
  const add = (key: unknown, of: unknown = '') => said.set(asText(key), asText(of))
  const { data, fields, detectedLabels, tagNames, scopes, tagValues, streams } = body
  for (const one of tagNames ?? []) add(one)
  for (const { name, tags } of scopes ?? []) for (const tag of tags ?? []) add(`${name} ${tag}`)
  // An empty value is left out there, as every member with the value it has by default.
  for (const one of tagValues ?? []) add(typeof one === 'string' ? one : { value: '', ...one })
  for (const { label, type, cardinality, parsers } of fields ?? [])
    add(label, { type, cardinality, parsers: (parsers ?? []).sort().join() })
  for (const { label, cardinality } of detectedLabels ?? []) add(label, cardinality)
  if (Array.isArray(data)) for (const one of data) add(one)
  for (const { metric, value, values } of data?.result ?? []) {
    if (value) add(metric, value[1])
    // A bucket carries its beginning here, there its end.
    for (const [time, one] of values ?? []) add({ ...metric, time: Math.floor(time / 60) }, one)
  }
  if (streams !== undefined) for (const [name, value] of Object.entries(body)) add(name, value)
  return [
    ['there', new Map([...said.keys()].map((key) => [key, '']))],
    ['said', said],
  ]
}
/** biome-ignore-end lint/suspicious/noExplicitAny: as above */
