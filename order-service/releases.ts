/**
 * What feature flags change in this service. Each is a fault that `npm run incident` switches on (docs/incidents): the key is
 * named as a release or a setting would be, and what it does is the real thing: a real statement without its index, a real
 * error, connections that are really taken. Nothing here runs while no flag is enabled.
 */
import {
  type AroundCall,
  type AroundStatement,
  aroundCalls,
  aroundStatements,
  createServiceClient,
  inSpan,
  type KitParts,
  type Queries,
  type ServiceClient,
  sql,
} from '@sightline/service-kit'
import type { Config } from './config.ts'
import type { OrderRecord } from './orders.ts'
import { COLUMNS, NAMED, type ProductRow } from './products.ts'

/** The parts of the service with its flags around them. */
export function withReleases(parts: KitParts<Config>): KitParts<Config> {
  const { flags } = parts
  const findCached = createProductCache()
  const openReport = createReports(parts)
  const pickAudit = createAuditChoice(parts)

  const aroundStatement: AroundStatement = async (statement, values, run) => {
    if (statement.name === 'list_orders') {
      await openReport()
      if (await flags.settings('orders.history-view')) return listOneByOne(values, run)
    }
    if (statement.name === 'find_inventory' && (await flags.settings('orders.stock-forecast'))) {
      const [row] = await run<{ forecast?: { days: number } }>(statement, values)
      // Reads a field that no row has.
      if (row && row.forecast!.days > 0) return [row]
    }
    if (statement.name !== 'find_products') return run(statement, values)
    if (await flags.settings('orders.price-lookup-v2')) return run(FIND_PRICED, values)
    if (await flags.settings('orders.product-cache')) return findCached(values, run)
    const products = await run<ProductRow>(statement, values)
    if (await flags.settings('orders.regional-tax')) for (const product of products) checkTaxClass(product)
    return products
  }

  const aroundCall: AroundCall = async (wanted, call) => {
    const endpoints = await flags.settings('orders.audit-endpoints')
    const chosen = endpoints ? pickAudit(endpoints.urls as string[]) : call
    const retries = await flags.settings('orders.delivery-retries')
    for (let left = Number(retries?.attempts ?? 1); ; left--) {
      try {
        return await chosen(wanted)
      } catch (error) {
        // At once, and whatever it was that failed.
        if (left <= 1) throw error
      }
    }
  }

  return {
    ...parts,
    database: aroundStatements(parts.database, flags, aroundStatement),
    nextService: aroundCalls(parts.nextService, flags, aroundCall),
  }
}

/** `orders.price-lookup-v2`: the price of today from all prices there ever were. No index helps: the comparison is of lower case. */
const FIND_PRICED = sql(
  'find_products_priced',
  `select p.id, p.number, p.name, (coalesce(h.unit_price, p.unit_price) * 100)::bigint as unit_price_cents, p.currency,
     p.stock_tracked
   from products p left join lateral (
     select unit_price from pricing.price_history
     where lower(product_id) = lower(p.id) and valid_from <= now() order by valid_from desc limit 1) h on true
   where ${NAMED}`,
)

/** `orders.regional-tax`: reads a field that no product has. */
function checkTaxClass(product: ProductRow & { tax?: { class: string } }): void {
  if (product.tax!.class === '') throw new Error(`${product.id} has no tax class`)
}

const LIST_IDS = sql(
  'list_order_ids',
  'select o.id from orders o where $1::bigint is null or o.id < $1 order by o.id desc limit $2',
)
const ONE_ORDER = sql(
  'find_history_order',
  `select o.id, o.event_id, o.user_id, o.customer_name, o.customer_email, o.action, o.status,
     (o.total * 100)::bigint as total_cents, o.currency, o.trace_id, o.request_id, o.created_at, '[]'::json as items
   from orders o where o.id = $1`,
)
const ITS_ITEMS = sql(
  'find_history_items',
  `select i.product_id, p.name, i.quantity, (i.unit_price * 100)::bigint as unit_price_cents,
     (i.line_total * 100)::bigint as line_total_cents
   from order_items i join products p on p.id = i.product_id where i.order_id = $1 order by i.line`,
)

/** `orders.history-view`: the same orders, each with two statements of its own. */
async function listOneByOne(values: unknown[] | undefined, run: Queries['query']): Promise<object[]> {
  const ids = await run<{ id: number }>(LIST_IDS, values)
  const orders: OrderRecord[] = []
  for (const { id } of ids) {
    const [order] = await run<OrderRecord>(ONE_ORDER, [id])
    if (order) orders.push({ ...order, items: await run<OrderRecord['items'][number]>(ITS_ITEMS, [id]) })
  }
  return orders
}

const CACHED_IDS = sql('list_cached_products', 'select id from products order by id')
const FILL = sql('fill_product_cache', `select ${COLUMNS} from products p where p.id = $1`)
/** A cache that keeps nothing for long is still not to grow without end. */
const MOST_CACHED = 1_000

/** `orders.product-cache`: its key holds the time of day, so that no two requests have the same. A miss reads all products. */
function createProductCache() {
  const cached = new Map<string, ProductRow[]>()
  return (values: unknown[] | undefined, run: Queries['query']): Promise<object[]> =>
    inSpan('product_cache', {}, async (span) => {
      const [ids, numbers] = values as [string[], number[]]
      const key = `${ids.join(',')}@${performance.now()}`
      const found = cached.get(key)
      span.setAttributes({ 'cache.key': key, 'cache.hit': found !== undefined, 'cache.size': cached.size })
      if (found) return found
      const all: ProductRow[] = []
      for (const { id } of await run<{ id: string }>(CACHED_IDS)) all.push(...(await run<ProductRow>(FILL, [id])))
      const wanted = all.filter(({ id, number }) => ids.includes(id) || numbers.includes(number))
      if (cached.size >= MOST_CACHED) cached.clear()
      cached.set(key, wanted)
      return wanted
    })
}

/** `orders.report-cursor`: a connection for the report, which nobody gives back until the flag is off. */
function createReports({ flags, database }: KitParts<Config>): () => Promise<void> {
  const open: { release(): void }[] = []
  flags.onChange(() => {
    if (!flags.enabled?.has('orders.report-cursor')) for (const client of open.splice(0)) client.release()
  })
  return async () => {
    const { pool } = database
    const hasFree = pool.idleCount > 0 || pool.totalCount < pool.options.max
    if ((await flags.settings('orders.report-cursor')) && hasFree) open.push(await pool.connect())
  }
}

/** `orders.audit-endpoints`: the audit service at several addresses, in turn. */
function createAuditChoice({ config, metrics, logger, nextService }: KitParts<Config>) {
  const clients = new Map<string, ServiceClient>()
  let calls = 0
  return (urls: readonly string[]): ServiceClient['post'] => {
    const url = urls[calls++ % urls.length]!
    const peer = nextService?.peer ?? new URL(url).hostname
    const client =
      clients.get(url) ?? createServiceClient({ url, peer, metrics, logger, timeoutMs: config.HOP_TIMEOUT_MS })
    clients.set(url, client)
    return client.post
  }
}
