/** The use case of order-service: commit the order with its audit event, deliver the event, tell the caller the whole story. */
import type { OrderProcessAnswer } from '@sightline/contracts'
import { type KitParts, ownChainEntry } from '@sightline/service-kit'
import type { CommitOrder, OrderDraft } from './commit-order.ts'
import type { DeliverEvent } from './deliver-event.ts'
import { toOrderView } from './orders.ts'

/**
 * Rejects as `CommitOrder` does, and only while nothing is committed; afterwards it resolves: `completed` with the audit row,
 * or `accepted` where that will follow.
 */
export type PlaceOrder = (draft: OrderDraft) => Promise<OrderProcessAnswer>

/** The use case on its two steps. */
export function createPlaceOrder(
  deps: Pick<KitParts, 'service'> & { commitOrder: CommitOrder; deliverEvent: DeliverEvent },
): PlaceOrder {
  const { service, commitOrder, deliverEvent } = deps

  return async (draft) => {
    const committed = await commitOrder(draft)
    const delivery = await deliverEvent(committed)
    const order = toOrderView(committed)
    const own = ownChainEntry(service)
    if (delivery.status === 'pending') {
      return { status: 'accepted', order, audit: { status: 'pending' }, chain: [own] }
    }
    return { status: 'completed', order, audit: delivery.audit, chain: [own, ...delivery.chain] }
  }
}
