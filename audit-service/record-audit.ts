/** The use case of audit-service: write the event down, once, and pass it on where a further service is set. */
import { type AuditEvent, type AuditProcessAnswer, type ChainAnswer, chainAnswer } from '@sightline/contracts'
import { checkDeadline, inSpan, type KitParts, ownChainEntry } from '@sightline/service-kit'
import { type RecordedEvent, recordEvent } from './audit-log.ts'
import type { Receipts } from './receipts.ts'

/**
 * Resolves when the row is durable and the services behind have answered; the same event again gives the same row. Rejects
 * with a ProblemError when the time is up, when the database is away (503) and when a service behind fails (502 to 504).
 * `receiptWait` asks for the row's leaf, and says how many seconds it is waited for: that never fails what is recorded.
 */
export type RecordAudit = (event: AuditEvent, receiptWait?: number) => Promise<AuditProcessAnswer>

/** The use case on the parts of the service. */
export function createRecordAudit(
  deps: Pick<KitParts, 'service' | 'database' | 'nextService' | 'logger' | 'metrics'> & { receipts: Receipts },
): RecordAudit {
  const { database, nextService, logger, receipts, service } = deps
  const events = deps.metrics.counter('audit_events_total')

  return async (event, receiptWait) => {
    checkDeadline()
    const { id, recordedAt } = await record(event)
    const behind = await forward(event)
    const receipt = receiptWait === undefined ? {} : { receipt: await receipts.receiptOf(id, receiptWait) }
    return {
      audit: { id, recorded_at: recordedAt.toISOString(), ...receipt },
      chain: [ownChainEntry(service), ...behind],
    }
  }

  function record(event: AuditEvent): Promise<RecordedEvent> {
    const attributes = {
      'audit.event_id': event.event_id,
      'order.id': String(event.order_id),
      'order.action': event.action,
    }
    return inSpan('record_audit', attributes, async (span) => {
      const recorded = await recordEvent(database, event)
      span.setAttributes({ 'audit.id': String(recorded.id), 'audit.duplicate': recorded.duplicate })
      span.addEvent('audit.recorded', { 'audit.id': String(recorded.id) })
      events.inc({ outcome: recorded.duplicate ? 'duplicate' : 'recorded' })
      logger.info('audit row recorded', {
        audit_id: recorded.id,
        order_id: event.order_id,
        duplicate: recorded.duplicate,
      })
      return recorded
    })
  }

  /** A failure behind this service fails the request: the sender keeps the event and delivers it again, which is harmless. */
  async function forward(event: AuditEvent): Promise<ChainAnswer['chain']> {
    if (nextService === undefined) return []
    const { chain } = await nextService.post({ path: '/process', body: event, idempotent: true, answer: chainAnswer })
    return chain
  }
}
