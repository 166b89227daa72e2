/** What was sent against what is declared. Knows no API. */
import { DEPRECATED } from './deprecated.ts'
import { type Emitted, type EmittedSpan, expected, isOf, isOfType, type Typed } from './emitted.ts'
import { type Declared, flatName, type Registry, type SpanType, type Use } from './registry.ts'

export interface Finding {
  /** unknown: not declared. missing: required, and not there. unseen: declared, and never sent. */
  kind: 'unknown' | 'missing' | 'type' | 'deprecated' | 'unseen'
  signal: 'span' | 'event' | 'resource' | 'log' | 'metric'
  /** Attribute, field or label; or name of a span, event or metric. */
  what: string
  /** What has it or lacks it. */
  where: string
  /** A trace in which it is so; undefined where there is none. */
  trace: string | undefined
  remedy: string
}

export interface Report {
  findings: Finding[]
  /** Declared on a condition, and not seen: no findings. */
  conditional: { what: string; when: string }[]
}

/** The same thing in another trace is not told again. */
export function examine(registry: Registry, emitted: Emitted): Report {
  const findings = new Map<string, Finding>()
  const conditional: Report['conditional'] = []
  const isSampled = emitted.series.some(({ __name__ }) => __name__ === 'embedded_sampled_traces_total')
  const tell: Tell = (kind, signal, what, where, remedy, trace) => {
    if (isSampled && kind === 'unseen' && OF_TRACES.has(signal)) {
      conditional.push({ what, when: LEFT_OUT })
      return
    }
    const key = [kind, signal, what, where].join('\n')
    if (!findings.has(key)) findings.set(key, { kind, signal, what, where, trace, remedy })
  }
  examineSpans(registry, emitted.spans, tell)
  examineLogs(registry, emitted, tell)
  examineMetrics(registry, emitted, tell)
  const unseen = (declared: Declared, name: string, signal: Finding['signal']) => {
    if (declared.when === undefined) tell('unseen', signal, name, declared.services.join(', '), NEVER)
    else conditional.push({ what: name, when: declared.when })
  }
  const { spans, series } = emitted
  for (const type of registry.spans) if (!spans.some((span) => isOfType(type, span))) unseen(type, type.name, 'span')
  const events = new Set(spans.flatMap((span) => span.events.map(({ name }) => name)))
  for (const event of registry.events) if (!events.has(event.name)) unseen(event, event.name, 'event')
  const names = new Set(series.map(({ __name__ = '' }) => __name__))
  const jobs = new Set(series.map(({ job = '' }) => job))
  for (const metric of registry.metrics) {
    // The real engines have metrics of their own in place of the embedded backend's.
    if (!metric.services.some((service) => jobs.has(service))) continue
    if (!namesOf(metric).some((name) => names.has(name))) unseen(metric, metric.name, 'metric')
  }
  return { findings: [...findings.values()].sort(byKind), conditional }
}

type Tell = (
  kind: Finding['kind'],
  signal: Finding['signal'],
  what: string,
  where: string,
  remedy: string,
  trace?: string,
) => void

const ORDER = ['unknown', 'missing', 'type', 'deprecated', 'unseen']
const byKind = (a: Finding, b: Finding) =>
  ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.where.localeCompare(b.where) || a.what.localeCompare(b.what)

const DECLARE =
  'Declare it in contracts/telemetry and run node scripts/telemetry/write.ts; or it is a slip, then send it no more.'
const SEND = 'Send it always, or say in contracts/telemetry on which condition it is there (conditionally_required).'
const NEVER =
  'Nobody sends it: take it out of contracts/telemetry, or say there when it is sent. Where nothing was asked for it: npm run load -- --count 300. It may also be in a trace that was left out (docs/sampling.md).'

/** What the backend's sampling may have left out, so that nobody can say it was never sent. */
const OF_TRACES: ReadonlySet<Finding['signal']> = new Set(['span', 'event'])
const LEFT_OUT = 'when its trace is kept: the backend leaves traces out (TRACES_SAMPLE)'

// --- spans, events, resources

function examineSpans(registry: Registry, spans: readonly EmittedSpan[], tell: Tell): void {
  const byType = new Map<SpanType, EmittedSpan[]>()
  for (const span of spans) {
    const type = registry.spans.find((one) => isOfType(one, span))
    if (type) byType.set(type, [...(byType.get(type) ?? []), span])
    else tell('unknown', 'span', `${span.name} (${span.kind})`, span.service, DECLARE, span.trace)
  }
  for (const [{ name, uses }, those] of byType) {
    for (const span of those) examineKeys('span', `${name} of ${span.service}`, span.attributes, uses, tell, span.trace)
    examineSeen(
      'span',
      name,
      those.map(({ attributes }) => attributes),
      uses,
      tell,
    )
  }
  for (const { name, attributes, trace, service } of spans.flatMap((span) =>
    span.events.map((event) => ({ ...event, trace: span.trace, service: span.service })),
  )) {
    const type = registry.events.find((one) => one.name === name)
    if (type) examineKeys('event', name, attributes, type.uses, tell, trace)
    else tell('unknown', 'event', name, service, DECLARE, trace)
  }
  for (const { service, resource, trace } of spans) {
    const set = registry.resources.find(({ services }) => services.includes(service)) ?? registry.resources[0]!
    examineKeys('resource', service, resource, set.uses, tell, trace)
  }
}

