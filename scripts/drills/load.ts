/**
 * The load under which drills run: orders through the gateway, each remembered with every answer it got, so that it can be
 * held against the database afterwards. A share carries an Idempotency-Key and is sent again until it is answered, as a
 * careful client would do; the others are sent once.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'

export interface Attempt {
  requestId: string
  /** HTTP status, or the code of the error that came instead. */
  outcome: number | string
  milliseconds: number
  retryAfter: boolean
  /** What a refusal says of itself. */
  said?: string
  orderId?: number
  /** performance.now() when it was sent. */
  at: number
}

export interface Sent {
  key: string | undefined
  attempts: Attempt[]
}

export interface Load {
  /** Begins the ids of all its requests. */
  prefix: string
  sent: Sent[]
  /** Attempts sent since then. */
  since(at: number): Attempt[]
  /** No new requests; resolves when those under way, and those with a key, have their answer. Safe to call twice. */
  stop(): Promise<void>
}

export interface LoadOptions {
  /** Requests at the same time (default 8). */
  workers?: number
  /** Share of requests with an Idempotency-Key (default 0.35). */
  keyed?: number
}

const products = ['demo-product', 'laptop-001', 'phone-001', 'headphones-001']
const KEY_GIVES_UP_AFTER_MS = 45_000
export const ANSWERED: readonly (number | string)[] = [200, 201, 202]

/** Neither answered nor out of stock. */
export const isRefused = ({ outcome }: Attempt): boolean => !ANSWERED.includes(outcome) && outcome !== 409

/** A refusal that says what it is and when to come back. */
export const isClear = ({ outcome, retryAfter }: Attempt): boolean =>
  [502, 503, 504].includes(outcome as number) && retryAfter

/** `pauseMs` is the longest pause of a worker between two requests. */
export function startLoad(gateway: string, pauseMs: number, options: LoadOptions = {}): Load {
  const { workers = 8, keyed = 0.35 } = options
  const prefix = `drill-${randomUUID().slice(0, 8)}`
  const pool = new Pool(gateway, { connections: workers, headersTimeout: 20_000, bodyTimeout: 20_000 })
  const sent: Sent[] = []
  let stopping = false
  let count = 0

  async function work(): Promise<void> {
    while (!stopping) {
      await delay(between(0, pauseMs))
      await order()
    }
  }

  async function order(): Promise<void> {
    const key = Math.random() < keyed ? randomUUID() : undefined
    const one: Sent = { key, attempts: [] }
    sent.push(one)
    const [path, body] = wanted(++count)
    const number = count
    const giveUp = performance.now() + KEY_GIVES_UP_AFTER_MS
    for (let attempt = 1; ; attempt++) {
      const got = await exchange(path, body, key, `${prefix}-${number}-${attempt}`)
      one.attempts.push(got)
      const answered = ANSWERED.includes(got.outcome)
      if (key === undefined) break
      // Sometimes once more after the answer: it must be told again, not done again.
      if (answered && (attempt > 1 || Math.random() < 0.7)) break
      if (performance.now() > giveUp) break
      await delay(between(20, 200))
    }
  }

  async function exchange(path: string, body: string, key: string | undefined, requestId: string): Promise<Attempt> {
    const at = performance.now()
    const done = (outcome: number | string, more: Partial<Attempt> = {}): Attempt => ({
      requestId,
      outcome,
      milliseconds: performance.now() - at,
      retryAfter: false,
      at,
      ...more,
    })
    try {
      const answer = await pool.request({
        method: 'POST',
        path,
        body,
        headers: {
          'content-type': 'application/json',
          'x-request-id': requestId,
          ...(key ? { 'idempotency-key': key } : {}),
        },
      })
      const text = await answer.body.text()
      const retryAfter = answer.headers['retry-after'] !== undefined
      if (!ANSWERED.includes(answer.statusCode)) return done(answer.statusCode, { retryAfter, said: text })
      return done(answer.statusCode, { orderId: (JSON.parse(text) as { order: { id: number } }).order.id })
    } catch (error) {
      return done((error as { code?: string }).code ?? (error as Error).message)
    }
  }

  let stopped: Promise<void> | undefined
  const running = Promise.all(Array.from({ length: workers }, work))
  return {
    prefix,
    sent,
    since: (at) => sent.flatMap(({ attempts }) => attempts).filter((attempt) => attempt.at >= at),
    stop() {
      stopping = true
      stopped ??= running.then(() => pool.close())
      return stopped
    },
  }
}

/** Orders without stock, orders of tracked products, and orders by name, in turn. */
function wanted(number: number): [path: string, body: string] {
  const user_id = 1001 + (number % 300)
  if (number % 5 === 4) {
    const customer = { customer_name: `Drill Customer ${number}`, customer_email: `drill-${number}@example.com` }
    return ['/api/v1/orders', JSON.stringify({ product_id: oneOf(products), quantity: 1, ...customer })]
  }
  const items = [
    { product_id: oneOf(products), quantity: 1 + (number % 3) },
    { product_id: oneOf(products), quantity: 1 },
  ]
  return ['/api/v1/process', JSON.stringify({ user_id, action: 'drill', ...(number % 2 ? { items } : {}) })]
}

/** A number from `low` to `high`, each as likely. */
export const between = (low: number, high: number) => low + Math.random() * (high - low)
/** An element, each as likely. */
export const oneOf = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!

/** `200: 812, 503: 4`, the most frequent first. */
export function outcomes(attempts: readonly Attempt[]): string {
  const counts = new Map<number | string, number>()
  for (const { outcome } of attempts) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  return sorted.map(([outcome, count]) => `${outcome}: ${count}`).join(', ') || 'none'
}
