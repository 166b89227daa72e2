/**
 * How long a POST takes through Nginx: `node bench/chain/latency.ts [--rounds N] [--seconds N]`. Whole systems as `npm start` has them,
 * one for each variant, alive at once; at 20 requests a second and at 70 % of what the slower one can at most, in turns in random
 * order. Requests are sent by the clock, whether or not those before have been answered, and timed from when they were due.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts, type LocalSystem, startLocal } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { Pool } from 'undici'
import { CLIENTS, closedLoop, openLoop, order, quantile, shuffled, spread, textOf } from './slices.ts'

const usage = `node bench/chain/latency.ts [--rounds N] [--seconds N]

How long a POST takes through Nginx, traced and with OTEL_SDK_DISABLED=true: at 20 requests a second, and at 70 % of the most that both
can do. Medians of the rounds (5 of 10 s), quartiles in brackets.`
const { rounds, seconds } = readFlags(usage, {
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '10' } },
}).values
const [ROUNDS, SECONDS] = [Number(rounds), Number(seconds)]
const WARM_UP = 4_000
const CALM_RATE = 20
const SHARE_OF_MOST = 0.7
const PATH = '/api/v1/process'

const VARIANTS: Readonly<Record<string, Record<string, string>>> = {
  traced: {},
  disabled: { OTEL_SDK_DISABLED: 'true' },
}

interface Running {
  readonly name: string
  readonly system: LocalSystem
  readonly home: string
  readonly pool: Pool
}

const systems: Running[] = []
try {
  for (const [name, env] of shuffled(Object.entries(VARIANTS))) {
    const home = mkdtempSync(join(tmpdir(), 'sightline-bench-'))
    const system = await startLocal({
      home,
      ports: await freePorts(),
      env: { ...process.env, SHED_DELAY_MS: '0', ...env },
    })
    const pool = new Pool(system.urls.gateway, { connections: 4 * CLIENTS })
    systems.push({ name, system, home, pool })
    await closed(pool, (sent) => sent < WARM_UP)
    process.stderr.write(`${name} is up and warm\n`)
  }
  const most: number[] = []
  for (const { name, pool } of systems) {
    const until = performance.now() + SECONDS * 1000
    const rate = (await closed(pool, () => performance.now() < until)) / SECONDS
    process.stderr.write(`${name}: ${rate.toFixed(0)} requests a second at most\n`)
    most.push(rate)
  }
  const busy = Math.round(SHARE_OF_MOST * Math.min(...most))
  const slices = [CALM_RATE, busy].flatMap((rate) =>
    systems.map(({ name, pool }) => ({ name, pool, rate, p50: [] as number[], p99: [] as number[] })),
  )
  for (let round = 0; round < ROUNDS; round++) {
    for (const { pool, rate, p50, p99 } of shuffled(slices)) {
      const durations = await open(pool, rate)
      p50.push(quantile(durations, 0.5))
      p99.push(quantile(durations, 0.99))
      await pause(1_000)
    }
    process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`)
  }
  console.log(
    `${cpus()[0]!.model}, ${cpus().length} processors, Node ${process.version}, ${ROUNDS} rounds of ${SECONDS} s\n`,
  )
  console.log('| requests a second | | p50 ms | p99 ms |\n|---|---|---|---|')
  for (const { name, rate, p50, p99 } of slices)
    console.log(`| ${rate} | ${name} | ${textOf(spread(p50), 1)} | ${textOf(spread(p99), 1)} |`)
  const rows = slices.map(({ name, rate, p50, p99 }) => ({ name, rate, p50_ms: spread(p50), p99_ms: spread(p99) }))
  console.log(
    `\n${JSON.stringify({ most_per_second: Object.fromEntries(systems.map(({ name }, n) => [name, most[n]])), rows })}`,
  )
} finally {
  for (const { system, home, pool } of systems) {
    await pool.close()
    await system.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

function closed(pool: Pool, goOn: (sent: number) => boolean): Promise<number> {
  return closedLoop(CLIENTS, goOn, (n) => order(pool, n, PATH))
}

/** Milliseconds of each, ascending. */
async function open(pool: Pool, rate: number): Promise<number[]> {
  return (await openLoop(rate, SECONDS, (n) => order(pool, n, PATH))).toSorted((a, b) => a - b)
}
