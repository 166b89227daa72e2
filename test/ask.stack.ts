/** The tools of docs/ask.md on the real engines: they answer as on the embedded backend. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { useEveryTool } from './ask-tools.ts'

test('each tool of npm run mcp has something to tell', async (t) => {
  const env = process.env as Record<string, string>
  const order = { user_id: 1001, action: 'purchase', items: [{ product_id: 'laptop-001', quantity: 1 }] }
  const post = (body: object) =>
    fetch(`${env.GATEWAY_URL}/api/v1/process`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(env.GATEWAY_API_KEY && { 'x-api-key': env.GATEWAY_API_KEY }) },
      body: JSON.stringify(body),
    })
  for (let n = 0; n < 5; n++) assert.equal((await post(order)).status, 200)
  const refused = await post({ ...order, items: [{ product_id: 'laptop-001', quantity: 1_000_000 }] })
  assert.equal(refused.status, 409)
  const traceId = refused.headers.get('x-trace-id')
  const query = new URLSearchParams({ q: `{ trace:id = "${traceId}" && status = error }` })
  await until('Tempo finds the refused order', 30, async () => {
    const { traces } = (await (await fetch(`${env.TEMPO_URL}/api/search?${query}`)).json()) as { traces: object[] }
    return traces.length === 1
  })
  await useEveryTool(t, env)
})
