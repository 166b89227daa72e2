/** Short stretches of load, and what the services needed for them. */
import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { TestDatabase } from '@sightline/db/testing'
import { Pool } from 'undici'
import type { Chain } from './chains.ts'
import { cpuOfMachine, cpuOfTrees } from './cpu.ts'

export const CLIENTS = 32
/** Until the last batch has left: queues wait half a second for company. */
const EXPORTED_AFTER_MS = 800

export interface Slice {
  readonly requests: number
  readonly perSecond: number
  /** CPU of the three services per request, microseconds. */
  readonly cpu: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Share of the machine's processors that others used meanwhile. */
  readonly foreign: number
}

/** As many clients as can be busy, for so long. Rejects when an answer is no 200. */
export async function runSlice(chain: Chain, seconds: number, own: readonly number[]): Promise<Slice> {
  const pool = new Pool(chain.url, { connections: CLIENTS })
  const [machine, mine, services] = [cpuOfMachine(), cpuOfTrees(own), cpuOfTrees(chain.pids)]
  const started = performance.now()
  const until = started + seconds * 1000
  const durations: number[] = []
  await closedLoop(
    CLIENTS,
    () => performance.now() < until,
    async () => {
      const began = performance.now()
      await order(pool, durations.length)
      durations.push(performance.now() - began)
    },
  )
  const took = (performance.now() - started) / 1000
  await pause(EXPORTED_AFTER_MS)
  const cpu = cpuOfTrees(chain.pids) - services
  const wall = performance.now() - started
  const foreign = cpuOfMachine() - machine - (cpuOfTrees(own) - mine)
  await pool.close()
  durations.sort((a, b) => a - b)
  return {
    requests: durations.length,
    perSecond: durations.length / took,
    cpu: (cpu * 1000) / durations.length,
    p50: quantile(durations, 0.5),
    p99: quantile(durations, 0.99),
    foreign: Math.max(0, foreign) / wall,
  }
}

/** What `npm run load` calls orders: one line of a product whose stock isn't tracked. */
export async function order(pool: Pool, n: number, path = '/process', expected = 200): Promise<void> {
  const user = 1001 + (n % 200)
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      user_id: user,
      user_name: `Load User ${user}`,
      user_email: `load-${user}@example.com`,
      action: 'purchase',
    }),
  })
  const text = await body.text()
  if (statusCode !== expected) throw new Error(`status ${statusCode}: ${text}`)
}

export async function warmUp(chain: Chain, requests: number): Promise<void> {
  const pool = new Pool(chain.url, { connections: CLIENTS })
  await closedLoop(
    CLIENTS,
    (sent) => sent < requests,
    (n) => order(pool, n),
  )
  await pool.close()
}

/** So many clients, each of which sends its next when the last is answered, while `goOn` says so; resolves to how many that were. */
export async function closedLoop(
  clients: number,
  goOn: (sent: number) => boolean,
  send: (n: number) => Promise<void>,
): Promise<number> {
  let sent = 0
  const client = async () => {
    while (goOn(sent)) await send(sent++)
  }
  await Promise.all(Array.from({ length: clients }, client))
  return sent
}

/** So many a second by the clock, whether or not those before are answered; resolves to milliseconds from when each was due, in their order. */
export function openLoop(rate: number, seconds: number, send: (n: number) => Promise<void>): Promise<number[]> {
  const started = performance.now()
  return Promise.all(
    Array.from({ length: rate * seconds }, async (_, n) => {
      const due = started + (n * 1000) / rate
      await pause(Math.max(0, due - performance.now()))
      await send(n)
      return performance.now() - due
    }),
  )
}

/** Transactions a second: each is what one POST commits. Rejects when there is no pgbench. */
export async function pgbench(database: TestDatabase, script: string, seconds: number): Promise<number> {
  const { host, port, user, password, database: name } = database.connection()
  const target = ['-h', host, '-p', String(port), '-U', user, name]
  const { stdout } = await promisify(execFile)(
    'pgbench',
    ['-n', '-M', 'prepared', '-c', `${CLIENTS}`, '-j', '2', '-T', String(Math.ceil(seconds)), '-f', script, ...target],
    { env: { PATH: process.env.PATH, PGPASSWORD: password } },
  )
  return Number(/^tps = ([\d.]+)/m.exec(stdout)![1])
}

export function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

export interface Spread {
  readonly median: number
  readonly quartiles: readonly [number, number]
  readonly rounds: number
}

/** null of nothing. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const at = (q: number) => Number(quantile(sorted, q).toPrecision(3))
  return { median: at(0.5), quartiles: [at(0.25), at(0.75)], rounds: values.length }
}

/** The tenth, the median and the ninetieth of 100: `1.09 / 1.12 / 1.30`. */
export function tenths(values: readonly number[], digits = 0): string {
  const sorted = values.toSorted((a, b) => a - b)
  return [0.1, 0.5, 0.9].map((q) => quantile(sorted, q).toFixed(digits)).join(' / ')
}

/** `1.34 (1.29-1.43)`. */
export const textOf = (value: Spread | null, digits = 2): string =>
  value ? `${value.median.toFixed(digits)} (${value.quartiles.map((one) => one.toFixed(digits)).join('-')})` : '-'

/** Of sorted numbers, interpolated. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return low + (high - low) * (at % 1)
}
