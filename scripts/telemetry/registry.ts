/**
 * contracts/telemetry: what is sent, as OpenTelemetry Weaver's files declare it
 * (https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md), read as far as they are used here. What the format has no
 * word for stands in its annotations, under `sightline`.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '@sightline/local/settings'
import { parse } from 'yaml'
import { z } from 'zod'
import { labelName, metricName } from '../../backend/receive/metrics/names.ts'

export interface Attribute {
  name: string
  /** string, int, double, boolean, or a list of one of them: `string[]`. */
  type: string
  brief: string
  /** Of the semantic conventions, not of our own. */
  isUpstream: boolean
  /** Why a name that the conventions have given up is still sent. */
  kept: string | undefined
  /** Stands in contracts/telemetry-names.ts. */
  isConstant: boolean
}

/** An attribute of something. */
export interface Use {
  attribute: Attribute
  /** Missing is wrong where it is required; never seen is told of what is required or recommended. */
  level: 'required' | 'recommended' | 'conditionally_required'
  /** On which condition it is there. */
  when: string | undefined
  brief: string
}

export interface Declared {
  id: string
  brief: string
  /** Who sends it; empty: any service of the chain. */
  services: readonly string[]
  /** On which condition it is sent; undefined: in any run under load. */
  when: string | undefined
  uses: readonly Use[]
  isConstant: boolean
}

export interface SpanType extends Declared {
  name: string
  /** What the whole name of such a span matches, also in TraceQL. */
  pattern: string
  /** As TraceQL names it. */
  kind: string
  events: readonly string[]
}

export interface EventType extends Declared {
  name: string
}

export interface MetricType extends Declared {
  /** As Prometheus has it. */
  name: string
  /** As OpenTelemetry would have it. */
  metric: string
  instrument: 'counter' | 'gauge' | 'histogram'
  unit: string
}

/** What lines of these services may say, or their resources. */
export interface FieldSet extends Declared {}

export interface Registry {
  /** Version of the semantic conventions that is referred to. */
  conventions: string
  attributes: ReadonlyMap<string, Attribute>
  spans: readonly SpanType[]
  events: readonly EventType[]
  metrics: readonly MetricType[]
  logs: readonly FieldSet[]
  resources: readonly FieldSet[]
}

const TYPES = /^(string|int|double|boolean)(\[\])?$/
const stability = z.literal('development')
const condition = z.strictObject({ conditionally_required: z.string().min(3) })
const attribute = z.strictObject({
  id: z.string().optional(),
  ref: z.string().optional(),
  type: z.string().regex(TYPES).optional(),
  stability: stability.optional(),
  brief: z.string().optional(),
  examples: z.array(z.unknown()).optional(),
  requirement_level: z.union([z.enum(['required', 'recommended']), condition]).default('recommended'),
  annotations: z
    .strictObject({
      sightline: z.strictObject({
        type: z.string().regex(TYPES),
        constants: z.boolean().optional(),
        kept: z.string().optional(),
      }),
    })
    .optional(),
})
const group = z.strictObject({
  id: z.string(),
  type: z.enum(['attribute_group', 'span', 'event', 'metric']),
  brief: z.string(),
  stability: stability.optional(),
  extends: z.string().optional(),
  span_kind: z.enum(['client', 'server', 'internal']).optional(),
  name: z.string().optional(),
  metric_name: z.string().optional(),
  instrument: z.enum(['counter', 'gauge', 'histogram']).optional(),
  unit: z.string().optional(),
  annotations: z
    .strictObject({
      sightline: z.strictObject({
        name: z.string().optional(),
        pattern: z.string().optional(),
        prometheus: z.string().optional(),
        service: z.array(z.string()).optional(),
        events: z.array(z.string()).optional(),
        signal: z.enum(['log', 'resource']).optional(),
        when: z.string().optional(),
        constants: z.boolean().optional(),
      }),
    })
    .optional(),
  attributes: z.array(attribute).default([]),
})
type Group = z.output<typeof group>

const FOLDER = join(root, 'contracts/telemetry')

