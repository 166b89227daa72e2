/** Every query that docs/traceql.md and docs/logql.md show finds something in what `npm run load` leaves. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { until } from '@sightline/service-kit/poll'
import { askDocumented, blocksIn, documentedQueries } from '../scripts/doctor/documented-queries.ts'
import { startSystem, type TestSystem } from './system.ts'

const root = resolve(import.meta.dirname, '..')
const docs = join(root, 'docs')
const run = promisify(execFile)

describe('documented queries', () => {
  let system: TestSystem
  before(async () => {
    system = await startSystem()
    const { stdout } = await run(process.execPath, ['scripts/load.ts', '--count', '150', '--rate', '30'], {
      cwd: root,
      env: { ...process.env, GATEWAY_URL: system.urls.gateway },
    })
    assert.match(stdout, /150 requests .* 0 unexpected/)
    // What the page has a reader push, pushed by the reader's own means.
    const pushes = blocksIn(join(docs, 'logql.md'), 'sh').filter((block) => block.includes('/push'))
    assert.equal(pushes.length, 1)
    await run('/bin/sh', ['-ec', pushes[0]!.replaceAll('localhost:3100', new URL(system.urls.loki).host)])
    await until('the last audit rows are sealed, and told of', 30, async () => {
      const { json } = await system.api('GET', '/api/v1/audit?limit=1')
      return json.items[0]?.sealed && (await system.search('{ name = "seal_audit_rows" }')).length > 0
    })
  })
  after(() => system?.[Symbol.asyncDispose]())

  test('TraceQL', async () => {
    const queries = documentedQueries(docs, 'traceql')
    assert.ok(queries.length > 35)
    for (const query of queries) {
      const found = await askDocumented(system.urls, 'traceql', query)
      assert.ok(found.length > 0, query)
    }
  })

  test('LogQL', async () => {
    const queries = documentedQueries(docs, 'logql')
    assert.ok(queries.length > 30)
    for (const query of queries) {
      const found = await askDocumented(system.urls, 'logql', query)
      assert.ok(found.length > 0, query)
      assert.doesNotMatch(JSON.stringify(found), /TemplateFormatErr/, query)
    }
  })
})
