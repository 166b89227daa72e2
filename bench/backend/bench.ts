/**
 * Prints the figures of the embedded backend: ingest through HTTP, bytes per span, memory, latencies of queries, and how
 * soon a span is found. `node bench/backend/bench.ts [SPANS]`; a million spans by default, over two hours of trace time.
 *
 * The backend runs as users run it, as a process of its own, pinned to one core where `taskset` exists; the sender is
 * another process. Run it on a machine that has nothing else to do.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readFlags } from '@sightline/local/flags'
import { startBackend } from './engines/launch.ts'
import { logRequest, rounds } from './generate.ts'

const { positionals } = readFlags('node bench/backend/bench.ts [SPANS]', { allowPositionals: true, options: {} })
const SPANS = Number(positionals[0] ?? 1_000_000)
const LINES = SPANS
const SPREAD_SECONDS = 7200

const dir = mkdtempSync(join(tmpdir(), 'sightline-bench-'))
const pinned = hasTaskset()
const backend = await startBackend(join(dir, 'data'), pinned ? ['taskset', '-c', '1'] : [])
const otlp = new URL(backend.traces!).origin
try {
  await ingest()
  await queries()
  await freshness()
  await logs()
} finally {
  await backend.stop()
  rmSync(dir, { recursive: true, force: true })
}

async function ingest(): Promise<void> {
  const half = SPANS / 2
  // Warm-up: the first spans pay for the compilation of the code that takes them in.
  await send(SPANS / 10, SPREAD_SECONDS)
  await caughtUp()
  const before = backend.cpu()
  const quiet = await send(half, SPREAD_SECONDS / 2)
  await caughtUp()
  const used = backend.cpu() - before
  print('ingest, protobuf over HTTP, durable', `${rate(quiet)} spans/s`, '>= 150,000')
  const perCore = Math.round(quiet.sent / used).toLocaleString('en')
  print(
    'the same by CPU time, blocks and all',
    `${((used / quiet.sent) * 1e6).toFixed(1)} µs/span = ${perCore} spans/s`,
    'a core',
  )
  const asking = new AbortController()
  const asked = ask(asking.signal)
  const busy = await send(half, SPREAD_SECONDS / 2)
  asking.abort()
  print('ingest while queries run', `${rate(busy)} spans/s (${await asked} queries)`, '>= 30,000')
  await sealed()
  const metrics = await scrape()
  const perSpan =
    value(metrics, 'embedded_block_bytes{signal="traces"}') / value(metrics, 'embedded_block_rows{signal="traces"}')
  const indexBytes = ['index.db', 'index.db-wal'].reduce((sum, name) => sum + statSync(join(backend.dir, name)).size, 0)
  const index = indexBytes / value(metrics, 'embedded_block_rows{signal="traces"}')
  print('on disk', `${(perSpan + index).toFixed(1)} bytes/span (index ${index.toFixed(1)})`, '<= 30')
  const { now, most } = backend.resident()
  print('resident after ingest', `${now} MB, ${most} at most`, '<= 250')
}

interface Sent {
  readonly sent: number
  readonly seconds: number
}

function rate({ sent, seconds }: Sent) {
  return Math.round(sent / seconds).toLocaleString('en')
}

async function send(spans: number, spreadSeconds: number): Promise<Sent> {
  const program = [join(import.meta.dirname, 'ingest.ts'), otlp, String(spans), String(spreadSeconds), '8']
  const [command, ...args] = pinned
    ? ['taskset', '-c', '0', process.execPath, ...program]
    : [process.execPath, ...program]
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  return JSON.parse(output) as Sent
}

/** Asks the cheap questions that a dashboard repeats, one after the other, until told to stop. */
async function ask(signal: AbortSignal): Promise<number> {
  let count = 0
  while (!signal.aborted) {
    await search('{ status = error }')
    count++
    await delay(100)
  }
  return count
}

/** The worker has taken over all that was accepted. */
async function caughtUp(): Promise<void> {
  await search('{ status = error }')
  await delay(500)
}

/** Traces stay in the head until they have been quiet for 10 s. */
async function sealed(): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; await delay(500)) {
    if (value(await scrape(), 'embedded_head_rows{signal="traces"}') < 20_000) return
  }
}

