import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { callEmpty } from './grpc.ts'

const soon = () => AbortSignal.timeout(10_000)

test('a server says how the call ended, also one that does not know it', async (t) => {
  const server = new Server()
  const bytes = (value: Buffer) => value
  const call = {
    path: '/test.Service/Take',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  }
  server.addService(
    { Take: call },
    { Take: (_: unknown, answer: (error: null, value: Buffer) => void) => answer(null, Buffer.alloc(0)) },
  )
  t.after(() => server.forceShutdown())
  const port = await new Promise<number>((done, failed) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? failed(error) : done(bound),
    ),
  )
  const place = `http://127.0.0.1:${port}`
  assert.deepEqual(await callEmpty(place, '/test.Service/Take', soon()), { status: 0, message: 'OK' })
  const unknown = await callEmpty(place, '/test.Service/Other', soon())
  assert.equal(unknown.status, 12)
  assert.match(unknown.message, /Other/)
})

test('what is no gRPC, and nobody, reject', async (t) => {
  const server = createServer((_, res) => res.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  await assert.rejects(callEmpty(`http://127.0.0.1:${port}`, '/test.Service/Take', soon()))
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  await assert.rejects(callEmpty(`http://127.0.0.1:${port}`, '/test.Service/Take', soon()), /ECONNREFUSED/)
})
