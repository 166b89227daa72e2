/**
 * Gives dead letters another chance: `node order-service/replay.ts --all`, or the ids of events.
 * Reads PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD (or PGPASSWORD_FILE).
 */
import { withFiles } from '@sightline/service-kit/config'
import pg from 'pg'

/** Makes the given dead letters (or all) due now, with a fresh count of tries; resolves to the ids that were dead. */
export async function replay(client: pg.ClientBase, eventIds: string[] | 'all'): Promise<string[]> {
  const { rows } = await client.query<{ event_id: string }>(
    `update outbox set dead_at = null, attempts = 0, next_attempt_at = now()
     where dead_at is not null and ($1::uuid[] is null or event_id = any($1)) returning event_id`,
    [eventIds === 'all' ? null : eventIds],
  )
  return rows.map((row) => row.event_id)
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    console.log('Use: --all, or the event ids that GET /audit/dead-letters shows. Makes those dead letters due again.')
    process.exit(0)
  }
  if (args.length === 0) {
    console.error('Say which: --all, or the event ids that GET /audit/dead-letters shows.')
    process.exit(2)
  }
  const { PGPASSWORD: password } = withFiles(process.env, ['PGPASSWORD'])
  const client = new pg.Client({ application_name: 'replay', password })
  await client.connect()
  try {
    const replayed = await replay(client, args.includes('--all') ? 'all' : args)
    for (const id of replayed) console.log(`due again: ${id}`)
    console.log(`${replayed.length} dead letters will be delivered again`)
  } finally {
    await client.end()
  }
}
