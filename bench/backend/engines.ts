/**
 * What the backend costs beside the running Tempo and Loki, on the same bytes: CPU time of ingest, bytes on disk, memory, the time of
 * queries, and how soon a span is found. All are up at once and take turns in random order; CPU time first, ratios within a turn. The
 * last line is one JSON object. For developers, as far as they have the programs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readFlags } from '@sightline/local/flags'
import { until } from '@sightline/service-kit/poll'
import { Pool } from 'undici'
import { type Spread, shuffled, spread, textOf } from '../chain/slices.ts'
import { type Engine, startBackend, startLoki, startTempo } from './engines/launch.ts'
import { logQuestions, type QuestionAbout, traceQuestions } from './engines/questions.ts'
import { logRequest, type Round, rounds, SPANS_PER_TRACE, TRACES_PER_ROUND } from './generate.ts'

const usage = `TEMPO_BIN=PROGRAM LOKI_BIN=PROGRAM node bench/backend/engines.ts [SPANS] [--rounds N]

The backend beside Tempo and Loki; what is not given is left out. As many log lines as spans are sent, 500,000 unless told; every query is
asked N times (9). Linux only.`
const { positionals, values } = readFlags(usage, {
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '9' } },
})
const SPANS = Number(positionals[0] ?? 500_000)
const ROUNDS = Number(values.rounds)
const { TEMPO_BIN, LOKI_BIN } = process.env
/** Of trace time, up to now. */
const WINDOW_SECONDS = 3600
const TURNS = 20
const CONNECTIONS = 4
const LINES_PER_REQUEST = 2000
/** What is left to do after the last byte was taken is done when this long nothing was used. */
const QUIET_MS = 5000
const QUIET_SHARE = 0.15
const STEP_SECONDS = 15

interface Row {
  readonly about: string
  readonly backend: Spread | null
  readonly other: Spread | null
  /** Of the other by ours, within a turn: how many times less the backend needs. */
  readonly ratio: Spread | null
  readonly digits: number
}

