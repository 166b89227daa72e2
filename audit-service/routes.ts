/** Routes of audit-service: parse, call, status. */
import { auditEndpoints, commonEndpoints, openApiDocument } from '@sightline/contracts'
import { addCommonRoutes, createHttpApp, cursorKey, type KitParts, page } from '@sightline/service-kit'
import type Koa from 'koa'
import type { AuditLog } from './audit-log.ts'
import type { RecordAudit } from './record-audit.ts'

export interface AppParts extends KitParts {
  auditLog: AuditLog
  recordAudit: RecordAudit
}

export function createApp(parts: AppParts): Koa {
  const { auditLog, recordAudit } = parts
  return createHttpApp(parts, (routes) => {
    routes.add(auditEndpoints.process, async ({ body }) => ({ status: 200, body: await recordAudit(body) }))

    routes.add(auditEndpoints.listAudit, async ({ query }) => {
      const { limit, cursor, ...filter } = query
      const rows = await auditLog.list(filter, limit + 1, cursorKey(cursor, 'number'))
      return {
        status: 200,
        body: page(
          rows,
          limit,
          (row) => row.id,
          (row) => row,
        ),
      }
    })

    addCommonRoutes(routes, {
      ...parts,
      openApi: openApiDocument(parts.service, auditEndpoints),
      endpoints: commonEndpoints,
    })
  })
}
