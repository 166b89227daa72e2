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
import { fill } from './differences/fill.ts'
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
  const engines: Engine[] = []
  try {
    const backend = await startBackend(join(dir, 'backend'))
    engines.push(backend)
    const tempo = ways.some(([way]) => isTraces(way)) ? await startTempo(TEMPO_BIN!, join(dir, 'tempo')) : undefined
    if (tempo) engines.push(tempo)
    const loki = ways.some(([way]) => !isTraces(way)) ? await startLoki(LOKI_BIN!, join(dir, 'loki')) : undefined
    if (loki) engines.push(loki)
    for (const { name, version } of engines.slice(1)) console.log(`${name} ${version}`)
    const all = { backend, tempo, loki }
    const [seed, from, queries] = [Number(flags.seed), Number(flags.from), Number(flags.queries)]
    await askAll(all, await fill(all, seed), { ways, ask: flags.ask, from, queries, seed })
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()))
  }
}