const rows: Row[] = []
const key: Record<string, unknown> = {}
const dir = mkdtempSync(join(tmpdir(), 'sightline-engines-'))
process.once('exit', () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
const versions: string[] = []
if (TEMPO_BIN === undefined) console.log('TEMPO_BIN names no program: spans are left out.')
else await sideBySide('span', (folder) => startTempo(TEMPO_BIN, folder), spanBodies(), traceQuestions)
if (LOKI_BIN === undefined) console.log('LOKI_BIN names no program: log lines are left out.')
else {
  const { bodies, traceId } = lineBodies()
  await sideBySide('line', (folder) => startLoki(LOKI_BIN, folder), bodies, logQuestions(traceId))
}
report()

/** One turn's requests. */
interface Turn {
  readonly bodies: readonly Uint8Array[]
  readonly count: number
}

/** The first turn is the warm-up: it is not measured. */
function* spanBodies(): Generator<Turn> {
  const perTurn = Math.ceil(SPANS / TURNS / (SPANS_PER_TRACE * TRACES_PER_ROUND))
  const windowNs = BigInt(WINDOW_SECONDS) * 1_000_000_000n
  const traces = BigInt((TURNS + 1) * perTurn * TRACES_PER_ROUND)
  const source = rounds({ startNs: BigInt(Date.now()) * 1_000_000n - windowNs, stepNs: windowNs / traces })
  for (let turn = 0; turn <= TURNS; turn++) {
    const bodies: Uint8Array[] = []
    // The generator reuses its buffers.
    for (let round = 0; round < perTurn; round++)
      for (const { body } of source.next().value!.requests) bodies.push(Buffer.from(body))
    yield { bodies, count: perTurn * SPANS_PER_TRACE * TRACES_PER_ROUND }
  }
}

function lineBodies(): { bodies: Generator<Turn>; traceId: string } {
  const perTurn = Math.ceil(SPANS / TURNS / LINES_PER_REQUEST)
  const all = (TURNS + 1) * perTurn
  const stepNs = BigInt(Math.floor((WINDOW_SECONDS * 1e9) / (all * LINES_PER_REQUEST)))
  const begins = BigInt(Date.now()) * 1_000_000n - BigInt(WINDOW_SECONDS) * 1_000_000_000n
  const bodyAt = (n: number) => logRequest(LINES_PER_REQUEST, begins + BigInt(n * LINES_PER_REQUEST) * stepNs, stepNs)
  const middle = bodyAt(all >> 1)
  function* turns(): Generator<Turn> {
    for (let turn = 0; turn <= TURNS; turn++) {
      const bodies = Array.from({ length: perTurn }, (_, i) => {
        const n = turn * perTurn + i
        return n === all >> 1 ? middle.body : bodyAt(n).body
      })
      yield { bodies, count: perTurn * LINES_PER_REQUEST }
    }
  }
  return { bodies: turns(), traceId: middle.traceIds[0]! }
}

async function sideBySide(
  unit: 'span' | 'line',
  start: (folder: string) => Promise<Engine>,
  turns: Generator<Turn>,
  questions: readonly QuestionAbout[],
): Promise<void> {
  const backend = await startBackend(join(dir, `backend-${unit}`))
  const other = await start(join(dir, `other-${unit}`)).catch(async (error: unknown) => {
    await backend.stop()
    throw error
  })
  try {
    versions.push(`${other.name} ${other.version}`)
    await ingest(unit, backend, other, turns)
    await queries(unit, backend, other, questions)
    compare(`${unit}s: resident at most, MB`, 0, [backend.resident().most], [other.resident().most])
    if (unit === 'span') await freshness(backend, other)
  } finally {
    await Promise.all([backend.stop(), other.stop()])
  }
}

async function ingest(unit: string, backend: Engine, other: Engine, turns: Generator<Turn>): Promise<void> {
  const engines = [backend, other]
  const perUnit = new Map(engines.map((engine) => [engine, [] as number[]]))
  const before = new Map<Engine, number>()
  let sent = 0
  for (const [number, { bodies, count }] of [...turns].entries()) {
    for (const engine of shuffled(engines)) {
      const used = await cpuOf(engine, () => sendAll(engine, unit, bodies))
      if (number > 0) perUnit.get(engine)!.push((used / count) * 1e6)
    }
    if (number === 0) for (const engine of engines) before.set(engine, await quiet(engine))
    else sent += count
    process.stderr.write(`${unit}s: turn ${number} of ${TURNS}\n`)
  }
  compare(`${unit}s: CPU of taking one in, us`, 1, perUnit.get(backend)!, perUnit.get(other)!)
  const all: number[] = []
  for (const engine of engines) {
    if (engine.name === 'loki') await flushed(engine)
    all.push((((await quiet(engine)) - before.get(engine)!) / sent) * 1e6)
  }
  compare(`${unit}s: CPU of one, with all that is done later, us`, 1, [all[0]!], [all[1]!])
  const total = sent * (1 + 1 / TURNS)
  compare(`${unit}s: bytes on disk of one`, 1, [backend.disk() / total], [other.disk() / total])
  compare(`${unit}s: resident after ingest, MB`, 0, [backend.resident().now], [other.resident().now])
}

async function cpuOf(engine: Engine, work: () => Promise<unknown>): Promise<number> {
  const before = engine.cpu()
  await work()
  return engine.cpu() - before
}

/** Seconds of CPU so far, once the engine has nothing left to do. */
async function quiet(engine: Engine): Promise<number> {
  return until(`${engine.name} has nothing left to do`, 180, async () => {
    const before = engine.cpu()
    await delay(QUIET_MS)
    const now = engine.cpu()
    return now - before < (QUIET_SHARE * QUIET_MS) / 1000 && now
  })
}

/** Loki keeps a chunk in memory for up to two hours; nothing of it is on disk but the log of what it took. */
async function flushed(loki: Engine): Promise<void> {
  const response = await fetch(`${loki.loki}/flush`, { method: 'POST' })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`Loki does not flush: ${response.status}`)
}

