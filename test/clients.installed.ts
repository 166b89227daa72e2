/**
 * Clients as public packages have them, with their default settings, against `npm run backend` at its usual ports; run by `npm run
 * test:clients`, which installs them. Each sends the same few things from test/clients, which must be there whole.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import { rolldown } from 'rolldown'
import { startPrometheus, type TestPrometheus } from '../local/test/prometheus.ts'
import { isInstalled } from '../scripts/clients/kits.ts'
import { chromiumPath, launch, NO_CHROMIUM, openPage } from '../scripts/screenshots/browser.ts'
import { readTrace, type Span } from '../scripts/trace/spans.ts'

const { CLIENTS_FOLDER: folder = '', CLIENTS_KITS: kits = '', CLIENTS_PROMETHEUS: hasPrometheus } = process.env
const TEMPO = 'http://localhost:3200'
const LOKI = 'http://localhost:3100'
/** A client takes so long on a machine that has much else to do, in seconds. */
const PATIENCE = 120

const place = mkdtempSync(join(tmpdir(), 'clients-'))
let prometheus: TestPrometheus | undefined
let backend: ChildProcess
let said = ''
/** When all this began, in nanoseconds since 1970. */
const begun = BigInt(Date.now()) * 1_000_000n

before(async () => {
  if (hasPrometheus) prometheus = await startPrometheus()
  const metrics = prometheus && { PROMETHEUS_REMOTE_WRITE_URL: prometheus.writeUrl }
  backend = spawn(process.execPath, ['scripts/backend.ts', '--data', place], {
    cwd: root,
    env: { ...process.env, ...metrics },
  })
  for (const stream of [backend.stdout!, backend.stderr!]) stream.on('data', (chunk) => (said += chunk))
  await until('the backend runs', 60, () => {
    assert.equal(backend.exitCode, null, said)
    return said.includes('Ctrl-C stops it')
  })
})
after(async () => {
  if (backend && backend.exitCode === null && backend.signalCode === null) {
    const ended = once(backend, 'exit')
    backend.kill('SIGTERM')
    await ended
  }
  await prometheus?.stop()
  rmSync(place, { recursive: true, force: true })
})

/** As a user's shell has it: what somebody has set for telemetry of other work is not there. */
const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OTEL_|CLIENTS_|NODE_)/.test(name)))

/** Runs a client in its kit's folder until it ends, or one that doesn't until `done`. Rejects with what it said when it fails. */
async function runClient(
  kit: string,
  [program = '', ...args]: readonly string[],
  env: Record<string, string> = {},
  done?: () => Promise<unknown>,
): Promise<void> {
  const cwd = join(folder, kit)
  const child = spawn(program.startsWith('.') ? join(cwd, program) : program, args, { cwd, env: { ...plain, ...env } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const failed = once(child, 'error').then(([error]) => Promise.reject(error))
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE * 1000)
  try {
    await done?.()
    if (done) child.kill('SIGTERM')
    const [code, signal] = await Promise.race([ended, failed])
    // Some send what they have when they are told to end, which the program then tells itself.
    assert.ok(code === 0 || code === 143 || signal === 'SIGTERM', `${program} ended with ${code ?? signal}:\n${output}`)
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`${(error as Error).message}\n${output}`, { cause: error })
  } finally {
    clearTimeout(late)
  }
}

async function json<T>(url: string, query: Record<string, string>): Promise<T> {
  const response = await fetch(`${url}?${new URLSearchParams(query)}`)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text) as T
}

/** Spans of the only trace of a service, once it has so many. */
async function onlyTrace(service: string, size = 2): Promise<{ id: string; spans: Span[] }> {
  const q = `{ resource.service.name = "${service}" }`
  return until(`a trace of ${service}`, 20, async () => {
    const { traces } = await json<{ traces: { traceID: string }[] }>(`${TEMPO}/api/search`, { q })
    assert.equal(traces.length, 1, `${traces.length} traces`)
    const id = traces[0]!.traceID.padStart(32, '0')
    const spans = (await readTrace(TEMPO, id)) ?? []
    assert.equal(spans.length, size, JSON.stringify(spans.map(({ name }) => name)))
    return { id, spans }
  })
}

