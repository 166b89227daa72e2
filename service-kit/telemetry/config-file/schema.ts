/**
 * What a file of OpenTelemetry's declarative configuration may say, as the schema of file_format 1 has it
 * (https://github.com/open-telemetry/opentelemetry-configuration), with its defaults: of components those that there are here.
 * A property that is known and has no effect here is left as it is; `UNUSED` says which.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { z } from 'zod'
import { PROPAGATORS } from '../propagators.ts'

/** The longest that a timer of Node runs, milliseconds: three weeks, in place of no limit at all. */
const LONGEST = 2 ** 31 - 1

const milliseconds = z.int().min(0).max(LONGEST)
const size = z.int().min(1).max(LONGEST)
const anything = z.unknown().optional()

/** A value that may be left out or be null, and is `fallback` then. */
const or = <Schema extends z.ZodType, Fallback>(schema: Schema, fallback: Fallback) =>
  schema.nullish().transform((value) => value ?? fallback)

/** 0 stands for no limit. */
const timeout = (fallback: number) => or(milliseconds, fallback).transform((ms) => ms || LONGEST)

/** A map of these properties and no others. */
function map<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `is unknown; known are ${known}` : undefined),
  })
}

/** A map that names one component of its kind. */
function one<Shape extends z.ZodRawShape>(kind: string, shape: Shape) {
  const known = Object.keys(shape).join(', ')
  return z
    .strictObject(shape, {
      error: (issue) =>
        issue.code === 'unrecognized_keys' ? `is no ${kind} that there is here; use ${known}` : undefined,
    })
    .refine((value) => Object.keys(value).length === 1, {
      error: `must name one ${kind}: ${known}`,
      // A name that is unknown has been told.
      when: ({ issues }) => issues.length === 0,
    })
}

/** A component whose properties all have defaults: it may be null. */
const component = <Shape extends z.ZodRawShape>(shape: Shape) => {
  const schema = map(shape)
  return schema
    .nullable()
    .transform((value) => value ?? schema.parse({}))
    .optional()
}
const bare = () => component({})

/** `name=value` pairs, comma separated and percent-encoded, as OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS have them. */
const pairs = z
  .string()
  .nullish()
  .transform((list, context): Record<string, string> => {
    const read: Record<string, string> = {}
    for (const pair of (list ?? '').split(',').filter((part) => part.trim() !== '')) {
      const [name = '', value, ...rest] = pair.split('=').map((part) => part.trim())
      try {
        if (name === '' || value === undefined || rest.length > 0) throw new Error()
        read[decodeURIComponent(name)] = decodeURIComponent(value)
      } catch {
        context.addIssue('must be name=value pairs, comma separated; in them "," and "=" are %2C and %3D')
      }
    }
    return read
  })

/** Whether HTTP can send it. What it can't would fail each export, and not the start. */
function isHeader(name: string, value: string | null): boolean {
  try {
    validateHeaderName(name)
    if (value !== null) validateHeaderValue(name, value)
    return true
  } catch {
    return false
  }
}
const NO_HEADER = 'is no header that HTTP can send: its name or value has characters that may not be there'

const otlpHttp = component({
  endpoint: z
    .url({ protocol: /^https?$/, error: 'must be a URL with the path of the signal, http://localhost:4318/v1/traces' })
    .nullish(),
  tls: map({
    ca_file: z.string().nullish(),
    key_file: z.string().nullish(),
    cert_file: z.string().nullish(),
  }).nullish(),
  headers: z
    .array(
      map({ name: z.string().min(1), value: z.string().nullable() }).refine(
        ({ name, value }) => isHeader(name, value),
        NO_HEADER,
      ),
    )
    .nonempty()
    .optional(),
  headers_list: pairs.refine((list) => Object.entries(list).every(([name, value]) => isHeader(name, value)), NO_HEADER),
  compression: or(z.enum(['gzip', 'none']), 'none' as const),
  timeout: timeout(10_000),
  encoding: or(z.enum(['protobuf', 'json']), 'protobuf' as const),
})
const exporter = one('exporter', { otlp_http: otlpHttp, console: bare() })

/** Both signals have the same but for the delay. */
const processors = (scheduleDelay: number) =>
  z
    .array(
      one('processor', {
        batch: map({
          schedule_delay: or(milliseconds, scheduleDelay),
          export_timeout: timeout(30_000),
          max_queue_size: or(size, 2_048),
          max_export_batch_size: or(size, 512),
          exporter,
        }).optional(),
        simple: map({ exporter }).optional(),
      }),
    )
    .nonempty()

const limit = z.int().min(0).nullish()
/** Not 0: of log records the SDK takes no such limit. */
const attributeLimits = { attribute_value_length_limit: size.nullish(), attribute_count_limit: size.nullish() }

