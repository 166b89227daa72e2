/** `Prefer: receipt`: the leaf of a row in the answer that has recorded it. It is there when seal and tree have come by, so the answer waits for them. */
import { setTimeout as delay } from 'node:timers/promises'
import { type LeafReceipt, receiptUrl } from '@sightline/contracts'
import { inSpan, type KitParts, outsideRequests, remainingMs } from '@sightline/service-kit'
import { type Leaf, sealedLeaves } from './tree.ts'
import type { TreeCheckpoints } from './tree-checkpoint.ts'

/** Part of the caller's budget that is kept back for the answer. */
const MARGIN_MS = 250
/** So many answers wait at a time: each holds a connection of every hop, which those that ask for no receipt need too. */
const MOST_WAITING = 64

export interface Receipts {
  /** Resolves when the row is in the tree, and after so many seconds at the latest, or when the time of the request is nearly up. Never rejects. */
  receiptOf(auditId: number, seconds: number): Promise<LeafReceipt>
  /** Called whenever the tree may have grown, wherever that was: looks after the rows that are waited for, with one statement for all of them. */
  treeSeen(): void
}

interface Awaited {
  auditId: number
  receipt: LeafReceipt
  found: PromiseWithResolvers<void>
}

/** Receipts of the rows of a database. */
export function createReceipts(
  { database, logger }: Pick<KitParts, 'database' | 'logger'>,
  { signs }: Pick<TreeCheckpoints, 'signs'>,
): Receipts {
  const waiting = new Set<Awaited>()

  async function look(rows: readonly Awaited[]): Promise<void> {
    try {
      const leaves = await sealedLeaves(
        database,
        rows.map(({ auditId }) => auditId),
      )
      const byId = new Map(leaves.map((leaf) => [leaf.auditId, leaf]))
      for (const row of rows) {
        row.receipt = receiptWith(row.auditId, byId.get(row.auditId))
        if (row.receipt.state === 'in_tree') row.found.resolve()
      }
    } catch (error) {
      // The row is recorded, whatever is to be said of its leaf.
      logger.warn('leaves of the tree could not be read for now', error as Error)
    }
  }

  function receiptWith(auditId: number, leaf: Leaf | undefined): LeafReceipt {
    const url = receiptUrl(auditId, signs)
    if (leaf === undefined) return { state: 'waiting', url }
    if (leaf.hash === undefined) return { state: 'sealed', url }
    return { state: 'in_tree', leaf_index: leaf.position - 1, leaf_hash: leaf.hash.toString('base64'), url }
  }

  return {
    receiptOf: (auditId, seconds) =>
      inSpan('await_leaf', { 'audit.id': String(auditId) }, async (span) => {
        const row = { auditId, receipt: receiptWith(auditId, undefined), found: Promise.withResolvers<void>() }
        const left = Math.max(remainingMs() - MARGIN_MS, 0)
        const waitMs = waiting.size < MOST_WAITING ? Math.min(seconds * 1000, left) : 0
        const given = new AbortController()
        if (waitMs > 0) waiting.add(row)
        // An event that has come before may have its row in the tree already.
        const looked = look([row])
        await Promise.race([
          waitMs > 0 ? row.found.promise : looked,
          delay(waitMs || left, undefined, { signal: given.signal }).catch(() => {}),
        ])
        given.abort()
        waiting.delete(row)
        span.setAttribute('audit.proof', row.receipt.state)
        return row.receipt
      }),
    treeSeen() {
      if (waiting.size > 0) void outsideRequests(() => look([...waiting]))
    },
  }
}