type Line = readonly [labels: Record<string, string>, text: string]

/** Lines that a selector finds, once there are so many. */
const lines = (selector: string, count = 1): Promise<Line[]> =>
  until(`a line of ${selector}`, 20, async () => {
    const { data } = await json<{ data: { result: { stream: Record<string, string>; values: [string, string][] }[] } }>(
      `${LOKI}/loki/api/v1/query_range`,
      { query: selector },
    )
    const found = data.result.flatMap(({ stream, values }) => values.map(([, text]) => [stream, text] as const))
    assert.equal(found.length, count, JSON.stringify(found))
    return found
  })

/** What every client of OpenTelemetry sends but what its language has no word for. */
interface Sent {
  /** Languages without exceptions have no type of one; it is in the event else. */
  readonly exceptionType?: false
  /** The message of the failed span's status. */
  readonly message?: string
}

async function checkTrace(service: string, { exceptionType, message = 'no oolong left' }: Sent = {}) {
  const { id, spans } = await onlyTrace(service)
  const tea = spans.find(({ name }) => name === 'GET /tea')
  const pour = spans.find(({ name }) => name === 'pour')
  assert.ok(tea && pour, JSON.stringify(spans.map(({ name }) => name)))
  assert.deepEqual([tea.service, tea.kind, tea.parentId, tea.error], [service, 'SERVER', '', false])
  assert.deepEqual([pour.service, pour.kind, pour.parentId], [service, 'INTERNAL', tea.id])
  assert.deepEqual([pour.error, pour.statusMessage], [true, message])
  const { attributes } = tea
  const own = Object.fromEntries(Object.entries(attributes).filter(([key]) => key.startsWith('tea.')))
  assert.deepEqual(own, {
    'tea.kind': 'oolong',
    'tea.cups': 3,
    'tea.hot': true,
    'tea.degrees': 96.5,
    'tea.guests': ['ada', 'bob'],
  })
  // SDKs read the time of a span in different ways, so a child may end after its parent.
  for (const { start, end } of spans) assert.ok(begun <= end && start <= end, `${start} to ${end}, since ${begun}`)
  assert.deepEqual(
    pour.events.map(({ name }) => name),
    ['poured', 'exception'],
  )
  const [poured, exception] = pour.events
  assert.deepEqual(poured!.attributes, { 'tea.cup': 1 })
  assert.equal(exception!.attributes['exception.message'], 'no oolong left')
  if (exceptionType !== false)
    assert.match(String(exception!.attributes['exception.type']), /(Error|Exception|errorString)$/)
  return { id, pour }
}

async function checkLine(service: string, trace: { id: string; pour: Span }) {
  const [[labels, text]] = (await lines(`{service_name="${service}"} | trace_id="${trace.id}"`)) as [Line]
  assert.equal(text.trimEnd(), 'no oolong left')
  assert.equal(labels.span_id, trace.pour.id)
  assert.equal(labels.detected_level, 'warn')
}

async function checkMetrics(service: string, timer = 'tea_pour_duration_seconds', sum = 0.2) {
  const of = `{job="${service}",tea_kind="oolong"}`
  const value = async (name: string) => (await prometheus!.query(name + of)).map(([, found]) => found)
  assert.deepEqual(await value('tea_cups_poured_total'), [3])
  assert.deepEqual(await value(`${timer}_count`), [1])
  assert.deepEqual(await value(`${timer}_sum`), [sum])
}

/** Registers a test of a kit, skipped with a word where the kit was not installed; where it was not asked for there is none. */
function testOf(
  kit: string,
  name: string,
  check: (t: TestContext) => Promise<void>,
  skip: string | false = false,
): void {
  if (!kits.split(',').includes(kit)) return
  test(name, { skip: isInstalled(folder, kit) ? skip : `${kit} was left out, see above` }, check)
}

