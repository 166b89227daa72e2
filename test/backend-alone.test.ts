/** `npm run backend` as a program among others: somebody else's service sends to it, and is found. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePorts } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'
import { buildConsole } from '../console/build.ts'
import {
  chromiumPath,
  launch as launchBrowser,
  NO_CHROMIUM,
  openPage,
  showAllPanels,
  unwell,
} from '../scripts/screenshots/browser.ts'

const root = resolve(import.meta.dirname, '..')
const chromium = chromiumPath()
const inBrowser = { skip: chromium ? false : NO_CHROMIUM }
const PORTS = ['OTLP_HTTP_PORT', 'OTLP_GRPC_PORT', 'TEMPO_PORT', 'LOKI_PORT', 'CONSOLE_PORT'] as const

interface Started {
  readonly process: ChildProcess
  /** By the variables that choose them. */
  readonly ports: Readonly<Record<(typeof PORTS)[number], number>>
  readonly ended: Promise<number | null>
  output(): string
}

/** The command as npm runs it, on free ports unless `env` says others. */
async function launch(t: TestContext, args: readonly string[], env: Record<string, string> = {}): Promise<Started> {
  const free = await freePorts()
  const ports = Object.fromEntries(PORTS.map((name) => [name, Number(env[name] ?? free[name])])) as Started['ports']
  const child = spawn('npm', ['run', 'backend', '--', ...args], {
    cwd: root,
    env: { ...process.env, ...Object.fromEntries(PORTS.map((name) => [name, `${ports[name]}`])), ...env },
    detached: true,
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGTERM')
    await ended
  })
  return { process: child, ports, ended, output: () => text }
}

async function started(t: TestContext, args: readonly string[], env?: Record<string, string>): Promise<Started> {
  const backend = await launch(t, args, env)
  await until('it runs', 60, () => {
    assert.equal(backend.process.exitCode, null, backend.output())
    return backend.output().includes('Ctrl-C stops it')
  })
  return backend
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-alone-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const TRACE = '5b8efff798038103d269b633813fc60c'
const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'tea-house' } }] }

/** A span and a log line of a service that nobody here knows, as any SDK sends them. */
async function sendTo(otlp: string): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n
  const span = {
    traceId: TRACE,
    spanId: 'eee19b7ec3c1b174',
    name: 'GET /tea',
    kind: 2,
    startTimeUnixNano: String(now - 20_000_000n),
    endTimeUnixNano: String(now),
    attributes: [{ key: 'tea.kind', value: { stringValue: 'oolong' } }],
    status: { code: 2 },
  }
  const record = {
    timeUnixNano: String(now),
    severityText: 'WARN',
    body: { stringValue: 'no oolong left' },
    traceId: TRACE,
  }
  const post = async (path: string, body: object) => {
    const response = await fetch(otlp + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    assert.equal(response.status, 200, await response.text())
  }
  await post('/v1/traces', { resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] })
  await post('/v1/logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] })
}

async function ask(base: string, path: string, query: Record<string, string>): Promise<string> {
  const response = await fetch(`${base}${path}?${new URLSearchParams(query)}`)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}

async function isClosed(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const closed = await once(socket, 'connect').then(
    () => false,
    () => true,
  )
  socket.destroy()
  return closed
}

test('a service that nobody knows sends a span and a log line, and both are found; Ctrl-C ends it in order', async (t) => {
  await buildConsole()
  const data = join(newFolder(t), 'its own')
  // What somebody has set for other work: no board is to ask that database.
  const backend = await started(t, ['--data', data], { PGPASSWORD: 'of other work' })
  const at = (name: (typeof PORTS)[number]) => `http://127.0.0.1:${backend.ports[name]}`
  for (const name of PORTS) assert.ok(backend.output().includes(`http://localhost:${backend.ports[name]}`), name)
  assert.ok(backend.output().includes(`OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:${backend.ports.OTLP_HTTP_PORT}`))
  assert.ok(backend.output().includes(data))
  assert.equal(statSync(data).mode & 0o077, 0, 'others can read what programs tell of their users')

  await sendTo(at('OTLP_HTTP_PORT'))
  await until('the span is found', 20, async () => {
    const found = await ask(at('TEMPO_PORT'), '/api/search', { q: '{ span.tea.kind = "oolong" && status = error }' })
    return found.includes(TRACE)
  })
  await until('the log line is found', 20, async () => {
    const query = '{service_name="tea-house"} |= "oolong"'
    return (await ask(at('LOKI_PORT'), '/loki/api/v1/query_range', { query })).includes('no oolong left')
  })
  const through = await ask(`${at('CONSOLE_PORT')}/api/tempo`, '/api/search', { q: '{ name = "GET /tea" }' })
  assert.ok(through.includes(TRACE), 'the console finds it, too')

  const page = await (await fetch(at('CONSOLE_PORT'))).text()
  assert.match(page, /<meta name="sightline-absent" content="prometheus audit postgres" \/>/)
  const metrics = await fetch(`${at('CONSOLE_PORT')}/api/prometheus/api/v1/query?query=up`)
  assert.equal(metrics.status, 404)
  assert.match(await metrics.text(), /^This console runs without Prometheus/)
  const boards = JSON.parse(await ask(at('CONSOLE_PORT'), '/dashboards.json', {})) as {
    uid: string
    without?: string[]
  }[]
  for (const uid of ['sightline-chain', 'sightline-audit'])
    assert.ok(boards.find((board) => board.uid === uid)?.without, `${uid} is left out`)
  const shown = boards.filter(({ without }) => !without)
  assert.deepEqual(
    shown.map(({ uid }) => uid),
    ['sightline-spans'],
  )

  const second = await launch(t, ['--data', data])
  assert.equal(await second.ended, 1)
  assert.match(
    second.output(),
    /The folder .* is in use by another process\. Stop that one, or choose another.*--data DIR/,
  )

  // As a terminal does it: to everyone in front of it.
  process.kill(-backend.process.pid!, 'SIGINT')
  assert.equal(await backend.ended, 0)
  assert.match(backend.output(), /Stopping \.\.\.\nStopped\. The data is kept\.\n$/)
  for (const name of PORTS) assert.ok(await isClosed(backend.ports[name]), name)
})

