/** What a service or the backend loads until it is there, and that what it doesn't is still had for the asking. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { COMPILED } from './test/process.ts'

const SERVICE = `await import('../user-service/main.ts')`
const SELDOM = /grpc|zipkin|prometheus|exporter-(trace|metrics|logs)|configuration|yaml|jaeger|openfeature|flagd/

test('a service loads no exporter, propagator or flag evaluation that its settings do not ask for', async () => {
  const { installed, bundled } = await packagesOf(SERVICE)
  assert.deepEqual(
    [...installed, ...bundled].filter((name) => SELDOM.test(name)),
    [],
  )
  const expected = ['@opentelemetry/api', '@opentelemetry/sdk-node', 'log4js', 'prom-client', 'undici', 'zod']
  assert.deepEqual(
    expected.filter((name) => !bundled.has(name)),
    [],
    'these come from the few files',
  )
  assert.deepEqual(
    [...installed].filter((name) => name.startsWith('@opentelemetry/')),
    [],
    'nothing is there twice',
  )
})

test('what a setting asks for is loaded', async () => {
  const { bundled } = await packagesOf(SERVICE, { OTEL_PROPAGATORS: 'jaeger' })
  assert.ok(bundled.has('@opentelemetry/propagator-jaeger'))
})

test("the SDK's own exporters are loaded when it makes one, and export", async () => {
  const bodies: string[] = []
  const zipkin = createServer(async (request, response) => {
    for await (const chunk of request.setEncoding('utf8')) bodies.push(chunk)
    response.writeHead(202).end()
  })
  await new Promise<void>((done) => zipkin.listen(0, '127.0.0.1', done))
  const { port } = zipkin.address() as { port: number }
  const program = `
    const { trace } = await import('@opentelemetry/api')
    const { NodeSDK } = await import('@opentelemetry/sdk-node')
    trace.disable()
    const sdk = new NodeSDK({ autoDetectResources: false })
    sdk.start()
    trace.getTracer('test').startSpan('by zipkin').end()
    await sdk.shutdown()`
  const { installed } = await packagesOf(program, {
    OTEL_TRACES_EXPORTER: 'zipkin',
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: `http://127.0.0.1:${port}/api/v2/spans`,
  })
  zipkin.close()
  assert.ok(installed.has('@opentelemetry/exporter-zipkin'))
  assert.match(bodies.join(''), /"name":"by zipkin"/)
})

test('without the few files the same packages are read where they are installed', async () => {
  for (const folder of [undefined, path.join(import.meta.dirname, 'removed')]) {
    const { installed, bundled } = await packagesOf(SERVICE, { SIGHTLINE_PACKAGES: folder })
    assert.equal(bundled.size, 0)
    assert.ok(installed.has('@opentelemetry/sdk-node') && installed.has('zod'))
  }
})

test('the backend reads all of its packages from the few files', async () => {
  const { installed, bundled } = await packagesOf(`await import('../backend/run.ts')`, {}, './packages.ts')
  assert.deepEqual([...installed], [])
  assert.deepEqual(
    [...bundled].filter((name) => /opentelemetry.(sdk|core|otlp)|undici|log4js|koa/.test(name)),
    [],
  )
  assert.ok(bundled.has('@grpc/grpc-js'))
})

/** Names of the packages that a program has loaded after `first`: where they are installed, and out of the few files. */
async function packagesOf(
  program: string,
  env: Record<string, string | undefined> = {},
  first = '@sightline/service-kit/register',
) {
  const folder = process.env.SIGHTLINE_PACKAGES
  assert.ok(folder, 'npm test has the packages put together: npm test -- unit --only service-kit/packages.test.ts')
  const hooks = ['./test/loaded-files.ts', first].flatMap((file) => ['--import', file])
  const { stdout } = await promisify(execFile)(process.execPath, [...hooks, '--input-type=module', '--eval', program], {
    cwd: import.meta.dirname,
    env: { PATH: process.env.PATH, ...COMPILED, ...env },
  })
  const loaded: string[] = JSON.parse(stdout)
  const modules: Record<string, string[]> = JSON.parse(readFileSync(path.join(folder, 'modules.json'), 'utf8'))
  const own = loaded.filter((file) => path.dirname(file) === folder).flatMap((file) => modules[path.basename(file)]!)
  const others = loaded.filter((file) => path.dirname(file) !== folder)
  return { installed: namesOf(others), bundled: namesOf(own) }
}

function namesOf(files: string[]): Set<string> {
  return new Set(files.flatMap((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []))
}