/** Keys that are there: known, of their type, in use; and those that must be. */
function examineKeys(
  signal: Finding['signal'],
  where: string,
  keys: Typed,
  uses: readonly Use[],
  tell: Tell,
  trace: string | undefined,
): void {
  for (const [key, type] of Object.entries(keys)) {
    const use = uses.find(({ attribute }) => attribute.name === key)
    if (Object.hasOwn(DEPRECATED, key) && use?.attribute.kept === undefined)
      tell('deprecated', signal, key, where, instead(key), trace)
    else if (!use) tell('unknown', signal, key, where, DECLARE, trace)
    else if (!fits(type, use.attribute.type))
      tell(
        'type',
        signal,
        key,
        where,
        `It is ${type}, and declared as ${use.attribute.type}: one of them is wrong.`,
        trace,
      )
  }
  for (const { attribute, level } of uses)
    if (level === 'required' && !(attribute.name in keys)) tell('missing', signal, attribute.name, where, SEND, trace)
}

const instead = (key: string): string =>
  `${DEPRECATED[key] ? `Send ${DEPRECATED[key]} in its place` : 'Nothing takes its place'}; or, when queries need it, declare why it is kept (contracts/telemetry/upstream.yaml).`

/** A whole number is a double where one is declared: JavaScript tells them by their value. */
const fits = (type: string, declared: string): boolean =>
  type === declared ||
  (type === '[]' && declared.endsWith('[]')) ||
  (type === 'int' && declared === 'double') ||
  (type === 'int[]' && declared === 'double[]')

function examineSeen(
  signal: Finding['signal'],
  where: string,
  all: readonly Typed[],
  uses: readonly Use[],
  tell: Tell,
): void {
  for (const { attribute, level } of uses)
    if (level === 'recommended' && !all.some((keys) => attribute.name in keys))
      tell('unseen', signal, attribute.name, where, NEVER)
}

// --- log lines

const TEXTS: Readonly<Record<string, RegExp>> = {
  int: /^-?\d+$/,
  double: /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i,
  boolean: /^(true|false)$/,
}

function examineLogs({ logs, resources }: Registry, { lines }: Emitted, tell: Tell): void {
  for (const { service, fields } of lines) {
    const sets = [...logs, ...resources].filter(({ services }) => isOf(services, service))
    const uses = sets.flatMap((set) => set.uses)
    for (const [field, text] of Object.entries(fields)) {
      const use = uses.find(({ attribute }) => flatName(attribute.name) === field)
      const old = Object.keys(DEPRECATED).find((key) => flatName(key) === field)
      if (old !== undefined && use === undefined)
        tell('deprecated', 'log', field, service, instead(old), fields.trace_id)
      else if (!use) tell('unknown', 'log', field, service, DECLARE, fields.trace_id)
      else if (!(TEXTS[use.attribute.type]?.test(text) ?? true)) {
        const remedy = `${JSON.stringify(text.slice(0, 60))} is no ${use.attribute.type}, as which it is declared: one of them is wrong.`
        tell('type', 'log', field, service, remedy, fields.trace_id)
      }
    }
    for (const { attribute, level } of uses) {
      const field = flatName(attribute.name)
      if (level === 'required' && !(field in fields)) tell('missing', 'log', field, service, SEND, fields.trace_id)
    }
  }
  for (const { services, uses, when } of logs) {
    const those = lines.filter(({ service }) => isOf(services, service))
    if (when !== undefined || those.length === 0) continue
    for (const { attribute } of expected(uses)) {
      const field = flatName(attribute.name)
      if (!those.some(({ fields }) => field in fields)) tell('unseen', 'log', field, services.join(', '), NEVER)
    }
  }
}

// --- metrics

/** What every program says of itself, and what Prometheus says of it. */
const COMMON = /^(nodejs|process|scrape)_|^(up|ALERTS|ALERTS_FOR_STATE|target_info)$/
/** Of who counts, and of where a bucket ends. */
const GIVEN = new Set(['__name__', 'job', 'instance', 'le', 'quantile'])

const namesOf = ({ name, instrument }: { name: string; instrument: string }): string[] =>
  instrument === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]

function examineMetrics({ metrics }: Registry, { series, types, spans }: Emitted, tell: Tell): void {
  const byName = new Map(metrics.flatMap((metric) => namesOf(metric).map((name) => [name, metric] as const)))
  const ours = new Set([...metrics.flatMap(({ services }) => services), ...spans.map(({ service }) => service)])
  const seen = new Map<string, Set<string>>()
  for (const { __name__: name = '', job = '', ...labels } of series) {
    if (!ours.has(job) || COMMON.test(name)) continue
    const metric = byName.get(name)
    if (!metric) {
      tell('unknown', 'metric', name, job, DECLARE)
      continue
    }
    const type = types[metric.name] ?? types[metric.name.replace(/_total$/, '')] ?? metric.instrument
    if (type !== metric.instrument && type !== 'unknown') {
      const remedy = `It is a ${type}, and declared as a ${metric.instrument}: one of them is wrong.`
      tell('type', 'metric', metric.name, job, remedy)
    }
    const known = seen.get(metric.name) ?? new Set()
    seen.set(metric.name, known)
    const declared = new Map(metric.uses.map((use) => [flatName(use.attribute.name), use]))
    for (const label of Object.keys(labels)) {
      known.add(label)
      if (!GIVEN.has(label) && !declared.has(label)) tell('unknown', 'metric', label, metric.name, DECLARE)
    }
    for (const [label, { level }] of declared)
      if (level === 'required' && !(label in labels)) tell('missing', 'metric', label, metric.name, SEND)
  }
  for (const { name, uses } of metrics) {
    const labels = seen.get(name)
    for (const { attribute, level } of uses) {
      const label = flatName(attribute.name)
      if (labels && level === 'recommended' && !labels.has(label)) tell('unseen', 'metric', label, name, NEVER)
    }
  }
}
