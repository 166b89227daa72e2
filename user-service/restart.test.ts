/** Restarting each service under load, the new process first: nobody notices. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import { bindSocket, type SharedSocket } from '@sightline/service-kit/shared-socket'
import { startProcess, type TestProcess } from '@sightline/service-kit/testing'
import { Pool } from 'undici'

let cluster: TestCluster
let database: TestDatabase
const running = new Map<string, TestProcess>()
const env: Record<string, Record<string, string>> = {}
const sockets: Record<string, SharedSocket> = {}

before(async () => {
  cluster = await startTestCluster()
  database = await cluster.createDatabase()
  let next = ''
  for (const service of ['audit-service', 'order-service', 'user-service']) {
    env[service] = {
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      // A slow machine under this load would shed some, as it should.
      SHED_DELAY_MS: '0',
      ...(next ? { NEXT_SERVICE_URL: next } : {}),
    }
    sockets[service] = bindSocket('127.0.0.1', 0)
    const started = await start(service)
    running.set(service, started)
    next = started.url
  }
})

after(async () => {
  for (const service of [...running.values()].reverse()) await service.stop()
  for (const socket of Object.values(sockets)) socket.close()
  await database?.drop()
  await cluster?.stop()
})

function start(service: string): Promise<TestProcess> {
  return startProcess(
    service,
    database.connection(service.replace('-', '_') as 'user_service'),
    env[service],
    sockets[service],
  )
}

test('a rolling restart of each service fails no request', async () => {
  // Kept connections, as a gateway has them, and new ones: what they can lose at a restart is not the same.
  const pool = new Pool(running.get('user-service')!.url, { connections: 8, pipelining: 1 })
  const seen = new Map<number | string, number>()
  let stop = false
  // Without a pause while one process takes over from another. Meanwhile the next one starts, and needs the processor more.
  let pauseMs = 50
  const body = JSON.stringify({ user_id: 1, action: 'restart' })
  const ask = async (client: number) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await pool.request({ method: 'POST', path: '/process', headers, body, reset: client % 2 === 0 })
    const text = await answer.body.text()
    return answer.statusCode < 300 ? answer.statusCode : `${answer.statusCode} ${text}`
  }
  const clients = Array.from({ length: 8 }, async (_, client) => {
    while (!stop) {
      const outcome = await ask(client).catch((error) => String(error))
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
      if (pauseMs > 0) await delay(pauseMs)
    }
  })
  const answered = () => [...seen.values()].reduce((sum, count) => sum + count, 0)
  for (const service of ['user-service', 'order-service', 'audit-service']) {
    const old = running.get(service)!
    const fresh = await start(service)
    running.set(service, fresh)
    pauseMs = 0
    const mark = answered()
    await until('all clients ask without a pause', 20, () => answered() > mark + 20)
    const stopped = await old.stop()
    assert.equal(stopped.code, 0)
    const after = answered()
    await until('requests after the restart', 20, () => answered() > after + 20)
    pauseMs = 50
  }
  stop = true
  await Promise.all(clients)
  await pool.close()
  const failed = [...seen].filter(([outcome]) => outcome !== 200 && outcome !== 202)
  assert.deepEqual(failed, [], JSON.stringify([...seen]))
  const [row] = await database.query<{ orders: number }>('select count(*)::integer as orders from orders')
  assert.equal(row!.orders, answered())
})
