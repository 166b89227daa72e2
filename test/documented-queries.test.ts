/** Every query that docs/traceql.md and docs/logql.md show finds something in what `npm run load` leaves. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { until } from '@sightline/service-kit/poll'
import { startSystem, type TestSystem } from './system.ts'

const root = resolve(import.meta.dirname, '..')
const run = promisify(execFile)
const blocks = (file: string, language: string) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, block]) => block!.trim(),
  )
const lines = (file: string, language: string) => blocks(file, language).flatMap((block) => block.split('\n'))

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
    const pushes = blocks('docs/logql.md', 'sh').filter((block) => block.includes('/push'))
    assert.equal(pushes.length, 1)
    await run('/bin/sh', ['-ec', pushes[0]!.replaceAll('localhost:3100', new URL(system.urls.loki).host)])
    await until('the last audit rows are sealed, and told of', 30, async () => {
      const { json } = await system.api('GET', '/api/v1/audit?limit=1')
      return json.items[0]?.sealed && (await system.search('{ name = "seal_audit_rows" }')).length > 0
    })
  })
  after(() => system?.[Symbol.asyncDispose]())

  /** The answer's list, whichever the query asked for. */
  async function ask(base: string, path: string, params: Record<string, string>): Promise<unknown[]> {
    const response = await fetch(`${base}${path}?${new URLSearchParams(params)}`)
    const text = await response.text()
    assert.equal(response.status, 200, text)
    const answer = JSON.parse(text)
    return answer.traces ?? answer.series ?? answer.data.result
  }

  test('TraceQL', async () => {
    const queries = lines('docs/traceql.md', 'traceql')
    assert.ok(queries.length > 35)
    for (const q of queries) {
      const isMetric = /_over_time\(|rate\(/.test(q)
      const found = await ask(system.urls.tempo, isMetric ? '/api/metrics/query_range' : '/api/search', { q })
      assert.ok(found.length > 0, q)
    }
  })

  test('LogQL', async () => {
    const queries = lines('docs/logql.md', 'logql')
    assert.ok(queries.length > 30)
    for (const query of queries) {
      const isMetric = !query.startsWith('{')
      const found = await ask(system.urls.loki, isMetric ? '/loki/api/v1/query' : '/loki/api/v1/query_range', { query })
      assert.ok(found.length > 0, query)
      assert.doesNotMatch(JSON.stringify(found), /TemplateFormatErr/, query)
    }
  })
})
