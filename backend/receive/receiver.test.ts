import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { createReceiver } from './receiver.ts'

test('an encoding that only every object knows is not supported', async () => {
  const ingest = () => Promise.resolve({ accepted: 0, rejected: 0, reason: '' })
  const receiver = createReceiver({
    ingestTraces: ingest,
    ingestLogs: ingest,
    hosts: allowedHosts(),
    maxBodyBytes: 1000,
    onError: () => {},
  })
  const server = createServer(receiver)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    for (const [coding, status] of Object.entries({ constructor: 415, tostring: 415, identity: 200 })) {
      const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': coding }
      const response = await fetch(`http://127.0.0.1:${port}/v1/traces`, { method: 'POST', body: '', headers })
      assert.equal(response.status, status, coding)
      await response.arrayBuffer()
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
