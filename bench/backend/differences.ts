/**
 * Asks the backend and the running Tempo and Loki the same random queries over the same data, and prints each kind of different
 * answer once, with the smallest query that still shows it: for developers, as far as they have the programs. What is meant to differ
 * (docs/traceql.md, docs/logql.md) is counted by itself.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFlags } from '@sightline/local/flags'
import { isTraces } from './differences/compare.ts'
import { dataOf, fillLogs, fillTraces } from './differences/fill.ts'
import { asked, Lasting } from './differences/lasting.ts'
import { askAll } from './differences/round.ts'
import { type Engine, startBackend, startLoki, startTempo } from './engines/launch.ts'

const WAYS = [
  ['search', 6],
  ['metrics', 3],
  ['instant', 1],
  ['lines', 6],
  ['newest', 1],
  ['apart', 1],
  ['range', 3],
  ['odd', 2],
  ['vector', 4],
  ['slip', 2],
  ['misspelt', 2],
  ['tags', 1],
  ['labels', 1],
] as const
const usage = `TEMPO_BIN=PROGRAM LOKI_BIN=PROGRAM node bench/backend/differences.ts [--queries N] [--from N] [--seed N] [--only WAY,...] [--ask QUERY]

Compares the answers of the backend with those of Tempo and Loki; what is not given is left out. 10,000 random queries unless told, the
same ones for the same seed; --from begins with another than the first. Ways: search, metrics, instant (TraceQL); lines,
newest, apart, range, odd, vector (LogQL); slip, misspelt (queries of either language with a word too many or too few); tags, labels (the
other routes). --ask asks this one instead.`
const flags = readFlags(usage, {
  options: {
    queries: { type: 'string', default: '10000' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: WAYS.map(([way]) => way).join() },
    ask: { type: 'string' },
  },
}).values
const { TEMPO_BIN, LOKI_BIN } = process.env
const ways = WAYS.filter(([way]) => flags.only!.split(',').includes(way) && (isTraces(way) ? TEMPO_BIN : LOKI_BIN))
for (const [name, value] of Object.entries({ TEMPO_BIN, LOKI_BIN })) {
  if (value === undefined) console.log(`${name} names no program: what it would answer is left out.`)
}
if (ways.length > 0) await run()

async function run(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'sightline-differences-'))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  const toStop: { stop(): Promise<void> }[] = []
  const lasting = async (name: string, start: (dir: string) => Promise<Engine>, fill: typeof fillTraces) => {
    let starts = 0
    const engine = await Lasting.from(async () => {
      const started = await start(join(dir, `${name}-${++starts}`))
      await fill(started, data)
      return started
    })
    toStop.push(engine)
    console.log(`${name} ${engine.version}`)
    return engine
  }
  const [seed, from, queries] = [Number(flags.seed), Number(flags.from), Number(flags.queries)]
  const data = dataOf(seed)
  const [traces, logs] = [ways.some(([way]) => isTraces(way)), ways.some(([way]) => !isTraces(way))]
  try {
    const backend = await startBackend(join(dir, 'backend'))
    toStop.push(backend)
    if (traces) await fillTraces(backend, data)
    if (logs) await fillLogs(backend, data)
    const tempo = traces ? await lasting('tempo', (at) => startTempo(TEMPO_BIN!, at), fillTraces) : undefined
    const loki = logs ? await lasting('loki', (at) => startLoki(LOKI_BIN!, at), fillLogs) : undefined
    await askAll({ backend: asked(backend), tempo, loki }, data.window, { ways, ask: flags.ask, from, queries, seed })
  } finally {
    await Promise.all(toStop.map((engine) => engine.stop()))
  }
}
