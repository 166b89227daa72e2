/** SQL of orders and their items. */
import type { AuditEvent, Order } from '@sightline/contracts'
import { LAST_ID, type Queries, repeatable, SQLSTATE } from '@sightline/service-kit'
import { majorUnits } from './money.ts'

/** An order as the code handles it: money in cents. */
export interface OrderRecord {
  id: number
  event_id: string
  user_id: number | null
  customer_name: string | null
  customer_email: string | null
  action: string
  status: string
  items: OrderLine[]
  total_cents: number
  currency: string
  trace_id: string | null
  request_id: string | null
  created_at: Date
}

/** Money in cents; `unit_price_cents` is the price at the time of the order. */
export interface OrderLine {
  product_id: string
  name: string
  quantity: number
  unit_price_cents: number
  line_total_cents: number
}

/** All that is written with an order. */
export interface NewOrder extends Omit<OrderRecord, 'id'> {
  /** What the outbox keeps for the audit service; the insert adds the order's id. */
  event: Omit<AuditEvent, 'order_id'>
  traceparent?: string
  tracestate?: string
  /** How long the relay leaves the event to this request, milliseconds. */
  graceMs: number
  idempotencyKey: string | undefined
}

/**
 * Order, items, audit event and idempotency key in one statement: one round trip, all or nothing. Nothing for an unknown user. A second
 * time it breaks a constraint, and `insertOrder` finds the order of the first.
 */
const INSERT = repeatable(
  'insert_order',
  `with placed as (
     insert into orders (event_id, user_id, customer_name, customer_email, action, status, total, currency, trace_id,
                         request_id, created_at)
     select $1::uuid, $2::integer, $3, $4, $5, $6, $7::numeric / 100, $8, $9, $10, $11::timestamptz
     where $2::integer is null or exists (select from users where users.id = $2)
     returning id
   ), items as (
     insert into order_items (order_id, line, product_id, quantity, unit_price, line_total)
     select placed.id, line, product_id, quantity, price::numeric / 100, total::numeric / 100
     from placed, unnest($12::text[], $13::integer[], $14::bigint[], $15::bigint[]) with ordinality
       as item (product_id, quantity, price, total, line)
   ), event as (
     insert into outbox (event_id, order_id, payload, traceparent, tracestate, request_id, next_attempt_at)
     select $1, placed.id, $16::jsonb || jsonb_build_object('order_id', placed.id), $17, $18, $10,
            now() + $19::double precision * interval '1 millisecond'
     from placed
   ), keyed as (
     update idempotency_keys set order_id = placed.id from placed where key = $20
   )
   select id from placed`,
)

const VIEW = `select o.id, o.event_id, o.user_id, o.customer_name, o.customer_email, o.action, o.status,
    (o.total * 100)::bigint as total_cents, o.currency, o.trace_id, o.request_id, o.created_at,
    (select json_agg(json_build_object('product_id', i.product_id, 'name', p.name, 'quantity', i.quantity,
       'unit_price_cents', (i.unit_price * 100)::bigint, 'line_total_cents', (i.line_total * 100)::bigint) order by i.line)
     from order_items i join products p on p.id = i.product_id where i.order_id = o.id) as items
  from orders o`
const FIND = repeatable('find_order', `${VIEW} where o.id = $1`)
/** No "or": a plan that serves first and later pages alike would read from the newest row to the page. */
const LIST = repeatable('list_orders', `${VIEW} where o.id < coalesce($1, ${LAST_ID}) order by o.id desc limit $2`)

/** By the event's id, which is unique: whether an order was placed whose answer was lost. */
const PLACED = repeatable('find_placed_order', 'select id from orders where event_id = $1')

/** Writes the order with its audit event; resolves to its id, or to undefined when there is no such user. */
export async function insertOrder(tx: Queries, order: NewOrder): Promise<number | undefined> {
  try {
    const [row] = await tx.query<{ id: number }>(INSERT, valuesOf(order))
    return row?.id
  } catch (error) {
    const { code, constraint } = error as { code?: string; constraint?: string }
    if (code !== SQLSTATE.unique_violation || constraint !== 'orders_event_id_key') throw error
    return placedOrder(tx, order.event_id)
  }
}

/** The id of the order with this event; undefined when there is none. */
export async function placedOrder(database: Queries, eventId: string): Promise<number | undefined> {
  const [row] = await database.query<{ id: number }>(PLACED, [eventId])
  return row?.id
}

function valuesOf(order: NewOrder): unknown[] {
  const { items } = order
  return [
    order.event_id,
    order.user_id,
    order.customer_name,
    order.customer_email,
    order.action,
    order.status,
    order.total_cents,
    order.currency,
    order.trace_id,
    order.request_id,
    order.created_at,
    items.map((item) => item.product_id),
    items.map((item) => item.quantity),
    items.map((item) => item.unit_price_cents),
    items.map((item) => item.line_total_cents),
    JSON.stringify(order.event),
    order.traceparent ?? null,
    order.tracestate ?? null,
    order.graceMs,
    order.idempotencyKey ?? null,
  ]
}

/** undefined when there is no such order. */
export async function findOrder(database: Queries, id: number): Promise<OrderRecord | undefined> {
  const [row] = await database.query<OrderRecord>(FIND, [id])
  return row
}

/** Orders with an id below `before`, newest first. */
export function listOrders(database: Queries, limit: number, before?: number): Promise<OrderRecord[]> {
  return database.query<OrderRecord>(LIST, [before ?? null, limit])
}

/** The order as the API shows it: money in major units, without what is internal. */
export function toOrderView(record: OrderRecord): Order {
  const { total_cents, items, event_id: _internal, created_at, ...rest } = record
  return {
    ...rest,
    items: items.map(({ unit_price_cents, line_total_cents, ...item }) => ({
      ...item,
      unit_price: majorUnits(unit_price_cents),
      line_total: majorUnits(line_total_cents),
    })),
    total: majorUnits(total_cents),
    created_at: created_at.toISOString(),
  }
}
