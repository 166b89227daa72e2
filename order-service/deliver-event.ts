/** Hands the audit event of a committed order to the next service. Whatever happens there, the order stands. */
import { type AuditProcessAnswer, auditProcessAnswer, preferReceipt } from '@sightline/contracts'
import { inSpan, type KitParts, unavailable, withBaggage } from '@sightline/service-kit'
import { auditEventOf } from './audit-event.ts'
import type { Config } from './config.ts'
import type { OrderRecord } from './orders.ts'
import type { Outbox } from './outbox.ts'

/** The audit row is durable, and `chain` names the services behind this one; or the row will follow from the outbox. */
export type Delivery = ({ status: 'recorded' } & AuditProcessAnswer) | { status: 'pending' }

/** Never rejects: what went wrong is logged and counted, and the relay takes over. */
export type DeliverEvent = (order: OrderRecord, receiptWait?: number) => Promise<Delivery>

/** The delivery within the request, in no more than HOP_TIMEOUT_MS. */
export function createDeliverEvent(
  deps: Pick<KitParts<Config>, 'service' | 'nextService' | 'logger' | 'metrics'> & { outbox: Outbox },
): DeliverEvent {
  const { nextService, logger, outbox, service } = deps
  const deliveries = deps.metrics.counter('outbox_deliveries_total')
  const created = deps.metrics.counter('orders_created_total')

  return (order, receiptWait) =>
    withBaggage({ 'order.id': order.id }, async (): Promise<Delivery> => {
      try {
        const answer = await inSpan('deliver_audit_event', { 'audit.event_id': order.event_id }, async (span) => {
          try {
            return await send(order, receiptWait)
          } catch (error) {
            span.setAttributes({ 'fallback.used': true, 'audit.status': 'pending' })
            throw error
          }
        })
        outbox.delivered(order.event_id)
        deliveries.inc({ path: 'request', outcome: 'done' })
        created.inc({ audit_status: 'recorded' })
        return { status: 'recorded', ...answer }
      } catch (error) {
        deliveries.inc({ path: 'request', outcome: 'failed' })
        created.inc({ audit_status: 'pending' })
        logger.warn('audit event waits in the outbox', { order_id: order.id }, error as Error)
        await handOver(order, error as Error)
        return { status: 'pending' }
      }
    })

  async function send(order: OrderRecord, receiptWait?: number): Promise<AuditProcessAnswer> {
    if (nextService === undefined) throw unavailable('no-next-hop', 'NEXT_SERVICE_URL is not set', 30)
    const event = auditEventOf(order, service.name)
    // The event's id makes a second delivery harmless.
    return nextService.post({
      path: '/process',
      body: event,
      headers: preferReceipt(receiptWait),
      idempotent: true,
      answer: auditProcessAnswer,
    })
  }

  async function handOver(order: OrderRecord, reason: Error): Promise<void> {
    try {
      await outbox.failed(order.event_id, reason.message)
    } catch (error) {
      // The relay takes it up by itself when the grace period is over.
      logger.warn('the relay could not be told', error as Error)
    }
  }
}
