/**
 * `npm run audit [-- --limit 20] [--trace ID]`: the newest rows of the audit table, through the gateway, for those
 * who have no psql at hand.
 */

import { apisOf } from '@sightline/local/apis'
import { readFlags } from '@sightline/local/flags'
import { readSettings } from '@sightline/local/settings'

const { values: flags } = readFlags(
  'npm run audit [-- --limit 20] [--trace ID]\n\nShows the newest rows of the audit table.',
  {
    options: { limit: { type: 'string', default: '20' }, trace: { type: 'string' } },
  },
)
const { gateway, credentials } = apisOf(readSettings())
const query = new URLSearchParams({ limit: flags.limit, ...(flags.trace ? { trace_id: flags.trace } : {}) })

let response: Response
try {
  response = await fetch(`${gateway}/api/v1/audit?${query}`, { headers: credentials })
} catch (error) {
  console.error(
    `Nothing answers at ${gateway} (${((error as Error).cause as Error).message}). Start the system: npm start`,
  )
  process.exit(1)
}
const body = (await response.json()) as { items: Record<string, unknown>[]; detail?: string }
if (!response.ok) {
  console.error(`The gateway answered ${response.status}: ${body.detail}`)
  process.exit(1)
}
if (body.items.length === 0) console.log('The audit table has no such row. Make one: npm run load -- --count 1')
else console.table(body.items, ['id', 'recorded_at', 'action', 'user_id', 'order_id', 'trace_id', 'sealed'])