/** A sampler by its name, with what it is made of. */
export interface SamplerModel {
  always_on?: object | undefined
  always_off?: object | undefined
  trace_id_ratio_based?: { ratio: number } | undefined
  parent_based?: ParentBasedModel | undefined
}
type ParentBasedModel = Partial<Record<(typeof BY_PARENT)[number], SamplerModel | undefined>>

const BY_PARENT = [
  'root',
  'remote_parent_sampled',
  'remote_parent_not_sampled',
  'local_parent_sampled',
  'local_parent_not_sampled',
] as const

const sampler: z.ZodType<SamplerModel> = z.lazy(() =>
  one('sampler', {
    always_on: bare(),
    always_off: bare(),
    trace_id_ratio_based: component({ ratio: or(z.number().min(0).max(1), 1) }),
    parent_based: component(
      Object.fromEntries(BY_PARENT.map((name) => [name, sampler.optional()])) as Record<
        (typeof BY_PARENT)[number],
        z.ZodOptional<z.ZodType<SamplerModel>>
      >,
    ),
  }),
)

/** Values by the `type` of an attribute. */
const TYPES: Record<string, z.ZodType> = {
  string: z.string(),
  bool: z.boolean(),
  int: z.int(),
  double: z.number(),
  string_array: z.array(z.string()).nonempty(),
  bool_array: z.array(z.boolean()).nonempty(),
  int_array: z.array(z.int()).nonempty(),
  double_array: z.array(z.number()).nonempty(),
}
type AttributeValue = string | number | boolean | string[] | number[] | boolean[]

const attribute = map({
  name: z.string().min(1),
  value: z.custom<AttributeValue | null>((value) => value !== undefined, 'is missing'),
  type: or(z.enum(Object.keys(TYPES)), 'string'),
}).superRefine(({ value, type }, context) => {
  if (value === null || TYPES[type]!.safeParse(value).success) return
  const message = `is no ${type}: say its type beside it, type: int for one, or write the value in quotes`
  context.addIssue({ code: 'custom', path: ['value'], message })
})

const propagators = or(z.string(), '')
  .transform((list) => list.split(',').map((name) => name.trim()))
  .transform((names) => names.filter(Boolean))
  .refine(
    (names) => names.every((name) => name === 'none' || PROPAGATORS.includes(name)),
    `must be a list of ${PROPAGATORS.join(', ')}, comma separated`,
  )

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].flatMap((level) =>
  ['', '2', '3', '4'].map((number) => level + number),
)

export const configurationModel = map({
  file_format: z.string(),
  disabled: or(z.boolean(), false),
  log_level: or(z.enum(LEVELS), 'info'),
  attribute_limits: map(attributeLimits).optional(),
  resource: map({
    attributes: z.array(attribute).nonempty().optional(),
    attributes_list: pairs,
    schema_url: z.string().nullish(),
    'detection/development': anything,
  }).optional(),
  propagator: map({
    composite: z
      .array(one('propagator', Object.fromEntries(PROPAGATORS.map((name) => [name, bare()]))))
      .nonempty()
      .optional(),
    composite_list: propagators,
  }).optional(),
  tracer_provider: map({
    processors: processors(5_000),
    limits: map({
      attribute_value_length_limit: limit,
      attribute_count_limit: limit,
      event_count_limit: limit,
      link_count_limit: limit,
      event_attribute_count_limit: limit,
      link_attribute_count_limit: limit,
    }).optional(),
    sampler: sampler.optional(),
    id_generator: one('id generator', { random: bare() }).optional(),
    'tracer_configurator/development': anything,
  }).optional(),
  logger_provider: map({
    processors: processors(1_000),
    limits: map(attributeLimits).optional(),
    'logger_configurator/development': anything,
  }).optional(),
  meter_provider: anything,
  'instrumentation/development': anything,
  distribution: anything,
})

/** A file that was read: every default is in it. */
export type ConfigurationModel = z.infer<typeof configurationModel>
export type OtlpHttpModel = NonNullable<z.infer<typeof otlpHttp>>
export type ProcessorModel = NonNullable<ConfigurationModel['tracer_provider']>['processors'][number]

/** What is known and not used, and what is there in its place. */
export const UNUSED: readonly [path: string[], instead: string][] = [
  [['meter_provider'], 'metrics are scraped from /metrics'],
  [['resource', 'detection/development'], 'host and service add their attributes in any case'],
  [['tracer_provider', 'tracer_configurator/development'], 'all tracers make spans'],
  [['logger_provider', 'logger_configurator/development'], 'LOG_LEVEL says which log lines there are'],
  [['instrumentation/development'], 'what is instrumented is fixed'],
  [['distribution'], 'it is of other programs'],
]
