/**
 * What feature flags change in this service. Each is a fault that `npm run incident` switches on (docs/incidents): the key is
 * named as a release or a setting would be, and what it does is the real thing. Nothing here runs while no flag is enabled.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type AroundStatement, aroundStatements, type KitParts } from '@sightline/service-kit'
import type { Config } from './config.ts'

/** The parts of the service with its flags around them. */
export function withReleases(parts: KitParts<Config>): KitParts<Config> {
  const { flags, database } = parts
  const around: AroundStatement = async (statement, values, run) => {
    if (statement.name === 'insert_audit_log') await gatherBatch()
    return run(statement, values)
  }

  /** `audit.batch-writer`: each row waits for company before it is written. */
  async function gatherBatch(): Promise<void> {
    const batch = await flags.settings('audit.batch-writer')
    if (batch) await delay(Number(batch.linger_ms))
  }

  return { ...parts, database: aroundStatements(database, flags, around) }
}
