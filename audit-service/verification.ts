/**
 * `GET /audit/verify`, one at a time and on a connection of its own: a verification reads the whole chain, and many at once would
 * take every connection, and the processor, from the rows that are to be recorded.
 */
import type { AuditVerification } from '@sightline/contracts'
import {
  type Component,
  connectionOf,
  createDatabase,
  type KitParts,
  remainingMs,
  tooMany,
} from '@sightline/service-kit'
import type { Config } from './config.ts'
import { type KnownPlace, verifyChain } from './verify.ts'

export interface Verification extends Component {
  /**
   * Verifies from a position on, or what is new since all was found intact, within half of the request's time budget: the answer then says where to go on, which is better
   * than a 504. Who asks for the one that runs gets its answer. Rejects with 429 when another one runs, or one that takes longer
   * than the request may, and with 503 when the database is away.
   */
  verify(from: number | 'new'): Promise<AuditVerification>
}

/** The verification with its connection, which is opened when it is asked for, and its gauges. */
export function createVerification(
  deps: Pick<KitParts<Config>, 'config' | 'service' | 'metrics' | 'logger'>,
): Verification {
  const { config, service, metrics, logger } = deps
  const database = createDatabase({
    connection: connectionOf(config),
    applicationName: `${service.name} verification`,
    poolMax: 1,
    acquireTimeoutMs: config.DB_ACQUIRE_TIMEOUT_MS,
    poolMetrics: false,
    // Counting tens of millions of rows takes longer than any statement of a request may.
    statementTimeoutMs: config.REQUEST_BUDGET_MS,
    metrics,
    logger,
  })
  const verifyOk = metrics.gauge('audit_verify_ok')
  const verifiedAt = metrics.gauge('audit_verify_timestamp_seconds')
  let running: { wanted: number | 'new'; endsAt: number; result: Promise<AuditVerification> } | undefined
  /** Where a check that began at the start of the chain goes on. */
  let goesOnAt: number | null = null
  /** Up to where the chain was found intact from its start on, which nothing has contradicted since. */
  let intactTo: KnownPlace | undefined

  async function verify(wanted: number | 'new'): Promise<AuditVerification> {
    const budgetMs = remainingMs()
    const known = wanted === 'new' ? intactTo : undefined
    const from = wanted === 'new' ? (intactTo?.position ?? 0) + 1 : wanted
    if (running !== undefined) {
      const leftMs = Math.max(0, running.endsAt - performance.now())
      if (running.wanted === wanted && leftMs < budgetMs) return running.result
      throw tooMany(
        'verification-under-way',
        'Verification under way',
        `The chain is being verified from ${running.wanted === 'new' ? 'what is new' : `position ${running.wanted}`} on; one verification runs at a time.`,
        Math.max(1, Math.ceil(leftMs / 1000)),
      )
    }
    const withinMs = budgetMs / 2
    const result = verifyAndCount(from, known, withinMs).finally(() => {
      running = undefined
    })
    running = { wanted, endsAt: performance.now() + withinMs, result }
    return result
  }

  async function verifyAndCount(
    from: number,
    known: KnownPlace | undefined,
    withinMs: number,
  ): Promise<AuditVerification> {
    const result = await verifyChain(database, { withinMs, ...(known ? { known } : { from }) })
    const followsOnIntact = from === 1 || from === goesOnAt || known !== undefined
    if (result.status === 'broken') intactTo = undefined
    else if (followsOnIntact)
      intactTo = { position: (result.next_position ?? result.last_position + 1) - 1, hash: result.last_hash }
    if (result.status !== 'intact') {
      verifyOk.set(0)
      verifiedAt.set(Date.now() / 1000)
      goesOnAt = null
    } else if (from === 1 || from === goesOnAt) {
      goesOnAt = result.next_position
      // A part of the chain says nothing of the rest: what was broken stays so until all of it is intact.
      if (result.complete) {
        verifyOk.set(1)
        verifiedAt.set(Date.now() / 1000)
      }
    }
    return result
  }

  return { verify, stop: () => database.close() }
}