/** A test that one run of an SDK leaves everything there; metrics where a Prometheus runs. */
function testSdk(kit: string, name: string, command: readonly string[], env: Record<string, string> = {}, sent?: Sent) {
  const service = `from ${name}`
  testOf(kit, name, async (t) => {
    await runClient(kit, command, { OTEL_SERVICE_NAME: service, ...env })
    await checkLine(service, await checkTrace(service, sent))
    if (prometheus) await checkMetrics(service)
    else t.diagnostic('metrics were not looked for: there is no Prometheus')
  })
}

/** A test that a client of Loki has brought its line. */
function testLine(kit: string, app: string, command: readonly string[], env: Record<string, string> = {}): void {
  testOf(kit, `${app}: a line`, async () => {
    await runClient(kit, command, env)
    const [[labels, text]] = (await lines(`{service_name="${app}"} |= "no oolong left"`)) as [Line]
    assert.equal(labels.app, app)
    assert.equal(labels.detected_level, 'warn', text)
  })
}

const HTTP = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' }
const GRPC = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4317' }
const GZIP = { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }
const JSON_BODIES = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }

const python = ['./.venv/bin/opentelemetry-instrument', '.venv/bin/python', 'tea.py']
const message = 'LookupError: no oolong left'
testSdk('python', 'Python', python, {}, { message })
const pythonHttp = {
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318/',
}
testSdk('python', 'Python over HTTP, gzip, address with a slash', python, { ...pythonHttp, ...GZIP }, { message })

const node = [process.execPath, '--require', '@opentelemetry/auto-instrumentations-node/register', 'tea.js']
testSdk('node', 'Node', node)
testSdk('node', 'Node over gRPC, gzip', node, { ...GRPC, ...GZIP })
testSdk('node', 'Node, JSON', node, JSON_BODIES)

const deno = ['./node_modules/.bin/deno', 'run', '--no-config', '--node-modules-dir=manual', '-A', 'tea.js']
testSdk('deno', 'Deno', deno, { OTEL_DENO: 'true' })
testSdk('deno', 'Deno, JSON', deno, { OTEL_DENO: 'true', ...JSON_BODIES })

const AGENT = '-javaagent:lib/opentelemetry-javaagent-2.33.1.jar'
const java = ['java', AGENT, '-cp', 'classes:lib/*', 'Tea']
testSdk('java', 'Java', java)
testSdk('java', 'Java over gRPC, gzip', java, { ...GRPC, ...GZIP })

// Go's exporters want TLS of an address that nobody has told them: this is the least that must be set.
testSdk('go', 'Go', ['./bin/tea'], HTTP)
testSdk('go', 'Go over gRPC, gzip', ['./bin/tea'], { ...GRPC, ...GZIP })

testSdk('rust', 'Rust', ['./target/debug/tea'], {}, { exceptionType: false })

