/** What the load is made of: each kind is a list of requests with the statuses that count as expected. */
export const kinds = ['orders', 'items', 'reads', 'failures'] as const
export type Kind = (typeof kinds)[number]

export interface Exchange {
  kind: Kind
  method: 'GET' | 'POST'
  path: string
  body?: string
  expected: readonly number[]
  onAnswer?: (status: number, text: string) => void
}

/** `orders=60,reads=40` -> weights. Throws a readable error for an unknown kind or a weight that is no number. */
export function parseMix(text: string): Map<Kind, number> {
  const mix = new Map<Kind, number>()
  for (const part of text.split(',')) {
    const [kind, weight] = part.split('=')
    if (!kinds.includes(kind as Kind)) throw new Error(`--mix knows ${kinds.join(', ')}, not "${kind}".`)
    const value = Number(weight)
    if (weight === undefined || weight === '' || !(value >= 0))
      throw new Error(`--mix ${part} needs a weight, like ${kind}=10.`)
    mix.set(kind as Kind, value)
  }
  if ([...mix.values()].every((weight) => weight === 0)) throw new Error('--mix has no weight above 0.')
  return mix
}

/** Returns a source of requests that follows the mix. Each kind walks through its own list, so none starves. */
export function makeOperation(mix: Map<Kind, number>): () => Exchange {
  const sources: Record<Kind, () => Exchange> = {
    orders: orders(),
    items: items(),
    reads: reads(),
    failures: failures(),
  }
  const total = [...mix.values()].reduce((sum, weight) => sum + weight, 0)
  return () => {
    let point = Math.random() * total
    for (const [kind, weight] of mix) {
      point -= weight
      if (point < 0) return sources[kind]()
    }
    return sources[[...mix.keys()].at(-1)!]()
  }
}

const actions = ['purchase', 'subscribe', 'renew', 'refund']

/** One order line whose stock isn't tracked: never runs out, one audit row each. */
function orders(): () => Exchange {
  let n = 0
  return () => {
    n++
    const user = 1001 + (n % 200)
    const body = {
      user_id: user,
      user_name: `Load User ${user}`,
      user_email: `load-${user}@example.com`,
      action: actions[n % actions.length],
    }
    return post('orders', '/api/v1/process', body, [200, 202])
  }
}

/** Orders of tracked products. Every other request puts back what the one before took, so stock stays level. */
function items(): () => Exchange {
  const products = ['demo-product', 'laptop-001', 'phone-001', 'headphones-001']
  let n = 0
  return () => {
    const product = products[(n >> 1) % products.length]!
    if (n++ % 2 === 0) return post('items', `/api/v1/inventory/${product}/add`, { quantity: 1 }, [200])
    const body = { user_id: 1001 + (n % 200), action: 'purchase', items: [{ product_id: product, quantity: 1 }] }
    return post('items', '/api/v1/process', body, [200, 202])
  }
}

function reads(): () => Exchange {
  const paths = [
    '/api/v1/products',
    '/api/v1/orders?limit=20',
    '/api/v1/products/laptop-001',
    '/api/v1/inventory',
    '/api/v1/inventory/phone-001',
    '/api/v1/users?limit=20',
    '/api/v1/audit?limit=20',
    '/health',
  ]
  let n = 0
  return () => ({ kind: 'reads', method: 'GET', path: paths[n++ % paths.length]!, expected: [200] })
}

/** One of each row of the error table that a client can cause. */
function failures(): () => Exchange {
  const line = (product_id: string, quantity: number) => ({
    user_id: 1001,
    action: 'purchase',
    items: [{ product_id, quantity }],
  })
  const list: (() => Exchange)[] = [
    () => post('failures', '/api/v1/process', line('no-such-product', 1), [404]),
    () => post('failures', '/api/v1/process', line('laptop-001', 1_000_000), [409]),
    () => post('failures', '/api/v1/process', { user_id: 0, action: 'not allowed!' }, [422]),
    () => ({ kind: 'failures', method: 'GET', path: '/api/v1/users/999999999', expected: [404] }),
    () => ({ kind: 'failures', method: 'POST', path: '/api/v1/process', body: '{"user_id":', expected: [400] }),
  ]
  let n = 0
  return () => list[n++ % list.length]!()
}

const post = (kind: Kind, path: string, body: unknown, expected: readonly number[]): Exchange => ({
  kind,
  method: 'POST',
  path,
  body: JSON.stringify(body),
  expected,
})
