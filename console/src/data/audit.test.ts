import assert from 'node:assert/strict'
import { mock, type TestContext, test } from 'node:test'
import { runAuditSql } from './audit.ts'
import { newClient } from './http.ts'

const MINUTE = 60_000

/** A table of a row per minute, row `id` at minute `id`; the pages read are counted. */
function serveRows(context: TestContext, count: number): { pages: number } {
  const seen = { pages: 0 }
  const answer = async (url: string | URL | Request): Promise<Response> => {
    const params = new URL(String(url), 'http://console').searchParams
    const [limit, before] = [Number(params.get('limit')), Number(params.get('cursor') ?? count + 1)]
    const items = Array.from({ length: Math.min(limit, before - 1) }, (_, k) => {
      const id = before - 1 - k
      return { id, recorded_at: new Date(id * MINUTE).toISOString(), action: id % 50 === 0 ? 'refund' : 'purchase' }
    })
    const last = items.at(-1)?.id ?? 1
    seen.pages += 1
    return Response.json({ items, next_cursor: last > 1 ? String(last) : null })
  }
  const fetching = mock.method(globalThis, 'fetch', answer)
  context.after(() => fetching.mock.restore())
  return seen
}

async function ids(sql: string, from: number, to: number): Promise<readonly unknown[]> {
  const range = { from: from * MINUTE, to: to * MINUTE }
  const context = { client: newClient(), range, stepMs: 1000, variables: new Map(), panelType: 'table' }
  const { frames } = await runAuditSql({ rawSql: `SELECT id FROM audit_logs WHERE ${sql}` }, context)
  return frames[0]!.fields[0]!.values
}

test('a past range has its rows, and reading ends where the range begins', async (context) => {
  const seen = serveRows(context, 5_000)
  const inRange = '$__timeFilter(recorded_at) ORDER BY id DESC LIMIT 200'
  assert.deepEqual(await ids(inRange, 1_000, 1_002), [1_002, 1_001, 1_000])
  assert.ok(seen.pages < 45)
  assert.equal((await ids(inRange, 100, 4_000)).length, 200)
})

test('rows that pass are looked for, newest first, and the oldest first in all of the range', async (context) => {
  const seen = serveRows(context, 5_000)
  assert.deepEqual(await ids("action = 'refund' ORDER BY id DESC LIMIT 3", 0, 5_000), [5_000, 4_950, 4_900])
  assert.equal(seen.pages, 2)
  assert.deepEqual(await ids('$__timeFilter(recorded_at) ORDER BY id LIMIT 2', 4_000, 5_000), [4_000, 4_001])
})

test('a search without end is refused in words', async (context) => {
  serveRows(context, 30_000)
  await assert.rejects(ids('$__timeFilter(recorded_at)', 1, 2), /The newest 20,000 audit rows don't hold/)
})
