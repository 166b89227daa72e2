/** Routes of audit-service: parse, call, status. */
import { auditEndpoints, commonEndpoints, openApiDocument } from '@sightline/contracts'
import { addCommonRoutes, createHttpApp, type KitParts, page } from '@sightline/service-kit'
import type Koa from 'koa'
import { listAuditLog, toAuditView } from './audit-log.ts'
import type { Config } from './config.ts'
import { listDeadLetters, toDeadLetterView } from './dead-letters.ts'
import type { RecordAudit } from './record-audit.ts'
import type { Verification } from './verification.ts'

export interface AppParts extends KitParts<Config> {
  recordAudit: RecordAudit
  verify: Verification['verify']
}

/** The HTTP side of audit-service; errors become answers in the kit. */
export function createApp(parts: AppParts): Koa {
  const { database, recordAudit, verify } = parts
  return createHttpApp(parts, (routes) => {
    routes.add(auditEndpoints.process, async ({ body }) => ({ status: 200, body: await recordAudit(body) }))

    routes.add(auditEndpoints.listAudit, async ({ query }) => {
      const { limit, cursor, ...filter } = query
      const rows = await listAuditLog(database, filter, limit + 1, cursor)
      return { status: 200, body: page(rows, limit, (row) => row.id, toAuditView) }
    })

    routes.add(auditEndpoints.verify, async ({ query }) => ({ status: 200, body: await verify(query.from) }))

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
