/** The use case of order-service: commit the order with its audit event, deliver the event, tell the caller the whole story. */
import { type OrderProcessAnswer, rowUrl } from '@sightline/contracts'
import { type KitParts, ownChainEntry } from '@sightline/service-kit'
import type { CommitOrder, OrderDraft } from './commit-order.ts'
import type { DeliverEvent } from './deliver-event.ts'
import { toOrderView } from './orders.ts'

/**
 * Rejects as `CommitOrder` does, and only while nothing is committed; afterwards it resolves: `completed` with the audit row,
 * or `accepted` where that will follow. `receiptWait` asks for the leaf of the audit row, and says how many seconds it is waited for.
 */
export type PlaceOrder = (draft: OrderDraft, receiptWait?: number) => Promise<OrderProcessAnswer>

/** The use case on its two steps. */
export function createPlaceOrder(
  deps: Pick<KitParts, 'service'> & { commitOrder: CommitOrder; deliverEvent: DeliverEvent },
): PlaceOrder {
  const { service, commitOrder, deliverEvent } = deps

  return async (draft, receiptWait) => {
    const committed = await commitOrder(draft)
    const delivery = await deliverEvent(committed, receiptWait)
    const order = toOrderView(committed)
    const own = ownChainEntry(service)
    if (delivery.status === 'pending') {
      const receipt = receiptWait === undefined ? {} : { receipt: { state: 'pending' as const, url: rowUrl(order.id) } }
      return { status: 'accepted', order, audit: { status: 'pending', ...receipt }, chain: [own] }
    }
    return { status: 'completed', order, audit: delivery.audit, chain: [own, ...delivery.chain] }
  }
}
