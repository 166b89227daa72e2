/** The audit event of an order. */
import { randomUUID } from 'node:crypto'
import type { AuditEvent } from '@sightline/contracts'
import { majorUnits } from './money.ts'
import type { NewOrder, OrderRecord } from './orders.ts'

/**
 * A UUID of version 7: it begins with the time, so that the newest event stands at the end of each index. A random one would have each of
 * them written somewhere else, a page for every row when tables are large.
 */
export function newEventId(now = Date.now()): string {
  const time = now.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** The event of an order that is about to be stored: the insert adds the id. `source` is the name of this service. */
export function newAuditEvent(order: Omit<OrderRecord, 'id'>, source: string): NewOrder['event'] {
  return {
    event_id: order.event_id,
    event_type: 'order.completed',
    occurred_at: order.created_at.toISOString(),
    source,
    user_id: order.user_id,
    action: order.action,
    trace_id: order.trace_id,
    request_id: order.request_id,
    details: {
      items: order.items.map((line) => ({
        product_id: line.product_id,
        quantity: line.quantity,
        unit_price: majorUnits(line.unit_price_cents),
        line_total: majorUnits(line.line_total_cents),
      })),
      total: majorUnits(order.total_cents),
      currency: order.currency,
    },
  }
}

/** The event of a stored order: the same one, however often it is made. */
export function auditEventOf(order: OrderRecord, source: string): AuditEvent {
  return { ...newAuditEvent(order, source), order_id: order.id }
}
