import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { samplerFromEnvironment } from './sampler.ts'

afterEach(() => {
  delete process.env.OTEL_TRACES_SAMPLER
  delete process.env.OTEL_TRACES_SAMPLER_ARG
  diag.disable()
})

/** The sampler of that name as it describes itself, less what those that follow a parent have in common. */
function chosen(name?: string): string {
  if (name !== undefined) process.env.OTEL_TRACES_SAMPLER = name
  return samplerFromEnvironment()
    .toString()
    .replace(/, remoteParentSampled.*/, '}')
}

test('OTEL_TRACES_SAMPLER: all names of the specification, and the default where there is none', () => {
  process.env.OTEL_TRACES_SAMPLER_ARG = '0.5'
  assert.equal(chosen(), 'ParentBased{root=AlwaysOnSampler}')
  for (const [name, root] of [
    ['always_on', 'AlwaysOnSampler'],
    ['always_off', 'AlwaysOffSampler'],
    ['traceidratio', 'TraceIdRatioBased{0.5}'],
  ] as const) {
    assert.equal(chosen(name), root)
    assert.equal(chosen(`parentbased_${name}`), `ParentBased{root=${root}}`)
  }
})

test('a name that is unknown is the default, with a warning', () => {
  const warnings: string[] = []
  const silent = () => {}
  const warn = (message: string) => void warnings.push(message)
  const logger = { error: silent, warn, info: silent, debug: silent, verbose: silent }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN })
  for (const name of ['sometimes', 'toString', 'parentbased_']) {
    assert.equal(chosen(name), 'ParentBased{root=AlwaysOnSampler}')
    assert.equal(warnings.pop(), `OTEL_TRACES_SAMPLER: ${name} is unknown; taken as parentbased_always_on`)
  }
})