test('its console leads only to what has something to show, and says of the rest why not', inBrowser, async (t) => {
  await buildConsole()
  const backend = await started(t, ['--data', newFolder(t)])
  await sendTo(`http://127.0.0.1:${backend.ports.OTLP_HTTP_PORT}`)
  const browser = await launchBrowser(chromium!)
  t.after(() => browser.close())
  const { page, problems } = await openPage(browser)
  const base = `http://localhost:${backend.ports.CONSOLE_PORT}`
  await page.goto(base)
  await page.locator('main .card').first().waitFor()
  const texts = (selector: string) => page.locator(selector).allTextContents()
  assert.deepEqual(await texts('nav[aria-label="Main"] a'), ['Services from spans', 'Explore', 'What differs'])
  assert.deepEqual(await texts('main .card strong'), ['Services from spans', 'Explore', 'What differs'])
  assert.match((await texts('main [role=note]')).join(), /left out: .*Chain.*Alerts.*Audit table\.$/)
  for (const [path, reason] of [
    ['/alerts', 'Prometheus'],
    ['/services', 'Prometheus'],
    ['/map', 'Prometheus'],
    ['/audit', 'audit-service'],
    ['/d/sightline-chain', 'Prometheus'],
    ['/explore?source=prometheus', 'Prometheus'],
  ] as const) {
    await page.goto(base + path)
    await page.getByText(`This console runs without ${reason}`).waitFor()
  }
  // What it has works: the trace, with nothing beside it that leads nowhere.
  await page.goto(`${base}/trace/${TRACE}`)
  await page.getByText('GET /tea').first().waitFor()
  await page.goto(`${base}/d/sightline-spans`)
  await showAllPanels(page)
  await page.getByText('no oolong left').first().waitFor()
  assert.deepEqual(await unwell(page), [])
  assert.deepEqual(problems, [])
})

test('what it can’t do it says in a line: a port that is taken, a flag or a setting that means nothing', async (t) => {
  const folder = newFolder(t)
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  t.after(() => holder.close())
  const { port } = holder.address() as { port: number }
  const taken = await launch(t, ['--data', join(folder, 'a')], { OTLP_HTTP_PORT: String(port) })
  assert.equal(await taken.ended, 1)
  assert.match(
    taken.output(),
    new RegExp(`Port ${port} is in use\\. Stop what holds it, or choose another by OTLP_HTTP_PORT\\.`),
  )
  const unknown = await launch(t, ['--dta', join(folder, 'b')])
  assert.equal(await unknown.ended, 2)
  assert.match(unknown.output(), /Unknown option '--dta'.*\nUsage: npm run backend/)
  const wrong = await launch(t, ['--data', join(folder, 'c')], { TRACES_RETENTION: 'for long' })
  assert.equal(await wrong.ended, 1)
  assert.match(wrong.output(), /TRACES_RETENTION: write a whole number/)
  for (const name of ['b', 'c']) assert.equal(existsSync(join(folder, name)), false)
})

test('without --data it has a folder of its own in the state folder, which reset spares while it runs', async (t) => {
  const home = newFolder(t)
  const backend = await started(t, [], { SIGHTLINE_HOME: home })
  assert.ok(existsSync(join(home, 'backend/blocks')))
  const reset = async () => {
    const child = spawn(process.execPath, [join(root, 'scripts/reset.ts')], {
      env: { ...process.env, SIGHTLINE_HOME: home },
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    const [code] = await once(child, 'close')
    return { code, text }
  }
  const refused = await reset()
  assert.equal(refused.code, 1)
  assert.match(refused.text, /npm run backend is running on .*backend\. Stop it/)
  process.kill(-backend.process.pid!, 'SIGTERM')
  assert.equal(await backend.ended, 0)
  const done = await reset()
  assert.equal(done.code, 0, done.text)
  assert.equal(existsSync(home), false)
})
