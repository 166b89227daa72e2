/** Routes of audit-service: parse, call, status. */
import { auditEndpoints, commonEndpoints, openApiDocument } from '@sightline/contracts'
import { addCommonRoutes, createHttpApp, type KitParts, page, remainingMs } from '@sightline/service-kit'
import type Koa from 'koa'
import { listAuditLog, toAuditView } from './audit-log.ts'
import type { Config } from './config.ts'
import { listDeadLetters, toDeadLetterView } from './dead-letters.ts'
import type { RecordAudit } from './record-audit.ts'
import { verifyChain } from './verify.ts'

export interface AppParts extends KitParts<Config> {
  recordAudit: RecordAudit
}

/** The HTTP side of audit-service; errors become answers in the kit. */
export function createApp(parts: AppParts): Koa {
  const { database, metrics, recordAudit } = parts
  const verifyOk = metrics.gauge('audit_verify_ok')
  const verifiedAt = metrics.gauge('audit_verify_timestamp_seconds')
  /** Where a check that began at the start of the chain goes on. */
  let goesOnAt: number | null = null
  return createHttpApp(parts, (routes) => {
    routes.add(auditEndpoints.process, async ({ body }) => ({ status: 200, body: await recordAudit(body) }))

    routes.add(auditEndpoints.listAudit, async ({ query }) => {
      const { limit, cursor, ...filter } = query
      const rows = await listAuditLog(database, filter, limit + 1, cursor)
      return { status: 200, body: page(rows, limit, (row) => row.id, toAuditView) }
    })

    routes.add(auditEndpoints.verify, async ({ query }) => {
      // Half of the budget: the answer says where to go on, which is better than a 504.
      const result = await verifyChain(database, { from: query.from, withinMs: remainingMs() / 2 })
      if (result.status !== 'intact') {
        verifyOk.set(0)
        verifiedAt.set(Date.now() / 1000)
        goesOnAt = null
      } else if (query.from === 1 || query.from === goesOnAt) {
        goesOnAt = result.next_position
        // A part of the chain says nothing of the rest: what was broken stays so until all of it is intact.
        if (result.complete) {
          verifyOk.set(1)
          verifiedAt.set(Date.now() / 1000)
        }
      }
      return { status: 200, body: result }
    })

    routes.add(auditEndpoints.deadLetters, async ({ query }) => {
      const rows = await listDeadLetters(database, query.limit + 1, query.cursor)
      return { status: 200, body: page(rows, query.limit, (row) => row.order_id, toDeadLetterView) }
    })

    addCommonRoutes(routes, {
      ...parts,
      openApi: openApiDocument(parts.service, auditEndpoints),
      endpoints: commonEndpoints,
    })
  })
}