async function sendAll(engine: Engine, unit: string, bodies: readonly Uint8Array[]): Promise<void> {
  const url = new URL(unit === 'span' ? engine.traces! : engine.logs!)
  const pool = new Pool(url.origin, { connections: CONNECTIONS })
  let next = 0
  const client = async () => {
    for (let n = next++; n < bodies.length; n = next++) await send(pool, url.pathname, bodies[n]!)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  await pool.close()
}

async function send(pool: Pool, path: string, body: Uint8Array): Promise<void> {
  const headers = { 'content-type': 'application/x-protobuf' }
  for (;;) {
    const response = await pool.request({ method: 'POST', path, headers, body })
    const text = await response.body.text()
    if (response.statusCode < 300) return
    if (response.statusCode !== 429 && response.statusCode !== 503) throw new Error(`${response.statusCode}: ${text}`)
    await delay(100)
  }
}

async function queries(
  unit: string,
  backend: Engine,
  other: Engine,
  questions: readonly QuestionAbout[],
): Promise<void> {
  const end = Math.floor(Date.now() / 1000) + 1
  const ratios: number[] = []
  for (const question of questions) {
    const times = new Map([backend, other].map((engine) => [engine, [] as number[]]))
    const empty = new Set<Engine>()
    for (let round = 0; round <= ROUNDS; round++) {
      for (const engine of shuffled([backend, other])) {
        const started = performance.now()
        // Nobody asks for the same hour twice, and Tempo remembers what it was asked.
        if (!(await answer(engine, question, end - round * STEP_SECONDS))) empty.add(engine)
        if (round === 0) continue
        times.get(engine)!.push(performance.now() - started)
      }
    }
    const about = empty.has(other) ? `${question.query}, of which ${other.name} finds nothing` : question.query
    if (empty.has(backend)) throw new Error(`the backend finds nothing by ${question.query}`)
    compare(`${about}, ms`, 1, times.get(backend)!, times.get(other)!)
    ratios.push(rows.at(-1)!.ratio!.median)
    process.stderr.write(`${question.query}\n`)
  }
  key[`${unit}_queries_median_ratio`] = spread(ratios)
  key[`${unit}_queries_least_ratio`] = Math.min(...ratios)
}

/** Whether there is anything in the answer. */
async function answer(engine: Engine, { way, query, limit = 20 }: QuestionAbout, end: number): Promise<boolean> {
  const times = { start: String(end - WINDOW_SECONDS - 60), end: String(end) }
  const ask: Record<QuestionAbout['way'], string> = {
    search: `${engine.tempo}/api/search?${new URLSearchParams({ q: query, ...times, limit: String(limit) })}`,
    metrics: `${engine.tempo}/api/metrics/query_range?${new URLSearchParams({ q: query, ...times, step: `${STEP_SECONDS}s`, exemplars: '0' })}`,
    lines: `${engine.loki}/loki/api/v1/query_range?${new URLSearchParams({ query, ...times, limit: '100' })}`,
    range: `${engine.loki}/loki/api/v1/query_range?${new URLSearchParams({ query, ...times, step: '60' })}`,
  }
  const response = await fetch(ask[way])
  const text = await response.text()
  if (!response.ok) throw new Error(`${engine.name}, ${query}: ${response.status} ${text}`)
  return !/^\{"(traces|series)":\[\]|"result":\[\]/.test(text)
}

/** From the answer to the last byte until TraceQL finds the trace. */
async function freshness(backend: Engine, other: Engine): Promise<void> {
  const times = new Map([backend, other].map((engine) => [engine, [] as number[]]))
  const source = rounds({ startNs: BigInt(Date.now()) * 1_000_000n, stepNs: 1000n })
  for (let round = 0; round < ROUNDS; round++) {
    const { requests, traceIds }: Round = source.next().value!
    const q = `{ trace:id = "${traceIds[3]}" }`
    const now = Math.floor(Date.now() / 1000)
    const parameters = new URLSearchParams({ q, start: String(now - 600), end: String(now + 60) })
    for (const engine of shuffled([backend, other])) {
      await sendAll(
        engine,
        'span',
        requests.map(({ body }) => Buffer.from(body)),
      )
      const accepted = performance.now()
      for (;;) {
        const response = await fetch(`${engine.tempo}/api/search?${parameters}`)
        if ((await response.text()).includes(traceIds[3]!.replace(/^0+/, ''))) break
        if (performance.now() - accepted > 60_000)
          throw new Error(`${engine.name} does not find a trace within a minute`)
      }
      times.get(engine)!.push(performance.now() - accepted)
    }
  }
  compare('span found after it was accepted, ms', 0, times.get(backend)!, times.get(other)!)
}

function compare(about: string, digits: number, backend: readonly number[], other: readonly number[]): void {
  const ratio = spread(backend.map((mine, n) => other[n]! / mine))
  rows.push({ about, digits, backend: spread([...backend]), other: spread([...other]), ratio })
  key[about] = ratio
}

function report(): void {
  console.log(
    `${cpus()[0]!.model}, ${cpus().length} processors, Node ${process.version}, ${versions.join(', ')}, ${SPANS.toLocaleString('en')} spans and as many lines over an hour\n`,
  )
  console.log('| median (quartiles) | backend | Tempo, Loki | times less here |\n|---|---|---|---|')
  for (const { about, backend, other, ratio, digits } of rows)
    console.log(
      `| ${about.replaceAll('|', '\\|')} | ${textOf(backend, digits)} | ${textOf(other, digits)} | ${textOf(ratio, 1)} |`,
    )
  console.log(`\n${JSON.stringify(key)}`)
}
