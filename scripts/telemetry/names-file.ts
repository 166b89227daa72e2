/** contracts/telemetry-names.ts, as the registry has it: what programs import of it. */
import { type Declared, flatName, type Registry } from './registry.ts'

/** As the formatter would leave it: an object that begins with a line break keeps them all. */
export function namesFile({ spans, events, attributes, metrics }: Registry): string {
  const [ofBrowser, ofServices] = [
    spans.filter(isBrowsers),
    spans.filter((span) => span.isConstant && !isBrowsers(span)),
  ]
  const business = ofServices.filter(({ name, pattern }) => name === pattern)
  const services = ({ services, brief }: Declared) => `${services.join(', ')}: ${brief}`
  return `/**
 * Every name of our own that programs use: spans, attributes, events, metrics. Made of contracts/telemetry by
 * \`node scripts/telemetry/write.ts\`; all that is sent stands in docs/telemetry.md.
 */

/** Business spans and what they cover. */
export const SPANS = ${object(business.map((span) => [span.name, text(services(span))]))} as const
export type SpanName = keyof typeof SPANS

/** Attributes on spans (and, where said, in baggage). */
export const ATTRIBUTES = ${object(
    [...attributes.values()].filter(({ isConstant }) => isConstant).map(({ name, brief }) => [name, text(brief)]),
  )} as const
export type AttributeName = keyof typeof ATTRIBUTES

/** Span events: milestones inside a span. */
export const EVENTS = ${object(
    events.filter(({ isConstant }) => isConstant).map(({ name, brief }) => [name, text(brief)]),
  )} as const
export type EventName = keyof typeof EVENTS

/**
 * What the page of the gateway tells of a browser, and all that is taken from one: a span of another name is called \`other\`, an
 * attribute or event that is not here is dropped (backend/receive/browser.ts, observability/collector.yaml).
 */
export const BROWSER = ${object([
    ['service', text('browser')],
    [
      'spans',
      object(
        ofBrowser.filter(({ isConstant }) => isConstant).map(({ name, brief }) => [name, text(brief)]),
        1,
      ),
    ],
    [
      'attributes',
      object(
        ofBrowser[0]!.uses.map(({ attribute, brief }) => [attribute.name, text(brief)]),
        1,
      ),
    ],
  ])} as const

/** Prometheus metrics of the services: type, labels and meaning. */
export const METRICS = ${object(
    metrics
      .filter(({ services }) => !services.includes('telemetry-backend'))
      .map(({ name, instrument, uses, brief }) => [
        name,
        object(
          [
            ['type', text(instrument)],
            ['labels', `[${uses.map(({ attribute }) => text(flatName(attribute.name))).join(', ')}]`],
            ['help', text(brief)],
          ],
          1,
        ),
      ]),
  )} as const
export type MetricName = keyof typeof METRICS
`
}

const isBrowsers = ({ services }: Declared) => services.includes('browser')

/** `values` are source. `depth` counts the objects around it. */
function object(entries: readonly (readonly [key: string, value: string])[], depth = 0): string {
  const indent = '  '.repeat(depth)
  const lines = entries.map(([key, value]) => `${indent}  ${/^\w+$/.test(key) ? key : text(key)}: ${value},\n`)
  return `{\n${lines.join('')}${indent}}`
}

const text = (value: string) =>
  value.includes("'") && !value.includes('"') ? JSON.stringify(value) : `'${value.replaceAll("'", "\\'")}'`
