import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '@sightline/local/settings'
import { type OpenMetricsContentType, Registry } from 'prom-client'
import { createMetrics } from '../../backend/metrics.ts'
import { registerGatewayMetrics } from '../../backend/receive/gateway-log/metrics.ts'
import { createServiceGraph } from '../../backend/service-graph/index.ts'
import { DEPRECATED } from './deprecated.ts'
import { flatName, type MetricType, readRegistry } from './registry.ts'
import { renderTelemetry } from './write.ts'

const registry = readRegistry()

test('the list of names and its page are what the registry says', () => {
  for (const [path, text] of Object.entries(renderTelemetry(registry)))
    assert.ok(readFileSync(join(root, path), 'utf8') === text, `${path}: run node scripts/telemetry/write.ts`)
})

test('every attribute is said by something, and one that the conventions have given up says why it is kept', () => {
  const { spans, events, metrics, logs, resources, attributes } = registry
  const said = [...spans, ...events, ...metrics, ...logs, ...resources].flatMap(({ uses }) => uses)
  const names = new Set(said.map(({ attribute }) => attribute.name))
  assert.deepEqual(
    [...attributes.keys()].filter((name) => !names.has(name)),
    [],
  )
  for (const { name, kept } of attributes.values())
    assert.equal(kept !== undefined, Object.hasOwn(DEPRECATED, name), name)
  const eventNames = new Set(events.map(({ name }) => name))
  for (const { name, events: those } of spans)
    for (const event of those) assert.ok(eventNames.has(event), `${name}: ${event}`)
})

test('no span, event or metric is declared twice', () => {
  const { spans, events, metrics } = registry
  for (const names of [
    spans.map(({ name, kind, services }) => `${name} ${kind} ${services}`),
    events.map(({ name }) => name),
    metrics.map(({ name }) => name),
  ])
    assert.equal(new Set(names).size, names.length)
})

test("the backend's metrics have names, meanings, kinds and labels of the registry", () => {
  const made = new Registry<OpenMetricsContentType>()
  made.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  createServiceGraph(made)
  registerGatewayMetrics(made, 'http://127.0.0.1:1')
  const ofItself = createMetrics({} as never, () => undefined).registry
  interface Made {
    name: string
    help: string
    type: string
    labelNames?: string[]
  }
  const all = [...made.getMetricsAsArray(), ...ofItself.getMetricsAsArray()] as unknown as Made[]
  const ours = all.filter(({ name }) => !/^(nodejs|process)_/.test(name))
  const declared = new Map(registry.metrics.map((metric) => [metric.name, metric]))
  const nameOf = ({ name, type }: Made) => (type === 'counter' && !name.endsWith('_total') ? `${name}_total` : name)
  assert.deepEqual(
    ours.map(nameOf).sort(),
    registry.metrics.flatMap(({ name, services }) => (services.includes('telemetry-backend') ? name : [])).sort(),
  )
  for (const one of ours) {
    const { brief, instrument, uses } = declared.get(nameOf(one)) as MetricType
    assert.deepEqual([one.help, one.type], [brief, instrument], one.name)
    // Those of the graph are made as they are scraped.
    if (one.labelNames)
      assert.deepEqual(
        [...one.labelNames],
        uses.map(({ attribute }) => flatName(attribute.name)),
      )
  }
})
