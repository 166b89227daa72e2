/** Traces of every shape and attributes of every type, the same for the same seed. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  type AnyValueSchema,
  ExportTraceServiceRequestSchema,
  type KeyValueSchema,
  type Span_SpanKind,
  type Status_StatusCode,
} from '@sightline/otlp-messages'
import {
  type PlainAttributes,
  type PlainSpan,
  type PlainValue,
  SPAN_KINDS,
  STATUSES,
} from '../../../backend/query/traceql/test/spans.ts'
import { Choices } from './choices.ts'

/** What queries may ask for, by type: names as written in TraceQL, with values that some spans have. */
export const TEXTS = {
  name: ['GET /cart', 'SELECT cart', 'checkout', 'a.b', 'two\nlines', ''],
  statusMessage: ['no stock', 'timeout', ''],
  rootName: ['GET /cart', 'checkout', ''],
  rootServiceName: ['shop', 'stock', ''],
  'resource.service.name': ['shop', 'stock', 'pay', 'mail', ''],
  '.service.name': ['shop', 'stock', 'pay'],
  'resource.region': ['eu', 'us', ''],
  'span.http.method': ['GET', 'POST'],
  'span.http.route': ['/cart', '/cart/{id}', ''],
  'span.tier': ['gold', 'silver', ''],
  '.tier': ['gold', 'silver', 'bronze'],
  'span.mixed': ['x', '1', 'true'],
  'span."a b"': ['with "quotes"', 'ünï', 'back\\slash'],
  'event:name': ['exception', 'retry', ''],
  'event.exception.type': ['Timeout', 'NoStock'],
  'instrumentation:name': ['http', 'pg'],
  'instrumentation.lib.kind': ['auto', 'manual'],
  'link.reason': ['batch', 'retry'],
  'span.tags': ['one', 'two'],
} as const
export const INTS = {
  'span.count': [-5, 0, 3, 7, 100],
  '.count': [-5, 0, 3, 7, 100],
  'span.http.status_code': [200, 404, 500],
  'resource.replicas': [1, 3],
  'event.attempt': [1, 2, 3],
  'span.mixed': [1, 2],
  'span.sizes': [1, 10],
} as const
export const FLOATS = {
  'span.ratio': [-1.5, 0, 0.5, 2, 3.25],
  'span.mixed': [1, 0.5],
  'span.weights': [0.5, 2],
} as const
export const BOOLS = ['span.cached', 'resource.canary', 'span.mixed', 'span.flags'] as const
export const DURATIONS = {
  duration: ['0ns', '1us', '5ms', '100ms', '1s', '2s'],
  traceDuration: ['5ms', '1s', '3s'],
  'event:timeSinceStart': ['1us', '1ms', '10ms'],
} as const

const MS = 1_000_000

/** The part of the time in which traces without a root, or with several, begin. The id of such a trace begins with `dd`. */
export const ODD_PART = 0.4

/** So many traces of one to twelve spans, started within `seconds` from `startNs`. */
export function dataSet(seed: number, traces: number, startNs: bigint, seconds: number): PlainSpan[] {
  const choices = new Choices(seed)
  const all: PlainSpan[] = []
  for (let trace = 0; trace < traces; trace++) {
    const shape = choices.of(SHAPES)
    const [from, part] = ODD.has(shape) ? [0, ODD_PART] : [ODD_PART, 1 - ODD_PART]
    const ms = Math.ceil(from * seconds * 1000) + choices.below(part * seconds * 1000)
    all.push(...oneTrace(choices, trace, shape, startNs + BigInt(ms) * 1_000_000n))
  }
  return all
}

/** How the spans of a trace hang together. */
const SHAPES = ['tree', 'tree', 'tree', 'chain', 'star', 'no root', 'gap', 'two roots'] as const
type Shape = (typeof SHAPES)[number]
const ODD: ReadonlySet<Shape> = new Set(['no root', 'gap', 'two roots'])

function oneTrace(choices: Choices, trace: number, shape: Shape, startNs: bigint): PlainSpan[] {
  const size = 1 + choices.below(shape === 'tree' ? 12 : 7)
  const traceId = ((trace + 1) * 7919).toString(16).padStart(32, ODD.has(shape) ? 'd' : trace % 9 === 0 ? '0' : 'c')
  const idOf = (index: number) => (trace * 4096 + index + 1).toString(16).padStart(16, trace % 7 === 0 ? '0' : 'd')
  const parentOf = (index: number): string => {
    if (index === 0) return shape === 'no root' ? idOf(4000) : ''
    if (shape === 'chain') return idOf(index - 1)
    if (shape === 'star') return idOf(0)
    if (shape === 'gap' && index === 2) return idOf(4001)
    if (shape === 'two roots' && index === 2) return ''
    return idOf(choices.below(index))
  }
  return Array.from({ length: size }, (_, index): PlainSpan => {
    const service = choices.of(SERVICES)
    return {
      traceId,
      spanId: idOf(index),
      parentSpanId: parentOf(index),
      name: choices.of(TEXTS.name),
      kind: choices.of(SPAN_KINDS),
      status: choices.of([...STATUSES, 'unset'] as const),
      statusMessage: choices.once(3) ? choices.of(TEXTS.statusMessage) : '',
      startNs: startNs + BigInt(index * MS + choices.below(1000) * 1000),
      durationNs: choices.of([0, 1, 1000, 5 * MS, 99 * MS, 100 * MS, 1000 * MS, 2500 * MS]) + choices.below(2) * 777,
      resource: service,
      attributes: spanAttributes(choices),
      instrumentation: choices.of(SCOPES),
      events: Array.from({ length: choices.below(4) >> 1 }, () => ({
        name: choices.of(TEXTS['event:name']),
        timeSinceStartNs: choices.of([0, 1000, MS, 20 * MS]),
        attributes: {
          ...(choices.once(2) && { 'exception.type': choices.of(TEXTS['event.exception.type']) }),
          ...(choices.once(2) && { attempt: choices.of(INTS['event.attempt']) }),
        },
      })),
      links: choices.once(6)
        ? [
            {
              traceId: 'e'.repeat(32),
              spanId: 'f'.repeat(16),
              attributes: { reason: choices.of(TEXTS['link.reason']) },
            },
          ]
        : [],
    }
  })
}

