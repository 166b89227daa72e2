/** From wanted items to an order that is committed together with its audit event. */
import type { ItemRequest } from '@sightline/contracts'
import {
  checkDeadline,
  conflict,
  currentRequest,
  errorType,
  type Idempotency,
  inSpan,
  type KitParts,
  notFound,
  ProblemError,
  type Queries,
  storedContext,
} from '@sightline/service-kit'
import { newAuditEvent, newEventId } from './audit-event.ts'
import type { Config } from './config.ts'
import { claimKey } from './idempotency-keys.ts'
import { lockStock, takeStock } from './inventory.ts'
import { majorUnits } from './money.ts'
import { findOrder, insertOrder, type OrderLine, type OrderRecord, placedOrder } from './orders.ts'
import { findProducts, type ProductRow } from './products.ts'

/** What an order without items consists of; its stock is not tracked, so simple requests never run out. */
const STANDARD_ITEMS: ItemRequest[] = [{ product_id: 'standard-action', quantity: 1 }]

/** An order as it is asked for. */
export interface OrderDraft {
  /** A stored user, or a customer given by name and e-mail; an order without either is nobody's. */
  userId: number | null
  customer: { name: string; email: string } | null
  action: string
  /** Default: one piece of the standard action. */
  items?: ItemRequest[] | undefined
  /** With a key that was used before, the order of that time is the result. */
  idempotency?: Idempotency | undefined
}

/**
 * Resolves to the committed order, or to the one that was committed with the same Idempotency-Key. When it rejects, nothing
 * is written: 404 for an unknown product or user, 409 for too little stock or a key in use, 422 for a key that was used with
 * another body, 503 when the database is away, 504 when the time is up.
 */
export type CommitOrder = (draft: OrderDraft) => Promise<OrderRecord>

interface PricedOrder {
  lines: OrderLine[]
  totalCents: number
  currency: string
}

/** The transaction on the parts of the service. */
export function createCommitOrder(
  deps: Pick<KitParts<Config>, 'service' | 'config' | 'database' | 'logger' | 'metrics'>,
): CommitOrder {
  const { config, database, logger, metrics, service } = deps
  const rejected = metrics.counter('orders_rejected_total')
  const pieces = metrics.counter('orders_items_total')
  const revenue = metrics.counter('orders_revenue_total')
  const operations = metrics.counter('inventory_operations_total')

  return async (draft) => {
    const asked = draft.items ?? STANDARD_ITEMS
    const attributes = {
      'order.action': draft.action,
      'order.items.count': asked.length,
      'order.product_ids': productIds(asked),
      'order.quantities': asked.map((item) => item.quantity),
    }
    try {
      return await inSpan('create_order', attributes, async (span) => {
        const products = await validateOrder(database, asked)
        const items = asked.map((item) => ({ ...item, product_id: products.get(item.product_id)!.id }))
        span.setAttribute('order.product_ids', productIds(items))
        checkDeadline()
        const wanted = trackedQuantities(items, products)
        const write = (tx: Queries) => writeOrder(tx, draft, items, products, wanted)
        // One statement is a transaction by itself: without stock or a key there is no other.
        const isAlone = wanted.size === 0 && draft.idempotency === undefined
        const isThere = async ({ order }: { order: OrderRecord }) =>
          (await placedOrder(database, order.event_id)) !== undefined
        const { order, replayed } = await (isAlone ? write(database) : database.transaction(write, isThere))
        span.setAttributes({ 'order.id': String(order.id), 'order.total': majorUnits(order.total_cents) })
        span.setAttribute('idempotency.replayed', replayed)
        if (!replayed) {
          span.addEvent('order.committed', { 'order.id': String(order.id) })
          count(order)
        }
        return order
      })
    } catch (error) {
      if (error instanceof ProblemError) rejected.inc({ reason: errorType(error) })
      throw error
    }
  }

  async function writeOrder(
    tx: Queries,
    draft: OrderDraft,
    items: ItemRequest[],
    products: Map<string, ProductRow>,
    wanted: Map<string, number>,
  ) {
    if (draft.idempotency) {
      const earlier = await claimKey(tx, draft.idempotency.key, draft.idempotency.requestHash)
      const order = earlier === undefined ? undefined : await findOrder(tx, earlier)
      if (order !== undefined) return { order, replayed: true }
    }
    await checkInventory(tx, wanted)
    await reserveInventory(tx, wanted)
    const priced = await priceOrder(items, products)
    return { order: await persistOrder(tx, draft, priced), replayed: false }
  }

  /** Locks the stock rows, so that what is compared here still holds when it is taken. */
  function checkInventory(tx: Queries, wanted: Map<string, number>): Promise<void> {
    return inSpan('check_inventory', { 'order.items.count': wanted.size }, async (span) => {
      if (wanted.size === 0) return
      const available = await lockStock(tx, [...wanted.keys()])
      for (const [productId, quantity] of wanted) {
        const have = available.get(productId) ?? 0
        span.addEvent('item.checked', {
          'item.product_id': productId,
          'item.quantity': quantity,
          'inventory.available': have,
        })
        if (have >= quantity) continue
        operations.inc({ operation: 'order', outcome: 'refused' })
        span.setAttributes({ 'item.product_id': productId, 'item.quantity': quantity, 'inventory.available': have })
        const detail = `There are ${have} of ${productId}, and ${quantity} were ordered; nothing was reserved.`
        throw conflict('insufficient-stock', 'Not enough stock', detail)
      }
    })
  }

  function persistOrder(tx: Queries, draft: OrderDraft, priced: PricedOrder): Promise<OrderRecord> {
    return inSpan('persist_order', { 'order.total': majorUnits(priced.totalCents) }, async (span) => {
      const request = currentRequest()
      const record: Omit<OrderRecord, 'id'> = {
        event_id: newEventId(),
        user_id: draft.userId,
        customer_name: draft.customer?.name ?? null,
        customer_email: draft.customer?.email ?? null,
        action: draft.action,
        status: 'completed',
        items: priced.lines,
        total_cents: priced.totalCents,
        currency: priced.currency,
        trace_id: request?.traceId ?? null,
        request_id: request?.requestId ?? null,
        created_at: new Date(),
      }
      const id = await insertOrder(tx, {
        ...record,
        event: newAuditEvent(record, service.name),
        ...storedContext(),
        graceMs: config.OUTBOX_GRACE_MS,
        idempotencyKey: draft.idempotency?.key,
      })
      if (id === undefined) throw notFound('user', draft.userId!)
      span.setAttributes({ 'order.id': String(id), 'audit.event_id': record.event_id })
      return { ...record, id }
    })
  }

  function count(order: OrderRecord): void {
    for (const line of order.items) pieces.inc({ product_id: line.product_id }, line.quantity)
    revenue.inc({ currency: order.currency }, majorUnits(order.total_cents))
    operations.inc({ operation: 'order', outcome: 'done' })
    logger.info('order committed', {
      order_id: order.id,
      total: majorUnits(order.total_cents),
      currency: order.currency,
    })
  }
}

