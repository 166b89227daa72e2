/**
 * What feature flags change in this service. Each is a fault that `npm run incident` switches on (docs/incidents): the key is
 * named as a release or a setting would be, and what it does is the real thing. Nothing here runs while no flag is enabled.
 */
import {
  type AroundCall,
  type AroundStatement,
  aroundCalls,
  aroundStatements,
  type KitParts,
  outsideTraces,
  sql,
} from '@sightline/service-kit'
import type { Config } from './config.ts'

/** The parts of the service with its flags around them. */
export function withReleases(parts: KitParts<Config>): KitParts<Config> {
  const { flags } = parts
  const keepSession = createSessionCache(parts)

  const aroundStatement: AroundStatement = async (statement, values, run) => {
    if (statement.name === 'find_user') {
      await keepSession()
      const report = await flags.settings('users.loyalty-points')
      if (report) await run(LOYALTY_POINTS, [report.days])
    }
    return run(statement, values)
  }

  /** `users.http-client-v2`: a client that knows nothing of the active span, and sends no trace context. */
  const aroundCall: AroundCall = async (wanted, call) =>
    (await flags.settings('users.http-client-v2')) ? outsideTraces(() => call(wanted)) : call(wanted)

  return {
    ...parts,
    database: aroundStatements(parts.database, flags, aroundStatement),
    nextService: aroundCalls(parts.nextService, flags, aroundCall),
  }
}

/** `users.loyalty-points`: computed anew from each day of a long membership, each time. */
const LOYALTY_POINTS = sql(
  'sum_loyalty_points',
  'select sum(day % 7) as points from generate_series(1, $1::integer) as day',
)

const MEGABYTE = 2 ** 20
/** What is kept of a request: so little that it goes on for minutes. */
const KEPT_BYTES = Math.round(MEGABYTE / 5)

/** `users.session-cache`: something of each request is kept, and nothing is ever removed; freed when the flag is off. */
function createSessionCache({ flags }: KitParts): () => Promise<void> {
  const kept: Buffer[] = []
  flags.onChange(() => {
    if (!flags.enabled?.has('users.session-cache')) kept.length = 0
  })
  return async () => {
    const cache = await flags.settings('users.session-cache')
    if (cache && kept.length * KEPT_BYTES < Number(cache.most_mb) * MEGABYTE) kept.push(Buffer.alloc(KEPT_BYTES, 1))
  }
}
