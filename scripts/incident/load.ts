/** The load of an incident: the same seed sends the same requests, with the same ids, in the same order. */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '@sightline/service-kit/seeded-random'
import type { Place } from './place.ts'

/** One request to the gateway. */
interface Shot {
  method: 'GET' | 'POST'
  path: string
  body?: object
  /** Which program sends it; default: the shop's frontend. */
  agent?: string
}

/** What a load can be made of; a mix gives each a weight. */
const kinds = {
  orders: () => orders,
  baskets,
  reads: () => reads,
  history: () => history,
  headphones: () => headphones,
  reservations: () => reservations,
  neighbour: () => neighbour,
  stock: () => stock,
}
type Kind = keyof typeof kinds
/** Weights of the kinds of request that a load is made of. */
export type Mix = Partial<Record<Kind, number>>

const PRODUCTS = ['demo-product', 'headphones-001', 'laptop-001', 'phone-001']
const READS = ['/api/v1/products', '/api/v1/orders?limit=20', '/api/v1/inventory', '/api/v1/users?limit=20']
/** An answer that is not there by then counts as none. */
const PATIENCE_MS = 20_000
/** So long nothing may answer until the system counts as ended, milliseconds. */
const GONE_MS = 10_000

/** Sends until the signal, in an open loop. Resolves early when the system is gone. */
export async function sendLoad(
  place: Place,
  { seed, load }: { seed: string; load: { mix: Mix } },
  perSecond: number,
  signal: AbortSignal,
): Promise<void> {
  const next = shots(load.mix, randomOf(seed))
  const began = performance.now()
  const underWay = new Set<Promise<void>>()
  let answeredAt = performance.now()
  for (let n = 0; !signal.aborted && performance.now() - answeredAt < GONE_MS; n++) {
    await delay(Math.max(0, began + (n * 1000) / perSecond - performance.now()), undefined, { signal }).catch(() => {})
    if (signal.aborted) break
    const one = send(place, next(n), `${seed}-${n}`)
      .then((answered) => {
        if (answered) answeredAt = performance.now()
      })
      .finally(() => underWay.delete(one))
    underWay.add(one)
  }
  await Promise.all(underWay)
}

/** Whether anything answered. What it answered is what the player is to find out. */
async function send(
  place: Place,
  { method, path, body, agent = 'shop-frontend' }: Shot,
  requestId: string,
): Promise<boolean> {
  try {
    const response = await fetch(place.gateway + path, {
      method,
      headers: {
        ...place.credentials,
        'x-request-id': requestId,
        'user-agent': agent,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    await response.arrayBuffer()
    return true
  } catch (error) {
    // Slow is not gone.
    return (error as Error).name === 'TimeoutError'
  }
}

/** Each kind in proportion to its weight; which one comes next is drawn. */
function shots(mix: Mix, random: () => number): (n: number) => Shot {
  const weights = Object.entries(mix) as [Kind, number][]
  const sources = new Map(weights.map(([kind]) => [kind, kinds[kind](random)]))
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0)
  return (n) => {
    let point = random() * total
    for (const [kind, weight] of weights) {
      point -= weight
      if (point < 0) return sources.get(kind)!(n)
    }
    return sources.get(weights.at(-1)![0])!(n)
  }
}

/** One standard action: its stock isn't counted. */
function orders(n: number): Shot {
  const user = 2001 + (n % 40)
  const body = {
    user_id: user,
    user_name: `Shopper ${user}`,
    user_email: `shopper-${user}@example.com`,
    action: 'purchase',
  }
  return { method: 'POST', path: '/api/v1/process', body }
}

/** Several products in one order; before each basket, one piece of each of its products is put into stock. */
function baskets(random: () => number): (n: number) => Shot {
  const waiting: Shot[] = []
  return (n) => {
    const shot = waiting.shift()
    if (shot) return shot
    const products = PRODUCTS.filter(() => random() < 0.6)
    if (products.length === 0) products.push(PRODUCTS[n % PRODUCTS.length]!)
    const items = products.map((product_id) => ({ product_id, quantity: 1 }))
    const added = products.map(
      (id): Shot => ({ method: 'POST', path: `/api/v1/inventory/${id}/add`, body: { quantity: 1 } }),
    )
    waiting.push(...added.slice(1), {
      method: 'POST',
      path: '/api/v1/process',
      body: { user_id: 2001 + (n % 40), action: 'purchase', items },
    })
    return added[0]!
  }
}

const reads = (n: number): Shot => ({ method: 'GET', path: READS[n % READS.length]! })

const history = (): Shot => ({ method: 'GET', path: '/api/v1/orders?limit=50' })

/** One piece whose stock is counted, and that nobody puts back. */
const headphones = (n: number): Shot => ({
  method: 'POST',
  path: '/api/v1/process',
  body: { user_id: 2001 + (n % 40), action: 'purchase', items: [{ product_id: 'headphones-001', quantity: 1 }] },
})

const reservations = (): Shot => ({
  method: 'POST',
  path: '/api/v1/inventory/headphones-001/reserve',
  body: { quantity: 8 },
  agent: 'partner-portal',
})

/** One and the same user, over and over. */
const neighbour = (): Shot => ({
  method: 'POST',
  path: '/api/v1/process',
  body: { user_id: 2007, action: 'purchase' },
})

const stock = (n: number): Shot => ({ method: 'GET', path: `/api/v1/inventory/${PRODUCTS[n % PRODUCTS.length]}` })

/** Always the same for the same text. */
const randomOf = (text: string): (() => number) =>
  seededRandom(createHash('sha256').update(text).digest().readUInt32LE(0))