/** The registry in `folder`. Throws an Error that names file and group where it is not as it must be. */
export function readRegistry(folder = FOLDER): Registry {
  const { dependencies } = parse(readFileSync(join(folder, 'manifest.yaml'), 'utf8'))
  const groups = globSync('*.yaml', { cwd: folder })
    .filter((file) => file !== 'manifest.yaml')
    .sort()
    .flatMap((file) => groupsOf(file, readFileSync(join(folder, file), 'utf8')))
  return registryOf(groups, dependencies[0].schema_url.split('/').at(-1))
}

function groupsOf(file: string, text: string): Group[] {
  const { groups } = parse(text) as { groups: { id?: string }[] }
  return groups.map((one) => {
    const read = group.safeParse(one)
    if (!read.success) throw new Error(`${file}: ${one.id}: ${z.prettifyError(read.error)}`)
    return read.data
  })
}

function registryOf(groups: readonly Group[], conventions: string): Registry {
  const attributes = attributesOf(groups)
  const byId = new Map(groups.map((one) => [one.id, one]))
  if (byId.size < groups.length) throw new Error('two groups of the registry have the same id')
  const usesOf = ({ id, attributes: own, ...rest }: Group): Use[] => {
    const base = rest.extends === undefined ? undefined : byId.get(rest.extends)
    if (rest.extends !== undefined && !base) throw new Error(`${id} extends ${rest.extends}, which is not there`)
    const uses = new Map((base ? usesOf(base) : []).map((use) => [use.attribute.name, use]))
    for (const { ref, brief, requirement_level: level } of own) {
      const known = attributes.get(ref!)
      if (!known) throw new Error(`${id} refers to ${ref}, which no group defines`)
      const [asked, when] =
        typeof level === 'string' ? [level] : (['conditionally_required', level.conditionally_required] as const)
      uses.set(known.name, { attribute: known, level: asked, when, brief: brief ?? known.brief })
    }
    return [...uses.values()]
  }
  const declared = (one: Group) => {
    const { service = [], when, constants = true } = one.annotations?.sightline ?? {}
    return { id: one.id, brief: one.brief, services: service, when, uses: usesOf(one), isConstant: constants }
  }
  const of = (type: Group['type']) => groups.filter((one) => one.type === type)
  const fields = (signal: string) => groups.filter((one) => one.annotations?.sightline.signal === signal).map(declared)
  return {
    conventions,
    attributes,
    spans: of('span').map((one) => ({ ...declared(one), ...spanOf(one) })),
    events: of('event').map((one) => ({ ...declared(one), name: one.name! })),
    metrics: of('metric').map((one) => ({ ...declared(one), ...metricOf(one) })),
    logs: fields('log'),
    resources: fields('resource'),
  }
}

/** By a group of definitions, or of references that say their type. */
function attributesOf(groups: readonly Group[]): Map<string, Attribute> {
  const known = new Map<string, Attribute>()
  for (const { attributes, annotations } of groups) {
    for (const { id, ref, type, brief = '', annotations: own } of attributes) {
      const name = id ?? ref!
      const held = type ?? own?.sightline.type
      if (held === undefined) continue
      if (known.has(name)) throw new Error(`${name} is defined twice`)
      const isConstant = id ? annotations?.sightline.constants !== false : own!.sightline.constants === true
      known.set(name, { name, type: held, brief, isUpstream: !id, kept: own?.sightline.kept, isConstant })
    }
  }
  return known
}

function spanOf({ id, span_kind, annotations }: Group) {
  const { name, pattern, events = [] } = annotations?.sightline ?? {}
  if (!name || !span_kind) throw new Error(`${id}: a span has a name, under annotations, and a kind`)
  return { name, pattern: pattern ?? name.replaceAll('.', '\\.'), kind: span_kind, events }
}

function metricOf({ id, metric_name, instrument, unit, annotations }: Group) {
  if (!metric_name || !instrument || !unit) throw new Error(`${id}: a metric has a name, an instrument and a unit`)
  const kind = instrument === 'histogram' ? 'other' : instrument
  const name = annotations?.sightline.prometheus ?? metricName(metric_name, unit, kind)
  return { name, metric: metric_name, instrument, unit }
}

/** An attribute as Prometheus has it among labels, and Loki among fields. */
export { labelName as flatName }
