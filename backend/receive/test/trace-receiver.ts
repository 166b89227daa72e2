/** A receiver that listens, for tests of what it makes of spans: it takes them as they are after translation, and keeps their bytes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { readTraces } from '../../otlp/traces.ts'
import { createReceiver } from '../receiver.ts'

export interface TraceReceiver {
  /** Bodies in OTLP's protobuf, as the store would have got them. */
  taken: Uint8Array[]
  /** Status and text of the answer. */
  post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>): Promise<readonly [number, string]>
}

/** Listens until the test ends; `post` sends to `path`. */
export async function startTraceReceiver(t: TestContext, path: string): Promise<TraceReceiver> {
  const taken: Uint8Array[] = []
  const listener = createReceiver({
    async ingestTraces(bytes) {
      taken.push(bytes)
      return readTraces(bytes, () => {})
    },
    ingestLogs: () => assert.fail('no logs'),
    hosts: allowedHosts(),
    maxBodyBytes: 1_000_000,
    onError: (error) => assert.fail(String(error)),
  })
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  return {
    taken,
    async post(body, headers) {
      const response = await fetch(url, { method: 'POST', body, headers })
      return [response.status, await response.text()]
    },
  }
}
