/** Routes of order-service: parse, call, status. */
import { commonEndpoints, openApiDocument, orderEndpoints, receiptApplied, receiptWait } from '@sightline/contracts'
import {
  type AnswerStore,
  addCommonRoutes,
  conflict,
  createHttpApp,
  invalid,
  type KitParts,
  notFound,
  page,
  type Routes,
} from '@sightline/service-kit'
import type Koa from 'koa'
import { checkStock } from './check-stock.ts'
import type { Config } from './config.ts'
import { changeStock, findStock, listStock, type StockOperation, toStockView } from './inventory.ts'
import { findOrder, listOrders, toOrderView } from './orders.ts'
import type { PlaceOrder } from './place-order.ts'
import { findStockedProducts, listProducts, productIdOf, toProductView } from './products.ts'

export interface AppParts extends KitParts<Config> {
  answers: AnswerStore
  placeOrder: PlaceOrder
}

/** The HTTP side of order-service; errors become answers in the kit. */
export function createApp(parts: AppParts): Koa {
  return createHttpApp(parts, (routes) => {
    addOrderRoutes(routes, parts)
    addProductRoutes(routes, parts)
    addInventoryRoutes(routes, parts)
    addCommonRoutes(routes, {
      ...parts,
      openApi: openApiDocument(parts.service, orderEndpoints),
      endpoints: commonEndpoints,
    })
  })
}

function addOrderRoutes(routes: Routes, { answers, database, placeOrder }: AppParts): void {
  routes.add(orderEndpoints.process, async ({ body, headers }) => {
    const { user_id, action, items, idempotency } = body
    const draft = {
      userId: user_id,
      customer: null,
      action,
      items,
      idempotency: idempotency && { key: idempotency.key, requestHash: idempotency.request_hash },
    }
    const wait = receiptWait(headers.prefer)
    const answer = await placeOrder(draft, wait)
    return {
      status: answer.status === 'completed' ? 200 : 202,
      headers: receiptApplied(wait, answer.audit),
      body: answer,
    }
  })

  routes.add(orderEndpoints.placeOrder, ({ body, headers }) =>
    answers.once(headers, body, async (idempotency) => {
      const { status, order, audit } = await placeOrder({
        userId: body.user_id ?? null,
        customer: body.customer_name === undefined ? null : { name: body.customer_name, email: body.customer_email! },
        action: 'order',
        items: [{ product_id: body.product_id, quantity: body.quantity }],
        idempotency,
      })
      return { status: status === 'completed' ? 201 : 202, body: { order, audit } }
    }),
  )

  routes.add(orderEndpoints.listOrders, async ({ query }) => {
    const rows = await listOrders(database, query.limit + 1, query.cursor)
    return { status: 200, body: page(rows, query.limit, (row) => row.id, toOrderView) }
  })

  routes.add(orderEndpoints.getOrder, async ({ params }) => {
    const order = await findOrder(database, params.id)
    if (order === undefined) throw notFound('order', params.id)
    return { status: 200, body: toOrderView(order) }
  })
}

function addProductRoutes(routes: Routes, { database }: AppParts): void {
  routes.add(orderEndpoints.listProducts, async ({ query }) => {
    const rows = await listProducts(database, query.limit + 1, query.cursor)
    return { status: 200, body: page(rows, query.limit, (row) => row.id, toProductView) }
  })

  routes.add(orderEndpoints.getProduct, async ({ params }) => {
    const product = (await findStockedProducts(database, [params.id])).get(params.id)
    if (product === undefined) throw notFound('product', params.id)
    return { status: 200, body: toProductView(product) }
  })
}

function addInventoryRoutes(routes: Routes, { database, logger, metrics }: AppParts): void {
  const operations = metrics.counter('inventory_operations_total')
  metrics.gauges(
    () => listStock(database, 1_000),
    {
      inventory_available: (gauge, rows) => {
        for (const row of rows) gauge.set({ product_id: row.product_id }, row.on_hand - row.reserved)
      },
      inventory_reserved: (gauge, rows) => {
        for (const row of rows) gauge.set({ product_id: row.product_id }, row.reserved)
      },
    },
    (error) => logger.debug('inventory gauges keep their last values', error),
  )

  routes.add(orderEndpoints.listInventory, async ({ query }) => {
    const rows = await listStock(database, query.limit + 1, query.cursor)
    return { status: 200, body: page(rows, query.limit, (row) => row.product_id, toStockView) }
  })

  routes.add(orderEndpoints.getInventory, async ({ params }) => {
    const row = await findStock(database, await productIdOf(database, params.product_id))
    if (row === undefined) throw notFound('product', params.product_id)
    return { status: 200, body: toStockView(row) }
  })

  routes.add(orderEndpoints.checkInventory, async ({ body }) => ({
    status: 200,
    body: await checkStock(database, body),
  }))

  for (const operation of ['reserve', 'release', 'add'] as const) {
    routes.add(orderEndpoints[operation], async ({ params, body, headers }) => {
      // Silently ignored, it would let a careful client change the stock twice.
      if (headers['idempotency-key'] !== undefined)
        throw invalid([
          { parameter: 'Idempotency-Key', detail: 'is not taken here: read the stock before a repetition' },
        ])
      const productId = await productIdOf(database, params.product_id)
      const row = await changeStock(database, operation, productId, body.quantity)
      operations.inc({ operation, outcome: row === undefined ? 'refused' : 'done' })
      if (row === undefined) throw await refusal(operation, productId, body.quantity)
      return { status: 200, body: toStockView(row) }
    })
  }

  async function refusal(operation: StockOperation, productId: string, quantity: number) {
    const row = await findStock(database, productId)
    if (row === undefined) return notFound('product', productId)
    const now = `${productId}: ${row.on_hand} on hand, ${row.reserved} reserved`
    if (operation === 'reserve')
      return conflict('insufficient-stock', 'Not enough stock', `${now}; ${quantity} wanted.`)
    if (operation === 'release') return conflict('not-reserved', 'Not reserved', `${now}; ${quantity} to release.`)
    return conflict('too-much-stock', 'Too much stock', `${now}; ${quantity} more can't be counted.`)
  }
}
