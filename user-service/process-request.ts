/** The use case of user-service: know the user, hand the order to the next service, tell the caller the whole story. */
import {
  type OrderProcessAnswer,
  type OrderProcessRequest,
  orderProcessAnswer,
  type ProcessAnswer,
  type ProcessRequest,
  preferReceipt,
} from '@sightline/contracts'
import {
  currentRequest,
  type Idempotency,
  inSpan,
  type KitParts,
  ownChainEntry,
  unavailable,
  withBaggage,
} from '@sightline/service-kit'
import { findUser, storeUser, toUserView, type UserRow } from './users.ts'

/**
 * Resolves when order and audit row are durable (`completed`) or the audit row will follow (`accepted`). Rejects with a
 * ProblemError: what order-service refuses (404, 409, 422) as it said it, else 502 to 504. The user stays stored. `receiptWait` asks
 * for the leaf of the audit row, and says how many seconds it is waited for.
 */
export type ProcessRequestUseCase = (
  request: ProcessRequest,
  asked?: { idempotency?: Idempotency | undefined; receiptWait?: number | undefined },
) => Promise<ProcessAnswer>

/** The use case on the parts of the service. */
export function createProcessRequest(
  deps: Pick<KitParts, 'service' | 'database' | 'nextService' | 'logger' | 'metrics'>,
): ProcessRequestUseCase {
  const { service, database, nextService, logger } = deps
  const upserted = deps.metrics.counter('users_upserted_total')

  return (request, asked = {}) =>
    withBaggage({ 'user.id': request.user_id }, async () => {
      const user = await upsertUser(request)
      await recordProfile(user, request.action)
      const ordered = await requestOrder(user, request, asked)
      const { requestId, traceId } = currentRequest()!
      const own = ownChainEntry(service)
      const { duration_ms } = own
      logger.info('request processed', { order_id: ordered.order.id, status: ordered.status, duration_ms })
      return {
        status: ordered.status,
        trace_id: traceId,
        request_id: requestId,
        duration_ms,
        user: toUserView(user),
        order: ordered.order,
        audit: ordered.audit,
        chain: [own, ...ordered.chain],
      }
    })

  /** Unknown users are welcome: the row is made or updated from what the request gives. */
  function upsertUser(request: ProcessRequest): Promise<UserRow> {
    return inSpan('validate_user', { 'user.id': String(request.user_id) }, async (span) => {
      const known = await findUser(database, request.user_id)
      const name = request.user_name ?? known?.name ?? null
      const email = request.user_email ?? known?.email ?? null
      span.setAttribute('user.created', known === undefined)
      upserted.inc({ outcome: known === undefined ? 'created' : 'known' })
      // Most requests bring nothing new: they cost one read and no write.
      if (known !== undefined && known.name === name && known.email === email) return known
      const stored = await storeUser(database, request.user_id, request.user_name ?? null, request.user_email ?? null)
      span.addEvent('user.stored')
      return stored
    })
  }

  /** What is known of the user, in a span of its own: traces are found by it. */
  function recordProfile(user: UserRow, action: string): Promise<void> {
    return inSpan('enrich_profile', { 'order.action': action }, (span) => {
      if (user.name !== null) span.setAttribute('user.name', user.name)
      if (user.email !== null) span.setAttribute('user.email', user.email)
    })
  }

  async function requestOrder(
    user: UserRow,
    request: ProcessRequest,
    { idempotency, receiptWait }: NonNullable<Parameters<ProcessRequestUseCase>[1]>,
  ): Promise<OrderProcessAnswer> {
    if (nextService === undefined) throw unavailable('no-next-hop', 'NEXT_SERVICE_URL is not set', 30)
    return nextService.post({
      path: '/process',
      body: {
        user_id: user.id,
        action: request.action,
        items: request.items,
        idempotency: idempotency && { key: idempotency.key, request_hash: idempotency.requestHash },
      } satisfies OrderProcessRequest,
      headers: preferReceipt(receiptWait),
      // With a key the order service notices a repetition; without one a second try could be a second order.
      idempotent: idempotency !== undefined,
      answer: orderProcessAnswer,
    })
  }
}
