/** Routes of audit-service: parse, call, status. */
import { auditEndpoints, commonEndpoints, openApiDocument, receiptApplied, receiptWait } from '@sightline/contracts'
import { addCommonRoutes, createHttpApp, type KitParts, page } from '@sightline/service-kit'
import type Koa from 'koa'
import { type AuditLogRow, listAuditLog, toAuditView } from './audit-log.ts'
import type { Config } from './config.ts'
import { listDeadLetters, toDeadLetterView } from './dead-letters.ts'
import type { Proofs } from './proofs.ts'
import type { RecordAudit } from './record-audit.ts'
import type { Progress } from './standstill.ts'
import type { Verification } from './verification.ts'

export interface AppParts extends KitParts<Config> {
  recordAudit: RecordAudit
  verify: Verification['verify']
  proofs: Proofs
  sealing: Pick<Progress, 'since'>
}

/** The HTTP side of audit-service; errors become answers in the kit. */
export function createApp(parts: AppParts): Koa {
  const { database, recordAudit, verify, proofs, sealing } = parts
  return createHttpApp(parts, (routes) => {
    routes.add(auditEndpoints.process, async ({ body, headers }) => {
      const wait = receiptWait(headers.prefer)
      const answer = await recordAudit(body, wait)
      return { status: 200, headers: receiptApplied(wait, answer.audit), body: answer }
    })

    routes.add(auditEndpoints.listAudit, async ({ query }) => {
      const { limit, cursor, ...filter } = query
      const rows = await listAuditLog(database, filter, limit + 1, cursor)
      const signed = await proofs.signedSize()
      const toView = (row: AuditLogRow) => toAuditView(row, signed)
      return { status: 200, body: page(rows, limit, (row) => row.id, toView) }
    })

    routes.add(auditEndpoints.verify, async ({ query }) => {
      return { status: 200, body: await verify(query.only ?? query.from) }
    })

    routes.add(auditEndpoints.proof, async ({ params, query }) => {
      return { status: 200, body: await proofs.proof(params.id, query.size) }
    })

    routes.add(auditEndpoints.receipt, async ({ params }) => ({ status: 200, body: await proofs.receipt(params.id) }))

    routes.add(auditEndpoints.consistency, async ({ query }) => {
      return { status: 200, body: await proofs.consistency(query.from, query.to) }
    })

    routes.add(auditEndpoints.checkpoint, async () => {
      const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-cache' }
      return { status: 200, headers, body: await proofs.checkpoint() }
    })

    routes.add(auditEndpoints.tile, async ({ params }) => ({
      status: 200,
      headers: { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'public, max-age=31536000, immutable' },
      body: await proofs.tile(params.level, params.tile),
    }))

    routes.add(auditEndpoints.deadLetters, async ({ query }) => {
      const rows = await listDeadLetters(database, query.limit + 1, query.cursor)
      return { status: 200, body: page(rows, query.limit, (row) => row.order_id, toDeadLetterView) }
    })

    addCommonRoutes(routes, {
      ...parts,
      checks: {
        sealing: () => {
          const since = sealing.since()
          return since ? `rows wait for their seal since ${since.toISOString()}` : undefined
        },
      },
      openApi: openApiDocument(parts.service, auditEndpoints),
      endpoints: commonEndpoints,
    })
  })
}
