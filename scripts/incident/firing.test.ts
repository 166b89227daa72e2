import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { firingAlerts } from './firing.ts'

test('alerts that fire are named once each, those that wait are not; null where nobody answers', async () => {
  const alert = (alertname: string, state: string, job: string) => ({ labels: { alertname, job }, state })
  const alerts = [
    alert('TargetDown', 'firing', 'a'),
    alert('ErrorBudgetBurns', 'firing', 'b'),
    alert('TargetDown', 'firing', 'c'),
    alert('SlowRequests', 'pending', 'd'),
  ]
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/api/v1/alerts' ? 200 : 404
    response.end(JSON.stringify({ status: 'success', data: { alerts } }))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const prometheus = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  assert.deepEqual(await firingAlerts({ prometheus }), ['ErrorBudgetBurns', 'TargetDown'])
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
  assert.equal(await firingAlerts({ prometheus }), null)
})
