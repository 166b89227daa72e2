/**
 * `npm run load`: traffic through the gateway, bounded in time or count.
 *
 *   npm run load                                   20 requests/s for one minute
 *   npm run load -- --rate 50 --minutes 10
 *   npm run load -- --count 10000 --rate max --mix orders=100
 *   npm run load -- --mix orders=60,items=10,reads=20,failures=10
 *
 * Requests start on schedule whatever the answers do (an open loop), so that a slow system shows as slow and not as
 * idle; `--rate max` keeps `--concurrency` requests under way instead. Exits with 1 when an answer was unexpected.
 */

import { apisOf } from '@sightline/local/apis'
import { readFlags } from '@sightline/local/flags'
import { readSettings } from '@sightline/local/settings'
import { explain } from '@sightline/local/terminal'
import { Pool } from 'undici'
import { type Exchange, kinds, makeOperation, parseMix } from './load/operations.ts'
import { Progress } from './load/progress.ts'
import { Tally } from './load/tally.ts'

const usage = `npm run load -- [--rate N|max] [--minutes M | --count N] [--concurrency N] [--mix ${kinds.map((kind) => `${kind}=N`).join(',')}]

Sends orders, reads and failures through the gateway, and says at the end how it went.
  --rate          requests a second, 20 by default; max keeps --concurrency under way
  --minutes       how long, 1 by default; --count N sends so many instead
  --mix           shares of what is sent: orders=60,items=10,reads=20,failures=10 by default`

interface Plan {
  /** Requests per second; Infinity = as fast as `concurrency` allows. */
  rate: number
  /** Requests to send; Infinity = until `milliseconds` are over. */
  count: number
  milliseconds: number
  concurrency: number
  mix: Map<(typeof kinds)[number], number>
  gateway: string
  /** What the gateway wants to see, when it has a key. */
  credentials: Record<string, string>
}

let plan: Plan
try {
  plan = readPlan()
} catch (error) {
  console.error(`${(error as Error).message}\nUsage: ${usage}`)
  process.exit(2)
}

const pool = new Pool(plan.gateway, { connections: plan.concurrency, headersTimeout: 30_000, bodyTimeout: 30_000 })
const interrupted = new AbortController()
// npm and the terminal may both pass on one Ctrl-C: not only the first must be taken.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())

try {
  await (await pool.request({ method: 'GET', path: '/health' })).body.dump()
} catch (error) {
  console.error(
    `Nothing answers at ${plan.gateway} (${(error as Error).message}). Start the system first: npm start\n` +
      'Other ports? Set GATEWAY_PORT or GATEWAY_URL here too.',
  )
  process.exit(1)
}
const tally = new Tally()
const progress = new Progress(plan, tally)
try {
  await send(plan, tally)
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
} finally {
  progress.end()
  await pool.close()
}
console.log(tally.summary())
console.log(whereToLook())
if (tally.unexpected > 0) process.exitCode = 1

async function send({ rate, count, milliseconds, concurrency, mix }: Plan, into: Tally): Promise<void> {
  const next = makeOperation(mix)
  const began = performance.now()
  const underWay = new Set<Promise<void>>()
  for (let sent = 0; sent < count && !interrupted.signal.aborted; sent++) {
    const due = rate === Infinity ? 0 : began + (sent * 1000) / rate
    if (Math.max(due, performance.now()) - began >= milliseconds) break
    if (due > performance.now()) await pause(due - performance.now())
    while (underWay.size >= concurrency) await Promise.race(underWay)
    const one = exchange(next(), into).finally(() => underWay.delete(one))
    underWay.add(one)
  }
  await Promise.all(underWay)
}

/** The same minutes on the pages of the console, which may listen elsewhere when the gateway was named by GATEWAY_URL. */
function whereToLook(): string {
  const { ports } = readSettings()
  const console_ = `http://localhost:${ports.CONSOLE_PORT}`
  const minutes = Math.max(Math.ceil(performance.now() / 60_000), 2)
  const range = `from=now-${minutes}m&to=now`
  const found = new URLSearchParams({ source: 'tempo', query: '{ status = error }' })
  return `
Where to look
  the board of these requests   ${console_}/d/sightline-chain?${range}
  those that failed, as traces  ${console_}/explore?${found}&${range}
  the newest one here           npm run trace`
}

async function exchange(wanted: Exchange, into: Tally): Promise<void> {
  const began = performance.now()
  try {
    const answer = await pool.request({
      method: wanted.method,
      path: wanted.path,
      headers: { ...plan.credentials, ...(wanted.body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: wanted.body ?? null,
    })
    const text = await answer.body.text()
    into.add(wanted, answer.statusCode, performance.now() - began)
    wanted.onAnswer?.(answer.statusCode, text)
  } catch (error) {
    into.add(wanted, (error as NodeJS.ErrnoException).code ?? (error as Error).message, performance.now() - began)
  }
}

/** Resolves early when the run is interrupted. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds)
    interrupted.signal.addEventListener('abort', done, { once: true })
    function done() {
      clearTimeout(timer)
      interrupted.signal.removeEventListener('abort', done)
      resolve()
    }
  })
}

function readPlan(): Plan {
  const { values } = readFlags(usage, {
    options: {
      rate: { type: 'string', default: '20' },
      minutes: { type: 'string' },
      count: { type: 'string' },
      concurrency: { type: 'string' },
      mix: { type: 'string', default: 'orders=60,items=10,reads=20,failures=10' },
    },
  })
  const positive = (name: string, text: string) => {
    const value = Number(text)
    if (!(value > 0 && Number.isFinite(value))) throw new Error(`--${name} ${text} is no positive number.`)
    return value
  }
  const rate = values.rate === 'max' ? Infinity : positive('rate', values.rate)
  const { gateway, credentials } = apisOf(readSettings())
  return {
    rate,
    count: values.count === undefined ? Infinity : Math.ceil(positive('count', values.count)),
    milliseconds:
      values.minutes === undefined
        ? values.count === undefined
          ? 60_000
          : Infinity
        : positive('minutes', values.minutes) * 60_000,
    concurrency: Math.ceil(positive('concurrency', values.concurrency ?? (rate === Infinity ? '32' : '200'))),
    mix: parseMix(values.mix),
    credentials,
    gateway,
  }
}