const SERVICES: readonly PlainAttributes[] = [
  { 'service.name': 'shop', region: 'eu', replicas: 3, canary: true },
  { 'service.name': 'shop', region: 'us', replicas: 1 },
  { 'service.name': 'stock', region: 'eu', replicas: 1, canary: false, tier: 'bronze', count: 7 },
  { 'service.name': 'pay', region: '', 'k8s.pod.name': 'pay-1' },
  { 'service.name': 'mail' },
  { 'service.name': '', region: 'eu' },
]
const SCOPES: readonly PlainSpan['instrumentation'][] = [
  { name: 'http', version: '1.0' },
  { name: 'pg', version: '2.1', attributes: { 'lib.kind': 'auto' } },
  { name: 'http', version: '', attributes: { 'lib.kind': 'manual', level: 3 } },
  {},
]

function spanAttributes(choices: Choices): PlainAttributes {
  const some: Record<string, readonly PlainValue[]> = {
    'http.method': TEXTS['span.http.method'],
    'http.route': TEXTS['span.http.route'],
    'http.status_code': INTS['span.http.status_code'],
    tier: TEXTS['span.tier'],
    count: INTS['span.count'],
    ratio: FLOATS['span.ratio'].map((double) => ({ double })),
    cached: [true, false],
    'a b': TEXTS['span."a b"'],
    mixed: ['x', '1', 'true', 1, 2, { double: 1 }, { double: 0.5 }, true, false],
    tags: [['one'], ['one', 'two'], ['two', 'three'], []],
    sizes: [[1, 2], [10], [-3, 0]],
    weights: [[0.5, 2.5], [1.5]],
    flags: [[true, false], [false]],
  }
  const chosen = Object.entries(some).filter(() => choices.once(3))
  return Object.fromEntries(chosen.map(([name, values]) => [name, choices.of(values)]))
}

/** An ExportTraceServiceRequest in protobuf. */
export function traceRequest(spans: readonly PlainSpan[]): Uint8Array<ArrayBuffer> {
  const resourceSpans = spans.map((span) => ({
    resource: { attributes: keyValues(span.resource) },
    scopeSpans: [
      {
        scope: {
          name: span.instrumentation?.name ?? '',
          version: span.instrumentation?.version ?? '',
          attributes: keyValues(span.instrumentation?.attributes),
        },
        spans: [
          {
            traceId: Buffer.from(span.traceId, 'hex'),
            spanId: Buffer.from(span.spanId, 'hex'),
            parentSpanId: Buffer.from(span.parentSpanId ?? '', 'hex'),
            name: span.name,
            kind: SPAN_KINDS.indexOf(span.kind ?? 'unspecified') as Span_SpanKind,
            startTimeUnixNano: span.startNs,
            endTimeUnixNano: span.startNs + BigInt(span.durationNs),
            status: {
              code: STATUSES.indexOf(span.status ?? 'unset') as Status_StatusCode,
              message: span.statusMessage ?? '',
            },
            attributes: keyValues(span.attributes),
            events: (span.events ?? []).map((event) => ({
              name: event.name,
              timeUnixNano: span.startNs + BigInt(event.timeSinceStartNs),
              attributes: keyValues(event.attributes),
            })),
            links: (span.links ?? []).map((link) => ({
              traceId: Buffer.from(link.traceId, 'hex'),
              spanId: Buffer.from(link.spanId, 'hex'),
              attributes: keyValues(link.attributes),
            })),
          },
        ],
      },
    ],
  }))
  const message = create(ExportTraceServiceRequestSchema, { resourceSpans })
  return new Uint8Array(toBinary(ExportTraceServiceRequestSchema, message))
}

function keyValues(attributes: PlainAttributes = {}): MessageInitShape<typeof KeyValueSchema>[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }))
}

function anyValue(value: PlainValue): MessageInitShape<typeof AnyValueSchema> {
  if (typeof value === 'string') return { value: { case: 'stringValue', value } }
  if (typeof value === 'boolean') return { value: { case: 'boolValue', value } }
  if (typeof value === 'bigint') return { value: { case: 'intValue', value } }
  if (typeof value === 'number') {
    return Number.isInteger(value)
      ? { value: { case: 'intValue', value: BigInt(value) } }
      : { value: { case: 'doubleValue', value } }
  }
  if ('double' in value) return { value: { case: 'doubleValue', value: value.double } }
  return { value: { case: 'arrayValue', value: { values: value.map(anyValue) } } }
}
