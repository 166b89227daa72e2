import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { findAlertmanager, findPrometheus } from '@sightline/local'
import { parse } from 'yaml'
import { METRICS } from '../../contracts/telemetry-names.ts'

const here = import.meta.dirname
const filesIn = (folder: string) => readdirSync(join(here, folder)).map((file) => join(here, folder, file))

interface RuleFile {
  groups: { rules: { alert?: string; record?: string; expr: string }[] }[]
}
const rules = filesIn('rules').flatMap((file) =>
  (parse(readFileSync(file, 'utf8')) as RuleFile).groups.flatMap((group) => group.rules),
)

// promtool comes with Prometheus: from PATH, or unpacked with it.
const prometheus = await findPrometheus()
const promtool = (...args: string[]) =>
  promisify(execFile)(join(dirname(prometheus.path), 'promtool'), args, {
    env: { ...process.env, ...prometheus.env },
  }).catch((error: Error & { stdout: string; stderr: string }) => {
    throw new Error(`promtool ${args[0]} ${args[1]}:\n${error.stdout}\n${error.stderr}`)
  })

test('Prometheus accepts its configuration and the rules it names', async () => {
  const { stdout } = await promtool('check', 'config', join(here, 'prometheus.yml'))
  assert.match(stdout, /SUCCESS: \d+ rule files found/)
})

test('Alertmanager accepts its configuration, which tells nobody', async () => {
  const { path, through, env } = await findAlertmanager()
  const [command, ...args] = [...through, join(dirname(path), 'amtool')]
  const file = join(here, '../alertmanager.yaml')
  const options = { env: { ...process.env, ...env } }
  const { stdout } = await promisify(execFile)(command!, [...args, 'check-config', file], options)
  assert.match(stdout, /SUCCESS/)
  const { receivers } = parse(readFileSync(file, 'utf8')) as { receivers: object[] }
  assert.deepEqual(receivers, [{ name: 'nobody' }])
})

test('the rules do what their tests say', async () => {
  await promtool('test', 'rules', ...filesIn('tests'))
})

test('every alert is fired by a test', () => {
  const tests = filesIn('tests')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const untested = rules.flatMap(({ alert }) =>
    alert && !new RegExp(`alertname(: |=")${alert}\\b`).test(tests) ? [alert] : [],
  )
  assert.deepEqual(untested, [])
})

test('a rule reads only metrics that something here writes', () => {
  const recorded = new Set(rules.flatMap(({ record }) => record ?? []))
  const isKnown = (name: string) =>
    name in METRICS ||
    recorded.has(name) ||
    /^(traces_(spanmetrics|service_graph)|otelcol|tempo|loki)_/.test(name) ||
    // a label in by (...)
    name === 'data_type'
  const unknown = rules.flatMap(({ expr }) => {
    const words = expr.replace(/\{[^}]*\}/g, '').match(/[a-z][a-z0-9_:]*(?=[^a-z0-9_:(]|$)/g) ?? []
    return words.filter((word) => /[_:]/.test(word) && !isKnown(word))
  })
  assert.deepEqual([...new Set(unknown)], [])
})
