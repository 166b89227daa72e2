/**
 * audit-service: the last service of the chain.
 *
 *   order-service ──POST /process──▶ routes ──▶ record-audit ──▶ (next service, where one is set)
 *                                       │             ├──▶ receipts ◀── tree-builder
 *                                       ├──▶ audit-log ◀──┘      sealer, tree-builder ──▶ checkpoint files ◀──▶ witnesses
 *                                       ├──▶ verification          │
 *                                       ├──▶ proofs                │  audit-records ──▶ OpenTelemetry
 *                                       └──▶ PostgreSQL ◀──────────┘
 *
 * Start: node --import @sightline/service-kit/register audit-service/main.ts
 */
import { METRICS } from '@sightline/contracts'
import { type KitParts, runService, type ServiceParts } from '@sightline/service-kit'
import { createAuditRecords } from './audit-records.ts'
import { createCheckpointWriter } from './checkpoint.ts'
import { type Config, environment } from './config.ts'
import { createProofs } from './proofs.ts'
import { createReceipts } from './receipts.ts'
import { createRecordAudit } from './record-audit.ts'
import { withCompactAnswer, withReleases } from './releases.ts'
import { createApp } from './routes.ts'
import { createSealer } from './sealer.ts'
import { withProgress } from './standstill.ts'
import { createTreeBuilder } from './tree-builder.ts'
import { createTreeCheckpoints } from './tree-checkpoint.ts'
import { createVerification } from './verification.ts'

/** Puts the service together from what the kit made; tests do the same with parts of their own. */
export function compose(kitParts: KitParts<Config>): ServiceParts {
  const parts = withReleases(kitParts)
  const verification = createVerification(parts)
  const checkpoints = createCheckpointWriter(parts)
  const treeCheckpoints = createTreeCheckpoints(parts)
  const receipts = createReceipts(parts, treeCheckpoints)
  const recordAudit = withCompactAnswer(createRecordAudit({ ...parts, receipts }), parts)
  const sealer = createSealer(parts)
  return {
    app: createApp({
      ...parts,
      recordAudit,
      verify: async (from) => withProgress(await verification.verify(from), sealer.progress),
      sealing: sealer.progress,
      proofs: createProofs(parts.database, treeCheckpoints),
    }),
    background: {
      ...(checkpoints ? { checkpoints } : {}),
      treeCheckpoints,
      ...(parts.config.AUDIT_RECORDS === 'otlp' ? { auditRecords: createAuditRecords(parts, treeCheckpoints) } : {}),
      treeBuilder: createTreeBuilder(parts, receipts.treeSeen),
      sealer,
      verification,
    },
  }
}

if (import.meta.main) await runService(environment, METRICS, compose)
