/**
 * What feature flags change in this service. Each is a fault that `npm run incident` switches on (docs/incidents): the key is
 * named as a release or a setting would be, and what it does is the real thing. Nothing here runs while no flag is enabled.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type AroundStatement, aroundStatements, invalid, type KitParts, tooMany } from '@sightline/service-kit'
import type { Config } from './config.ts'
import type { RecordAudit } from './record-audit.ts'

/** Events whose sender has gone away must not fill the memory. */
const MOST_REFUSED = 1_000

/** The parts of the service with its flags around them. */
export function withReleases(parts: KitParts<Config>): KitParts<Config> {
  const { flags, database } = parts
  /** How often each event was refused that is not through yet. */
  const refused = new Map<string, number>()

  const around: AroundStatement = async (statement, values, run) => {
    if (statement.name === 'insert_audit_log') {
      await checkSchema()
      await guardConnections(String(values?.[0]))
      await gatherBatch()
    }
    return run(statement, values)
  }

  /** `audit.event-schema-v3`: events that this version does not know any more. */
  async function checkSchema(): Promise<void> {
    if (await flags.settings('audit.event-schema-v3'))
      throw invalid([{ pointer: '/details/items', detail: 'is an array of items of version 3' }])
  }

  /** `audit.connection-guard`: of so many tries to write one event, only the last gets a connection, however long they take. */
  async function guardConnections(eventId: string): Promise<void> {
    const guard = await flags.settings('audit.connection-guard')
    if (!guard) return
    const tries = (refused.get(eventId) ?? 0) + 1
    refused.delete(eventId)
    if (tries >= Number(guard.of_tries)) return
    refused.set(eventId, tries)
    // The one that has been there longest: nobody has asked for it again.
    if (refused.size > MOST_REFUSED) refused.delete(refused.keys().next().value!)
    throw tooMany(
      'too-many-requests',
      'Too Many Requests',
      'the connection guard lets no more events through for now',
      1,
    )
  }

  /** `audit.batch-writer`: each row waits for company before it is written. */
  async function gatherBatch(): Promise<void> {
    const batch = await flags.settings('audit.batch-writer')
    if (batch) await delay(Number(batch.linger_ms))
  }

  return { ...parts, database: aroundStatements(database, flags, around) }
}

/** `audit.compact-answer`: the row is written, and the answer has another form than its caller was promised. */
export function withCompactAnswer(recordAudit: RecordAudit, { flags }: Pick<KitParts, 'flags'>): RecordAudit {
  return async (event, receiptWait) => {
    const answer = await recordAudit(event, receiptWait)
    if (flags.enabled === undefined || !(await flags.settings('audit.compact-answer'))) return answer
    return [answer.audit.id, answer.audit.recorded_at] as unknown as typeof answer
  }
}