const productIds = (items: ItemRequest[]) => items.map((item) => item.product_id)

/** The products by id, and by what they were asked for as; 404 for one that does not exist. */
function validateOrder(database: Queries, items: ItemRequest[]): Promise<Map<string, ProductRow>> {
  return inSpan('validate_order', { 'order.items.count': items.length }, async () => {
    const references = [...new Set(productIds(items))]
    const products = await findProducts(database, references)
    const unknown = references.find((reference) => !products.has(reference))
    if (unknown !== undefined) throw notFound('product', unknown)
    for (const product of [...products.values()]) products.set(product.id, product)
    return products
  })
}

/** Pieces per product whose stock is counted, in the order in which rows are locked. */
function trackedQuantities(items: ItemRequest[], products: Map<string, ProductRow>): Map<string, number> {
  const wanted = new Map<string, number>()
  for (const { product_id, quantity } of items.toSorted((a, b) => (a.product_id < b.product_id ? -1 : 1))) {
    if (products.get(product_id)!.stock_tracked) wanted.set(product_id, (wanted.get(product_id) ?? 0) + quantity)
  }
  return wanted
}

function reserveInventory(tx: Queries, wanted: Map<string, number>): Promise<void> {
  return inSpan('reserve_inventory', { 'order.items.count': wanted.size }, async (span) => {
    if (wanted.size === 0) return
    await takeStock(tx, wanted)
    for (const [productId, quantity] of wanted) {
      span.addEvent('item.reserved', { 'item.product_id': productId, 'item.quantity': quantity })
    }
  })
}

function priceOrder(items: ItemRequest[], products: Map<string, ProductRow>): Promise<PricedOrder> {
  return inSpan('price_order', { 'order.items.count': items.length }, (span) => {
    const lines = items.map(({ product_id, quantity }) => {
      const { name, unit_price_cents } = products.get(product_id)!
      const attributes = { 'item.product_id': product_id, 'item.quantity': quantity }
      span.addEvent('item.priced', { ...attributes, 'item.unit_price': majorUnits(unit_price_cents) })
      return { product_id, name, quantity, unit_price_cents, line_total_cents: unit_price_cents * quantity }
    })
    const totalCents = lines.reduce((sum, line) => sum + line.line_total_cents, 0)
    const currency = products.get(items[0]!.product_id)!.currency
    span.setAttribute(
      'order.line_totals',
      lines.map((line) => majorUnits(line.line_total_cents)),
    )
    span.setAttributes({ 'order.total': majorUnits(totalCents), 'order.currency': currency })
    return { lines, totalCents, currency }
  })
}
