import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowedHosts } from './allowed-hosts.ts'
import { createHttpApp } from './http-server.ts'
import { listen } from './listen.ts'
import { createLoadGuard } from './load-guard.ts'
import { getLogger } from './logging.ts'
import { createMetrics } from './metrics.ts'
import { until } from './poll.ts'
import { KIT_METRICS } from './test/catalogue.ts'
import { call, sample } from './test/index.ts'

const service = { name: 'guarded', version: '1' }

test('a late event loop refuses work with 503 and Retry-After, answers probes, and recovers by itself', async () => {
  const metrics = createMetrics(service, KIT_METRICS)
  const { admit } = createLoadGuard(50, metrics)
  let busy = true
  const app = createHttpApp(
    {
      logger: getLogger('guarded'),
      metrics,
      config: { REQUEST_BUDGET_MS: 10_000, SIGHTLINE_ALLOWED_HOSTS: allowedHosts() },
      admit,
    },
    (routes) => {
      routes.add({ method: 'get', path: '/work' }, () => ({ status: 200, body: {} }))
      routes.add({ method: 'get', path: '/ready', probe: true }, () => ({ status: 200, body: {} }))
    },
  )
  const server = await listen(app.callback(), '127.0.0.1', 0)
  const ask = (path: string) => call(`http://127.0.0.1:${server.port}`, 'GET', path)
  const burden = setInterval(() => {
    for (const end = performance.now() + 150; busy && performance.now() < end; );
  }, 1)
  try {
    assert.equal((await ask('/ready')).status, 200)
    const refused = await until('a refusal', 20, async () => {
      const answer = await ask('/work')
      return answer.status === 503 && answer
    })
    assert.equal(refused.json.type, '/problems/overloaded')
    assert.equal(refused.headers.get('retry-after'), '1')
    assert.equal((await ask('/ready')).status, 200)
    assert.ok(sample((await metrics.scrape()).body, 'http_server_shed_requests_total')! >= 1)
    busy = false
    await until('work is taken again', 20, async () => (await ask('/work')).status === 200)
  } finally {
    clearInterval(burden)
    await server.close(500, 0)
  }
})
