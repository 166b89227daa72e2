/**
 * Asks the backend and the running Tempo and Loki the same random queries over the same data, and prints each kind of different
 * answer once, with the smallest query that still shows it: for developers, as far as they have the programs. What is meant to differ
 * (docs/traceql.md, docs/logql.md) is counted by itself.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFlags } from '@sightline/local/flags'
import { until } from '@sightline/service-kit/poll'
import { ask, type Difference, difference, type Way, type Window } from './differences/answers.ts'
import { Choices, simplest } from './differences/choices.ts'
import { documented } from './differences/documented.ts'
import { logLines, pushRequest } from './differences/lines.ts'
import * as logql from './differences/logql.ts'
import { dataSet, ODD_PART, traceRequest } from './differences/spans.ts'
import * as traceql from './differences/traceql.ts'
import { type Engine, startBackend, startLoki, startTempo } from './engines/launch.ts'

const usage = `TEMPO_BIN=PROGRAM LOKI_BIN=PROGRAM node bench/backend/differences.ts [--queries N] [--seed N] [--only WAY,...] [--ask QUERY]

Compares the answers of the backend with those of Tempo and Loki; what is not given is left out. 10,000 random queries unless told, the
same ones for the same seed. Ways: search, metrics, instant (TraceQL); lines, range, vector (LogQL). --ask asks this one instead.`
const flags = readFlags(usage, {
  options: {
    queries: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: 'search,metrics,instant,lines,range,vector' },
    ask: { type: 'string' },
  },
}).values
const { TEMPO_BIN, LOKI_BIN } = process.env
const ways = (
  [
    ['search', 6],
    ['metrics', 3],
    ['instant', 1],
    ['lines', 6],
    ['range', 2],
    ['vector', 3],
  ] as const
).filter(([way]) => flags.only!.split(',').includes(way) && (isTraces(way) ? TEMPO_BIN : LOKI_BIN))
const TRACES = 150
const LINES = 900
const DATA_SECONDS = 600
/** At once: the slower engine is what is waited for. */
const CLIENTS = 4
const SHRINK_QUESTIONS = 150
const RELATED = /\} [!&]?[<>~]/
const make: Record<Way, (choices: Choices) => string> = {
  search: traceql.search,
  metrics: traceql.metrics,
  instant: traceql.metrics,
  lines: logql.logs,
  range: logql.metrics,
  vector: logql.metrics,
}

for (const [name, value] of Object.entries({ TEMPO_BIN, LOKI_BIN })) {
  if (value === undefined) console.log(`${name} names no program: what it would answer is left out.`)
}
if (ways.length > 0) await run()

async function run(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sightline-differences-'))
  const engines: Engine[] = []
  try {
    const backend = await startBackend(join(dir, 'backend'))
    engines.push(backend)
    const tempo = ways.some(([way]) => isTraces(way)) ? await startTempo(TEMPO_BIN!, join(dir, 'tempo')) : undefined
    if (tempo) engines.push(tempo)
    const loki = ways.some(([way]) => !isTraces(way)) ? await startLoki(LOKI_BIN!, join(dir, 'loki')) : undefined
    if (loki) engines.push(loki)
    for (const { name, version } of engines.slice(1)) console.log(`${name} ${version}`)
    const window = await fill(backend, tempo, loki)
    await compare(backend, tempo, loki, window)
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()))
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Sends the data set to all, and waits until all find all of it. */
async function fill(backend: Engine, tempo: Engine | undefined, loki: Engine | undefined): Promise<Window> {
  const step = 60
  const start = (Math.floor(Date.now() / 1000 / step) - 1) * step - DATA_SECONDS
  const window = { start: start - step, end: start + DATA_SECONDS + step, step }
  const startNs = BigInt(start) * 1_000_000_000n
  if (tempo) {
    const spans = dataSet(Number(flags.seed), TRACES, startNs, DATA_SECONDS)
    const body = traceRequest(spans)
    for (const engine of [backend, tempo]) {
      await post(engine.traces!, body, 'application/x-protobuf')
      const count = await counter(engine, 'instant', '{ } | count_over_time()', window)
      await until(`${engine.name} finds every span`, 90, async () => (await count()) === spans.length)
    }
  }
  if (loki) {
    const lines = logLines(Number(flags.seed), LINES, startNs, DATA_SECONDS)
    for (const engine of [backend, loki]) {
      await post(`${engine.loki}/loki/api/v1/push`, pushRequest(lines), 'application/json')
      const count = await counter(engine, 'vector', 'sum(count_over_time({service_name=~".+"}[1h]))', window)
      await until(`${engine.name} finds every line`, 90, async () => (await count()) === lines.length)
    }
  }
  return window
}