async function queries(): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const hour = { start: String(now - 3600), end: String(now + 1) }
  const all = { start: String(now - SPREAD_SECONDS - 600), end: String(now + 1) }
  await timed('{status=error}, limit 20', '< 15 ms', () => search('{ status = error }', hour))
  await timed('rare attribute over everything', '< 1,000 ms', () =>
    search('{ span.rare.flag = "yes" }', { ...all, limit: '1000' }),
  )
  await timed('an id that no span has, over everything', '< 1,000 ms', () =>
    search(`{ span.request.id = "${'0123456789abcdef'.repeat(2)}" }`, all),
  )
  await timed('{...} >> {...} over an hour', '< 200 ms', () =>
    search('{ resource.service.name = "gateway" } >> { span.db.system.name = "postgresql" && status = error }', {
      ...hour,
      limit: '10000',
    }),
  )
  await timed('rate() by (resource.service.name), 1 h', '< 200 ms', () =>
    metrics('{ } | rate() by (resource.service.name)', hour),
  )
  await timed('quantile_over_time(duration, .95), 1 h', '< 200 ms', () =>
    metrics('{ } | quantile_over_time(duration, .95) by (resource.service.name)', hour),
  )
  for (const q of ['{ } | compare({ status = error })', '{ kind = server } | compare({ duration > 60ms })']) {
    await timed(`${q}, everything`, '< 1,000 ms', () => instant(q, all))
  }
  print('resident after queries', `${backend.resident().now} MB`, '<= 400')
}

async function freshness(): Promise<void> {
  const startNs = BigInt(Date.now()) * 1_000_000n
  const times: number[] = []
  for (const round of rounds({ startNs, stepNs: 1000n })) {
    for (const { body } of round.requests) await post(`${otlp}/v1/traces`, body)
    const accepted = performance.now()
    const id = round.traceIds[3]!
    while (!(await search(`{ trace:id = "${id}" }`)).includes(id.replace(/^0+/, '')));
    times.push(performance.now() - accepted)
    if (times.length >= 5) break
  }
  print('found by TraceQL after 200', `${Math.max(...times).toFixed(0)} ms at worst`, '<= 100')
}

async function logs(): Promise<void> {
  const perRequest = 2000
  const stepNs = BigInt(Math.floor((3600 / LINES) * 1e9))
  let startNs = BigInt(Date.now()) * 1_000_000n - 3_600_000_000_000n
  let traceId = ''
  const bodies = Math.ceil(LINES / perRequest)
  let seconds = 0
  for (let i = 0; i < bodies; i++, startNs += stepNs * BigInt(perRequest)) {
    const { body, traceIds } = logRequest(perRequest, startNs, stepNs)
    if (i === bodies >> 1) traceId = traceIds[0]!
    const started = performance.now()
    await post(`${otlp}/v1/logs`, body)
    seconds += (performance.now() - started) / 1000
  }
  print('log lines, one connection', `${Math.round(LINES / seconds).toLocaleString('en')} lines/s`, '')
  for (const stages of [`|= "${traceId}" | json | trace_id="${traceId}"`, `|= "${traceId}"`]) {
    const name = stages.replaceAll(traceId, '...')
    await timed(`LogQL ${name} over ${LINES.toLocaleString('en')} lines`, '< 500 ms', async () => {
      const query = `{service_name="order-service"} ${stages}`
      const url = `${backend.loki}/loki/api/v1/query_range?${new URLSearchParams({ query, since: '2h', limit: '100' })}`
      const text = await get(url)
      if (!text.includes(traceId)) throw new Error('the lines are not found')
      return text
    })
  }
  print('resident at the end', `${backend.resident().now} MB`, '<= 400')
}

function search(q: string, more: Record<string, string> = {}) {
  return get(`${backend.tempo}/api/search?${new URLSearchParams({ q, ...more })}`)
}
function metrics(q: string, more: Record<string, string>) {
  return get(`${backend.tempo}/api/metrics/query_range?${new URLSearchParams({ q, step: '15s', ...more })}`)
}
function instant(q: string, more: Record<string, string>) {
  return get(`${backend.tempo}/api/metrics/query?${new URLSearchParams({ q, ...more })}`)
}

async function get(url: string): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return text
}

async function post(url: string, body: Buffer): Promise<void> {
  for (;;) {
    const response = await fetch(url, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { 'content-type': 'application/x-protobuf' },
    })
    await response.arrayBuffer()
    if (response.ok) return
    if (response.status !== 429) throw new Error(`${url}: ${response.status}`)
    await delay(200)
  }
}

async function timed(name: string, target: string, run: () => Promise<string>): Promise<void> {
  const first = await once(run)
  const warm: number[] = []
  for (let i = 0; i < 9; i++) warm.push(await once(run))
  warm.sort((a, b) => a - b)
  print(name, `${warm[4]!.toFixed(1)} ms warm, ${first.toFixed(0)} ms first`, target)
}

async function once(run: () => Promise<string>): Promise<number> {
  const started = performance.now()
  await run()
  return performance.now() - started
}

function scrape() {
  return get(`${backend.tempo}/metrics`)
}
function value(metrics: string, series: string) {
  return Number(
    metrics
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')
      .at(-1) ?? 0,
  )
}

function print(name: string, figure: string, target: string): void {
  process.stdout.write(`${name.padEnd(58)} ${figure.padEnd(36)} ${target}\n`)
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
