/** /health, /ready, /metrics and /openapi.json of a service with a real database and a real service behind it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import log4js from 'log4js'
import { allowedHosts } from './allowed-hosts.ts'
import { addCommonRoutes, type HealthOptions } from './health.ts'
import { createServiceClient } from './http-client.ts'
import { createHttpApp } from './http-server.ts'
import { type HttpServer, listen } from './listen.ts'
import { createMetrics } from './metrics.ts'
import { createDatabase, type Database } from './postgres.ts'
import { KIT_METRICS } from './test/catalogue.ts'
import { call } from './test/index.ts'

const logger = log4js.getLogger('test')
logger.level = 'off'
const endpoints = { health: { method: 'get', path: '/health' }, ready: { method: 'get', path: '/ready' } } as const

let cluster: TestCluster
let owner: TestDatabase
let database: Database
let away: Database
before(async () => {
  cluster = await startTestCluster()
  owner = await cluster.createDatabase()
  const rest = {
    applicationName: 'test',
    poolMax: 1,
    logger,
    metrics: createMetrics({ name: 't', version: '1' }, KIT_METRICS),
  }
  database = createDatabase({ connection: owner.connection(), ...rest })
  away = createDatabase({ connection: { ...owner.connection(), port: 1 }, ...rest })
})
after(async () => {
  await Promise.all([database?.close(), away?.close()])
  await owner?.drop()
  await cluster?.stop()
})

interface Started extends AsyncDisposable {
  url: string
  get(path: string): ReturnType<typeof call>
}

async function start(options: Partial<HealthOptions> & { behind?: string } = {}): Promise<Started> {
  const service = { name: 'asked', version: '1.2.3' }
  const metrics = createMetrics(service, KIT_METRICS)
  const nextService =
    options.behind === undefined
      ? undefined
      : createServiceClient({ url: options.behind, peer: 'behind', metrics, logger })
  const app = createHttpApp(
    { logger, metrics, config: { REQUEST_BUDGET_MS: 10_000, SIGHTLINE_ALLOWED_HOSTS: allowedHosts() } },
    (routes) =>
      addCommonRoutes(routes, {
        service,
        database,
        nextService,
        metrics,
        isDraining: () => false,
        openApi: { openapi: '3.1.0' },
        endpoints,
        ...options,
      }),
  )
  const server: HttpServer = await listen(app.callback(), '127.0.0.1', 0)
  const url = `http://127.0.0.1:${server.port}`
  return {
    url,
    get: (path) => call(url, 'GET', path),
    async [Symbol.asyncDispose]() {
      await nextService?.close()
      await server.close(1_000, 0)
    },
  }
}

test('well: database and uptime, and the service behind with what it says of itself', async () => {
  await using behind = await start()
  await using asked = await start({ behind: behind.url })
  const { status, json } = await asked.get('/health')
  assert.equal(status, 200)
  assert.deepEqual([json.status, json.service, json.version], ['ok', 'asked', '1.2.3'])
  assert.ok(Number.isInteger(json.uptime_seconds))
  assert.deepEqual(Object.keys(json.checks), ['database', 'behind'])
  const { database, behind: next } = json.checks
  assert.deepEqual(
    [database.status, next.status, next.version, next.checks.database.status],
    ['ok', 'ok', '1.2.3', 'ok'],
  )
  assert.ok(database.latency_ms > 0 && next.latency_ms >= next.checks.database.latency_ms)
  assert.equal((await asked.get('/ready')).status, 200)
})

test('what else a service looks at makes it degraded when something is wrong, and is told', async () => {
  await using asked = await start({ checks: { sealing: () => 'rows wait', disk: () => undefined } })
  const { status, json } = await asked.get('/health')
  assert.deepEqual([status, json.status], [200, 'degraded'])
  assert.deepEqual(json.checks.sealing, { status: 'degraded', latency_ms: 0, detail: 'rows wait' })
  assert.deepEqual(json.checks.disk, { status: 'ok', latency_ms: 0 })
  assert.equal((await asked.get('/ready')).status, 200)
})

test('without its database it is down and not ready, and says nothing of where the database is', async () => {
  await using asked = await start({ database: away })
  const { status, json, text } = await asked.get('/health')
  assert.deepEqual([status, json.status, json.checks.database.detail], [503, 'down', 'no answer'])
  assert.doesNotMatch(text, /127\.0\.0\.1|ECONNREFUSED/)
  const ready = await asked.get('/ready')
  assert.deepEqual([ready.status, ready.json], [503, { status: 'not ready', reason: 'database' }])
})

test('what is behind makes it degraded at worst: down, away or silent, and still ready', async () => {
  await using down = await start({ database: away })
  const silent = await listen(() => {}, '127.0.0.1', 0)
  const cases = [
    [down.url, 'down', undefined],
    ['http://127.0.0.1:1', 'down', 'no answer'],
    [`http://127.0.0.1:${silent.port}`, 'down', 'no answer'],
  ] as const
  try {
    await Promise.all(
      cases.map(async ([url, status, detail]) => {
        await using asked = await start({ behind: url })
        const health = await asked.get('/health')
        assert.deepEqual([health.status, health.json.status], [200, 'degraded'], url)
        const { behind } = health.json.checks
        assert.deepEqual([behind.status, behind.detail], [status, detail], url)
        assert.equal((await asked.get('/ready')).status, 200, url)
      }),
    )
  } finally {
    await silent.close(0, 0)
  }
})

test('while it stops it is not ready, whatever its database says', async () => {
  await using asked = await start({ isDraining: () => true })
  const { status, json } = await asked.get('/ready')
  assert.deepEqual([status, json], [503, { status: 'not ready', reason: 'stopping' }])
  assert.equal((await asked.get('/health')).status, 200, 'it still lives')
})

test('a scrape is OpenMetrics and keeps no connection; the API describes itself', async () => {
  await using asked = await start()
  const scrape = await asked.get('/metrics')
  assert.match(scrape.headers.get('content-type')!, /openmetrics-text/)
  assert.equal(scrape.headers.get('connection'), 'close')
  assert.match(scrape.text, /service_build_info\{service_name="asked"/)
  assert.deepEqual((await asked.get('/openapi.json')).json, { openapi: '3.1.0' })
})
