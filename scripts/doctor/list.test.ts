/** What can be told of the checks without making them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '@sightline/local/settings'
import { checksFor, listOf } from './index.ts'
import { remarksOn } from './switches.ts'

const checks = checksFor({ mode: 'local', boards: undefined }, true)

test('docs/doctor.md has the table that npm run doctor -- --list prints', () => {
  const page = readFileSync(join(root, 'docs/doctor.md'), 'utf8')
  assert.equal(page.slice(page.indexOf('| check |')).trim(), listOf(checks))
})

test('ids are unique, and a check stands behind those it needs', () => {
  const seen = new Set<string>()
  for (const mode of ['local', 'stack'] as const) {
    seen.clear()
    const all = checksFor({ mode, boards: undefined }, true)
    for (const { id } of all) {
      assert.ok(!seen.has(id), id)
      seen.add(id)
    }
    for (const { id, needs = [] } of all) for (const need of needs) assert.ok(seen.has(need), `${id} needs ${need}`)
  }
})

test('variables that hide everything, something and nothing', () => {
  const blinds = (env: NodeJS.ProcessEnv) => remarksOn(env, 4318).map((remark) => remark.blinds)
  for (const env of [
    { OTEL_SDK_DISABLED: 'TRUE' },
    { OTEL_TRACES_SAMPLER: 'always_off' },
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.0' },
    { OTEL_TRACES_EXPORTER: 'console' },
    { OTEL_LOGS_EXPORTER: 'none' },
    { OTEL_PROPAGATORS: 'baggage' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4317' },
    { OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'https://otlp.example.com/v1/logs' },
  ]) {
    assert.deepEqual(blinds(env), [true], JSON.stringify(env))
  }
  for (const env of [
    { OTEL_PROPAGATORS: 'b3' },
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
    { OTEL_CONFIG_FILE: 'otel.yaml' },
    { TRACES_SAMPLE: '0' },
  ]) {
    assert.deepEqual(blinds(env), [false], JSON.stringify(env))
  }
  assert.deepEqual(blinds({ OTEL_CONFIG_FILE: 'otel.yaml', OTEL_SDK_DISABLED: 'true' }), [false, false])
  for (const env of [
    {},
    { TRACES_SAMPLE: '1' },
    { OTEL_TRACES_EXPORTER: 'otlp,console', OTEL_PROPAGATORS: 'b3, tracecontext', OTEL_TRACES_SAMPLER: 'always_on' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', OTEL_TRACES_SAMPLER_ARG: '0' },
  ]) {
    assert.deepEqual(blinds(env), [], JSON.stringify(env))
  }
})
