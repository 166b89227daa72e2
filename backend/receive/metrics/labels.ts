/** What tells series apart: attributes of a point, and of the resource and scope that it comes from. */
import type { AnyValue, InstrumentationScope, KeyValue, Resource } from '@sightline/otlp-messages'
import { inOrderOfNames, type Label } from '@sightline/service-kit/remote-write'
import { jsonText } from '../../otlp/wire.ts'
import { labelName } from './names.ts'

/** `job` is `service.namespace/service.name`, `instance` is `service.instance.id`; each where it is known. */
export function targetLabels(resource: Resource | undefined): Label[] {
  const known = new Map(resource?.attributes.map(({ key, value }) => [key, textOf(value)]))
  const name = known.get('service.name') ?? ''
  const namespace = known.get('service.namespace') ?? ''
  return present([
    ['job', name !== '' && namespace !== '' ? `${namespace}/${name}` : name],
    ['instance', known.get('service.instance.id') ?? ''],
  ])
}

const IDENTIFYING = new Set(['service.name', 'service.namespace', 'service.instance.id'])

/** Labels of `target_info`, which holds all else of a resource; undefined where there is nothing to tell, or nobody to tell it of. */
export function targetInfoLabels(resource: Resource | undefined, target: readonly Label[]): Label[] | undefined {
  const others = resource?.attributes.filter(({ key }) => !IDENTIFYING.has(key)) ?? []
  if (others.length === 0 || target.length === 0) return undefined
  return inOrderOfNames([...pointLabels(others, target), ['__name__', 'target_info']])
}

/** The scope's name and version; its attributes are left out. */
export const scopeLabels = (scope: InstrumentationScope | undefined): Label[] =>
  present([
    ['otel_scope_name', scope?.name ?? ''],
    ['otel_scope_version', scope?.version ?? ''],
  ])

/** Attributes as labels, any order; `common` ones take the place of those of the same name. */
export function pointLabels(attributes: readonly KeyValue[], common: readonly Label[]): Label[] {
  const labels = new Map<string, string>()
  for (const { key, value } of attributes.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    const name = labelName(key)
    const text = textOf(value)
    if (name === '' || text === '') continue
    // Keys that become one name share it: no value is lost.
    const before = labels.get(name)
    labels.set(name, before === undefined ? text : `${before};${text}`)
  }
  for (const [name, value] of common) labels.set(name, value)
  return [...labels]
}

/** An empty value is no label to Prometheus. */
export const present = (labels: Label[]): Label[] => labels.filter(([, value]) => value !== '')

/** Text as it is, everything else as JSON, bytes in base64; '' for none. */
function textOf(value: AnyValue | undefined): string {
  const plain = plainOf(value)
  if (plain === null) return ''
  return typeof plain === 'string' ? plain : jsonText(plain)
}

function plainOf(any: AnyValue | undefined): unknown {
  const value = any?.value
  if (value === undefined || value.case === undefined) return null
  switch (value.case) {
    case 'arrayValue':
      return value.value.values.map(plainOf)
    case 'kvlistValue':
      return Object.fromEntries(value.value.values.map(({ key, value }) => [key, plainOf(value)]))
    case 'bytesValue':
      return Buffer.from(value.value).toString('base64')
    // JSON has no word for these.
    case 'doubleValue':
      return Number.isFinite(value.value) ? value.value : String(value.value)
    default:
      return value.value
  }
}