async function counter(engine: Engine, way: Way, query: string, window: Window) {
  return async () => {
    const answer = await ask(engine, way, query, window)
    return 'refused' in answer ? undefined : answer.parts[1]![1].values().next().value
  }
}

async function post(url: string, body: string | Uint8Array<ArrayBuffer>, type: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  if (/rejected/i.test(text)) throw new Error(`${url} left some out: ${text}`)
}

interface Kind {
  readonly query: string
  readonly way: Way
  readonly found: Difference
  count: number
}

async function compare(
  backend: Engine,
  tempo: Engine | undefined,
  loki: Engine | undefined,
  window: Window,
): Promise<void> {
  // Tempo relates no spans of a trace that has no root: a series doesn't show where that is what differs.
  const tidy = { ...window, start: window.start + Math.ceil((ODD_PART * DATA_SECONDS) / window.step + 2) * window.step }
  const differs = async (way: Way, query: string) => {
    const other = isTraces(way) ? tempo! : loki!
    const asked = (way === 'metrics' || way === 'instant') && RELATED.test(query) ? tidy : window
    const [here, there] = await Promise.all([ask(backend, way, query, asked), ask(other, way, query, asked)])
    return difference(here, there)
  }
  if (flags.ask !== undefined) {
    for (const [way] of ways) {
      const found = await differs(way, flags.ask)
      console.log(`${way}: ${found ? `${found.what}\n    ${found.example}` : 'the same'}`)
    }
    return
  }
  const queries = Number(flags.queries)
  const kinds = new Map<string, Kind>()
  const meant = new Map<string, number>()
  let asked = 0
  let next = 0
  const client = async () => {
    for (let number = next++; number < queries; number = next++) {
      const choices = new Choices(Number(flags.seed) * 1_000_003 + number)
      const way = choices.way(...ways.map(([name, weight]) => [weight, () => name] as const))
      const query = make[way](choices)
      asked++
      const found = await differs(way, query)
      if (!found) continue
      await file(way, choices.taken.slice(1), query, found)
    }
  }
  const file = async (way: Way, taken: readonly number[], query: string, found: Difference) => {
    const known = documented(way, query, found)
    if (known !== undefined) {
      meant.set(known, (meant.get(known) ?? 0) + 1)
      return
    }
    const smallest = await simplest(
      taken,
      make[way],
      async (smaller) => (await differs(way, smaller))?.what === found.what,
      SHRINK_QUESTIONS,
    )
    const left = (await differs(way, smallest)) ?? found
    const meaning = documented(way, smallest, left)
    if (meaning !== undefined) {
      meant.set(meaning, (meant.get(meaning) ?? 0) + 1)
      return
    }
    const key = `${way} ${left.what} ${shape(smallest)}`
    const seen = kinds.get(key)
    if (seen) seen.count++
    else {
      kinds.set(key, { query: smallest, way, found: left, count: 1 })
      console.log(`${way}: ${left.what}\n  ${smallest}\n    ${left.example}`)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  for (const [name, count] of [...meant].sort((a, b) => b[1] - a[1]))
    console.log(`meant to differ, ${count} times: ${name}`)
  const open = [...kinds.values()].map(({ way, query, found, count }) => ({ way, what: found.what, query, count }))
  const engines = [tempo, loki].flatMap((engine) => (engine ? [[engine.name, engine.version]] : []))
  console.log(
    JSON.stringify({
      ...Object.fromEntries(engines),
      queries: asked,
      seed: Number(flags.seed),
      documented: Object.fromEntries(meant),
      open,
    }),
  )
}

/** The query without its values: what makes two differences one kind. */
function shape(query: string): string {
  return query
    .replace(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '"…"')
    .replace(/\b\d[\w.]*/g, 'N')
    .replace(/\b(span|resource|event|link|instrumentation)\.[\w.]+/g, '$1.x')
}

function isTraces(way: Way): boolean {
  return way === 'search' || way === 'metrics' || way === 'instant'
}
