/**
 * audit-service: the last hop.
 *
 *   order-service ──POST /process──▶ routes ──▶ record-audit ──▶ (next hop, where one is set)
 *                                       │             │
 *                                       └──▶ audit-log ◀──┘
 *                                               │
 *                                           PostgreSQL
 *
 * Start: node --import @sightline/service-kit/register audit-service/main.ts
 */
import { METRICS } from '@sightline/contracts'
import { runService } from '@sightline/service-kit'
import { createAuditLog } from './audit-log.ts'
import { environment } from './config.ts'
import { createRecordAudit } from './record-audit.ts'
import { createApp } from './routes.ts'

await runService(environment, METRICS, (parts) => {
  const auditLog = createAuditLog(parts.database)
  const recordAudit = createRecordAudit({ ...parts, auditLog })
  return { app: createApp({ ...parts, auditLog, recordAudit }) }
})