const browserTest = async (t: TestContext) => {
  const build = await rolldown({ input: join(folder, 'browser/tea.js'), platform: 'browser' })
  const { output } = await build.generate({ format: 'iife' })
  const server = createServer(({ url }, res) => {
    const script = url === '/tea.js'
    res.setHeader('content-type', script ? 'text/javascript' : 'text/html')
    res.end(
      script
        ? output[0].code
        : '<!doctype html><title>not yet</title><link rel="icon" href="data:,"><script src="/tea.js"></script>',
    )
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => server.close())
  const browser = await launch(chromiumPath()!)
  t.after(() => browser.close())
  const { page, problems } = await openPage(browser)
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}`)
  await page.waitForFunction(`document.title !== 'not yet'`)
  assert.deepEqual([await page.title(), problems], ['sent', []])
  await checkLine('from-browser', await checkTrace('from-browser'))
  if (prometheus) await checkMetrics('from-browser')
}
testOf('browser', 'a page in a browser', browserTest, chromiumPath() ? false : NO_CHROMIUM)

testOf('java', 'Micrometer: metrics', async (t) => {
  await runClient('java', ['java', '-cp', 'classes:lib/*', 'Meters'], { OTEL_SERVICE_NAME: 'from-micrometer' })
  if (prometheus) await checkMetrics('from-micrometer', 'tea_pour_duration_milliseconds', 200)
  else t.diagnostic('metrics were not looked for: there is no Prometheus')
})

testOf('java', "Brave, Zipkin's client: a trace", async () => {
  await runClient('java', ['java', '-cp', 'classes:lib/*', 'ZipkinSpans'])
  const { spans } = await onlyTrace('from-brave')
  const tea = spans.find(({ kind }) => kind === 'SERVER')!
  const pour = spans.find(({ parentId }) => parentId === tea.id)!
  assert.deepEqual([tea.name, tea.attributes['tea.kind'], tea.error], ['GET /tea', 'oolong', false])
  assert.deepEqual([pour.name, pour.error, pour.statusMessage], ['pour', true, 'no oolong left'])
  assert.deepEqual(
    pour.events.map(({ name }) => name),
    ['poured'],
  )
})

for (const [how, flags] of [
  ['gRPC', []],
  ['HTTP', ['--otlp-http']],
] as const) {
  const service = `telemetrygen-${how}`
  const send = (...args: string[]) =>
    runClient('telemetrygen', ['./bin/telemetrygen', ...args, ...flags, '--otlp-insecure', '--service', service])
  testOf('telemetrygen', `telemetrygen over ${how}: a trace, lines, a sum`, async () => {
    await send('traces', '--traces', '1')
    await send('logs', '--logs', '3', '--rate', '0')
    const { spans } = await onlyTrace(service)
    assert.deepEqual(spans.map(({ name, kind }) => `${name} ${kind}`).sort(), ['lets-go CLIENT', 'okey-dokey-0 SERVER'])
    await lines(`{service_name="${service}"} |= "the message"`, 3)
    if (!prometheus) return
    await send('metrics', '--metrics', '1', '--metric-type', 'Sum')
    assert.equal((await prometheus.query(`gen_total{job="${service}"}`)).length, 1)
  })
}

testOf('collector', 'a Collector that follows a file: over gRPC, over HTTP, and where Loki takes OTLP', async () => {
  await runClient('collector', ['./bin/collector', '--config', 'config.yaml'], {}, async () => {
    for (const exporter of ['grpc', 'http', 'loki']) {
      const [[labels, text]] = (await lines(`{service_name="from-collector-${exporter}"}`)) as [Line]
      assert.deepEqual([text, labels.log_file_name, labels.detected_level], ['WARN no oolong left', 'tea.txt', 'warn'])
    }
  })
})

testLine('node', 'from-winston-loki', [process.execPath, 'winston-loki.js'])
testLine('node', 'from-pino-loki', [process.execPath, 'pino-loki.js'])
testLine('python', 'from-python-logging-loki', ['./.venv/bin/python', 'loki_line.py'])
const loki4j = ['java', '-Dlogback.configurationFile=logback.xml', '-cp', 'classes:lib/*', 'LokiLine']
testLine('java', 'from-loki4j', loki4j, { LOKI_APP: 'from-loki4j' })
const PROTOBUF = { LOKI_APP: 'from-loki4j-protobuf', LOKI_PROTOBUF: 'true' }
testLine('java', 'from-loki4j-protobuf', loki4j, PROTOBUF)
testLine('go', 'from-loki-client-go', ['./bin/loki'])
testLine('rust', 'from-tracing-loki', ['./target/debug/loki'])

test('the backend refused nothing of all that', async () => {
  const text = await (await fetch(`${TEMPO}/metrics`)).text()
  const counted = text.split('\n').filter((line) => /^embedded_(otlp_requests|rejected_items)_total/.test(line))
  const refused = counted.filter((line) => !/status="20[024]"/.test(line))
  assert.deepEqual(prometheus ? refused : refused.filter((line) => !line.includes('metrics')), [])
})
