/**
 * What tracing costs: `node bench/chain/bench.ts [--short] [--chains NAME,...]`. All chains are alive at once, and take turns in short
 * slices in random order; a slice with much foreign load is dropped and taken again. CPU per request first, throughput second; ratios
 * are taken within a round. The last line is one JSON object.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readFlags } from '@sightline/local/flags'
import { type Chain, nodeVariants, startDatabase, startFlaskChain, startNodeChain } from './chains.ts'
import { comparison, type Result, readResult } from './compare.ts'
import { CLIENTS, pgbench, runSlice, type Slice, type Spread, shuffled, spread, textOf, warmUp } from './slices.ts'

const usage = `node bench/chain/bench.ts [--short] [--chains NAME,...] [--rounds N] [--seconds N] [--foreign SHARE] [--compare FILE]

What tracing costs the three services, side by side with other ways to trace, and with a chain in Flask. --short takes fewer and
shorter slices. --chains takes these only, without pgbench: ${nodeVariants.map(({ name }) => name).join(', ')}.
--foreign is the share of the machine that others may use in a slice (0.1): with 1 none is dropped, and many --rounds of few --seconds
make up for it. --compare puts the run beside an earlier one, of whose last line FILE is made (bench/results).`
const {
  short,
  chains: named,
  rounds,
  seconds,
  foreign,
  compare,
} = readFlags(usage, {
  options: {
    short: { type: 'boolean' },
    chains: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    foreign: { type: 'string', default: '0.1' },
    compare: { type: 'string' },
  },
}).values
const wanted = named?.split(',')
const earlier = compare === undefined ? undefined : readResult(compare)
const WARM_UP = short ? 1_000 : 4_000
const [ROUNDS, SECONDS] = [Number(rounds ?? (short ? 5 : 15)), Number(seconds ?? (short ? 2 : 4))]
/** Share of the machine that others may use in a slice, and how often one is taken again. */
const [MOST_FOREIGN, TRIES] = [Number(foreign), 3]

const sink = spawn(process.execPath, [join(import.meta.dirname, 'sink.ts')], { stdio: ['ignore', 'pipe', 'inherit'] })
const [port] = await once(createInterface(sink.stdout), 'line')
const otlp = `http://127.0.0.1:${port}`
const chains: Chain[] = []
const stops: (() => Promise<void>)[] = [async () => void sink.kill()]
const own = [process.pid]
const slices = new Map<string, (Slice | undefined)[]>()
const transactions: number[] = []
try {
  // Whoever starts last is cheaper, by up to a tenth: chance has the first word, and the table stands in this order.
  for (const variant of shuffled(nodeVariants)) {
    if (wanted?.includes(variant.name) !== false) await add(() => startNodeChain(variant, otlp))
  }
  const others: (() => Promise<void>)[] = []
  if (wanted === undefined) {
    await add(() => startFlaskChain(otlp))
    const bare = await startDatabase()
    stops.push(bare.stop)
    others.push(() => commits(bare.database))
  }
  const spans = await spansPerRequest()
  const turns = [...chains.map((chain) => () => slice(chain)), ...others]
  for (let round = 0; round < ROUNDS; round++) {
    for (const turn of shuffled(turns)) await turn()
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`)
  }
  report(spans)
} finally {
  for (const stop of stops.reverse()) await stop()
}

async function add(start: () => Promise<Chain>): Promise<void> {
  const chain = await start()
  stops.push(chain.stop)
  process.stderr.write(`${chain.name} is up\n`)
  await warmUp(chain, WARM_UP)
  chains.push(chain)
  slices.set(chain.name, [])
}

/** Of the chain as `npm start` has it; NaN where that is not wanted. */
async function spansPerRequest(): Promise<number> {
  const traced = chains.find(({ name }) => name === 'traced')
  if (traced === undefined) return Number.NaN
  const before = (await traced.spansSent())!
  const { requests } = await runSlice(traced, 1, own)
  return ((await traced.spansSent())! - before) / requests
}

/** undefined when the machine had too much else to do, every time. */
async function slice(chain: Chain): Promise<void> {
  let taken: Slice | undefined
  for (let tries = 0; tries < TRIES && taken === undefined; tries++) {
    const one = await runSlice(chain, SECONDS, own)
    if (one.foreign <= MOST_FOREIGN * cpus().length) taken = one
  }
  slices.get(chain.name)!.push(taken)
}

async function commits(database: Parameters<typeof pgbench>[0]): Promise<void> {
  transactions.push(await pgbench(database, join(import.meta.dirname, 'commits.sql'), SECONDS))
}

/** Of each round in which both were measured. */
function byRound(of: (round: (name: string) => Slice, n: number) => number, ...names: string[]): Spread | null {
  const values: number[] = []
  for (let n = 0; n < ROUNDS; n++) {
    const round = new Map(names.map((name) => [name, slices.get(name)?.[n]]))
    if ([...round.values()].every((slice) => slice !== undefined)) values.push(of((name) => round.get(name)!, n))
  }
  return spread(values)
}

function report(spans: number): void {
  const rows = [...slices.keys()].map((name) => {
    const one = (of: (slice: Slice) => number) => byRound((round) => of(round(name)), name)
    return [
      name,
      textOf(
        one(({ cpu }) => cpu),
        0,
      ),
      textOf(byRound((round) => round(name).cpu / round('untraced').cpu, name, 'untraced')),
      textOf(
        one(({ perSecond }) => perSecond),
        0,
      ),
      textOf(
        one(({ p50 }) => p50),
        1,
      ),
      textOf(
        one(({ p99 }) => p99),
        1,
      ),
    ]
  })
  const about = new Map(nodeVariants.map(({ name, about }) => [name, about]))
  const machine = `${cpus()[0]!.model}, ${cpus().length} processors, Node ${process.version}`
  console.log(`${machine}, ${CLIENTS} clients, ${ROUNDS} rounds of ${SECONDS} s`)
  console.log(
    `medians with quartiles; CPU of the three services per POST /process, ${spans.toFixed(1)} spans each when traced\n`,
  )
  console.log('| | CPU us | against untraced | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|')
  for (const [name, ...cells] of rows)
    console.log(`| ${name}${about.has(name!) ? `: ${about.get(name!)}` : ''} | ${cells.join(' | ')} |`)
  const tps = spread(transactions)
  if (tps) console.log(`| pgbench: the same three commits | | | ${textOf(tps, 0)} | | |`)
  const ratio = (a: string, b: string) => byRound((round) => round(a).cpu / round(b).cpu, a, b)
  const result: Result = {
    date: new Date().toISOString(),
    machine,
    cpu_traced_over_untraced: ratio('traced', 'untraced'),
    cpu_traced_over_sdk_defaults: ratio('traced', 'sdk defaults'),
    cpu_traced_over_official: ratio('traced', 'official'),
    cpu_disabled_over_untraced: ratio('disabled', 'untraced'),
    requests_over_flask: ratio('flask', 'traced'),
    share_of_pgbench: tps && byRound((round, n) => round('traced').perSecond / transactions[n]!, 'traced'),
    us_per_span: byRound((round) => (round('traced').cpu - round('untraced').cpu) / spans, 'traced', 'untraced'),
    spans_per_request: Number(spans.toFixed(1)),
    dropped_slices: [...slices.values()].flat().filter((one) => one === undefined).length,
  }
  if (earlier) console.log(`\n${comparison(earlier, result)}`)
  console.log(`\n${JSON.stringify(result)}`)
}
