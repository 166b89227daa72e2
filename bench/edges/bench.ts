/**
 * What the edges cost whom: `node bench/edges/bench.ts`. Linux only.
 *
 *   sampling  the backend with TRACES_SAMPLE=0.1 beside one that keeps all, the same spans to both in turns; CPU of the process a span
 *   browser   a page's spans, as JSON by the door for browsers, beside the same by that of services
 *   settings  a service until its first line, by OTEL_CONFIG_FILE and by the variables
 *
 * Medians, quartiles in brackets.
 */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '@sightline/local'
import { backendMemory } from '@sightline/local/backend-memory'
import { root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import { rounds, SPANS_PER_TRACE, TRACES_PER_ROUND } from '../backend/generate.ts'
import { cpuOfTrees } from '../chain/cpu.ts'
import { spread, textOf } from '../chain/slices.ts'

const [TURNS, ROUNDS, BATCHES, STARTS] = [16, 4, 150, 12]

const LISTENS = ['OTLP_HTTP_PORT', 'OTLP_GRPC_PORT', 'TEMPO_PORT', 'LOKI_PORT', 'CONSOLE_PORT'] as const

interface Backend {
  pid: number
  url: string
  stop(): void
}

const folder = mkdtempSync(join(tmpdir(), 'sightline-edges-'))
const backends: Backend[] = []
try {
  const [all, tenth] = [await startBackend('all', {}), await startBackend('tenth', { TRACES_SAMPLE: '0.1' })]
  await sampling(all, tenth)
  await browser(all)
  settings()
} finally {
  for (const { stop } of backends) stop()
  rmSync(folder, { recursive: true, force: true })
}

async function sampling(all: Backend, tenth: Backend): Promise<void> {
  const spans = ROUNDS * TRACES_PER_ROUND * SPANS_PER_TRACE
  const stepNs = 10_000_000n
  const source = rounds({ startNs: BigInt(Date.now()) * 1_000_000n - 3_600_000_000_000n, stepNs })
  const send = async ({ url }: Backend) => {
    for (let n = 0; n < ROUNDS; n++)
      for (const { body } of source.next().value!.requests)
        await post(`${url}/v1/traces`, body, 'application/x-protobuf')
  }
  const report = await inTurns(
    [all, tenth].map((backend) => ({ pid: backend.pid, work: () => send(backend) })),
    spans,
  )
  print('sampling: the backend, us a span', ['keeps all', 'TRACES_SAMPLE=0.1'], report)
}

/** What the page sends after a click: the click, and the request below it. */
async function browser({ pid, url }: Backend): Promise<void> {
  const send = (path: string) => async () => {
    for (let n = 0; n < BATCHES; n++) await post(url + path, JSON.stringify(click()), 'application/json')
  }
  const ways = ['/v1/traces', '/browser/v1/traces']
  const report = await inTurns(
    ways.map((path) => ({ pid, work: send(path) })),
    BATCHES,
  )
  print('browser: the backend, us a batch of two spans', ["by the services' door", "by the browsers' door"], report)
}

function click(): object {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  const now = `${Date.now()}000000`
  const text = (key: string, value: string) => ({ key, value: { stringValue: value } })
  const common = { traceId, startTimeUnixNano: now, endTimeUnixNano: now }
  const request = [text('http.request.method', 'POST'), text('url.full', 'http://localhost:8080/api/v1/process')]
  const spans = [
    { ...common, spanId, name: 'click', kind: 1, attributes: [text('browser.element', 'buy')] },
    {
      ...common,
      spanId: randomBytes(8).toString('hex'),
      parentSpanId: spanId,
      name: 'POST',
      kind: 3,
      attributes: request,
    },
  ]
  const resource = { attributes: [text('service.name', 'browser'), text('user_agent.name', 'Chrome')] }
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'page' }, spans }] }] }
}

function settings(): void {
  const program = 'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000)'
  const start = (env: NodeJS.ProcessEnv) =>
    Number(
      execFileSync(
        process.execPath,
        ['--import', '@sightline/service-kit/register', '--input-type=module', '--eval', program],
        {
          cwd: root,
          encoding: 'utf8',
          env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(folder, 'compiled'), ...env },
        },
      ),
    )
  const ways = [{}, {}, { OTEL_CONFIG_FILE: 'observability/otel-config.yaml' }]
  const taken: number[][] = ways.map(() => [])
  for (let round = -1; round < STARTS; round++) {
    for (const [n, env] of ways.entries()) {
      const ms = start(env)
      // The first round fills the cache.
      if (round >= 0) taken[n]!.push(ms)
    }
  }
  print('settings: a service until its first line, ms', ['by variables', 'again: the noise', 'by a file'], taken)
}

interface Way {
  pid: number
  work: () => Promise<void>
}

/** CPU, microseconds a unit, of each way and turn. What a process does later for a turn counts for it, until its next. */
async function inTurns(ways: readonly Way[], units: number): Promise<number[][]> {
  const marks: number[][] = ways.map(() => [])
  const taken: number[][] = ways.map(() => [])
  const alone = new Set(ways.map(({ pid }) => pid)).size === ways.length
  for (let turn = 0; turn <= TURNS; turn++) {
    for (let n = 0; n < ways.length; n++) {
      const index = (n + turn) % ways.length
      const { pid, work } = ways[index]!
      const before = cpuOfTrees([pid])
      await work()
      if (alone) marks[index]!.push(before)
      else if (turn > 0) taken[index]!.push(((cpuOfTrees([pid]) - before) * 1_000) / units)
    }
  }
  if (!alone) return taken
  return marks.map((one) => one.slice(2).map((ms, n) => ((ms - one[n + 1]!) * 1_000) / units))
}

function print(what: string, names: readonly string[], taken: readonly number[][]): void {
  console.log(`\n| ${what} | | against the first |\n|---|---|---|`)
  for (const [n, name] of names.entries()) {
    const ratios = taken[n]!.map((one, turn) => one / taken[0]![turn]!)
    console.log(`| ${name} | ${textOf(spread(taken[n]!), 1)} | ${n === 0 ? '' : textOf(spread(ratios), 2)} |`)
  }
}

async function post(url: string, body: string | Buffer, type: string): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body)),
    headers: { 'content-type': type },
  })
  await response.arrayBuffer()
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
}

async function startBackend(name: string, env: NodeJS.ProcessEnv): Promise<Backend> {
  const ports = await freePorts()
  const child = spawn(process.execPath, [...backendMemory.flags, 'backend/main.ts'], {
    cwd: root,
    stdio: 'ignore',
    env: {
      ...{ PATH: process.env.PATH, PROMETHEUS_URL: 'none', AUDIT_SERVICE_URL: 'none', ...env },
      ...Object.fromEntries(LISTENS.map((key) => [key, String(ports[key])])),
      EMBEDDED_DATA_DIR: join(folder, name),
    },
  })
  const url = `http://127.0.0.1:${ports.OTLP_HTTP_PORT}`
  const backend = { pid: child.pid!, url, stop: () => void child.kill('SIGKILL') }
  backends.push(backend)
  await until('the backend answers', 120, async () => (await fetch(`http://127.0.0.1:${ports.TEMPO_PORT}/ready`)).ok)
  return backend
}
