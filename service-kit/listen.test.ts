/** How a server starts, drains and ends, seen from its clients' sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { type HttpServer, listen } from './listen.ts'
import { until } from './poll.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const greet = (_: unknown, response: { end(text: string): void }) => response.end('hello')

/** A client's connection, and everything it got. */
async function open(server: HttpServer): Promise<{ socket: Socket; got: () => string; closed: () => boolean }> {
  const socket = connect(server.port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  socket.on('error', () => {})
  await once(socket, 'connect')
  return { socket, got: () => text, closed: () => socket.closed }
}

test('a port that is taken is named, with the variable that chooses another', async () => {
  const server = await listen(greet, '127.0.0.1', 0)
  const taken = `can't listen on 127.0.0.1:${server.port}: another process has this port; set PORT to a free one`
  await assert.rejects(listen(greet, '127.0.0.1', server.port), { message: taken })
  await server.close(0, 0)
  await assert.rejects(
    listen(greet, 'not-an-address.invalid', 0),
    /can't listen on not-an-address\.invalid:0: getaddrinfo/,
  )
})

test('a close finishes what is in flight and takes one more request of an open connection; new ones are refused', async () => {
  const { server, arrived, go } = await listenAndHold()
  const busy = await open(server)
  const early = await open(server)
  busy.socket.write(REQUEST)
  await arrived
  const closing = server.close(60_000, 60_000)
  await until('the port is closed', 15, () => refused(server.port))
  early.socket.write(REQUEST)
  go()
  await until('what came while stopping is answered, and was the last', 15, () => early.closed())
  assert.match(early.got(), /\r\nconnection: close\r\n.*whole answer/is)
  await until('what was in flight is answered', 15, () => busy.got().includes('whole answer'))
  assert.equal(busy.closed(), false, 'its owner may not know yet')
  busy.socket.write(REQUEST)
  await until('the connection was used once more', 15, () => busy.closed())
  assert.equal(busy.got().split('whole answer').length, 3)
  await closing
})

test('a request that takes longer than an idle connection may stay is finished', async () => {
  const { server, arrived, go } = await listenAndHold()
  const idle = await open(server)
  const busy = await open(server)
  busy.socket.write(REQUEST)
  await arrived
  const closing = server.close(60_000, 0)
  await until('the idle one is closed', 15, () => idle.closed())
  go()
  await closing
  await until('the client has its answer', 15, () => busy.closed())
  assert.match(busy.got(), /whole answer/)
})

test('an idle connection stays for a while, for its owner to use once more, and is closed then', async () => {
  const server = await listen(greet, '127.0.0.1', 0)
  const kept = await open(server)
  kept.socket.write(REQUEST)
  await until('the first answer', 15, () => kept.got().includes('hello'))
  const started = performance.now()
  // A timer counts from where the event loop last looked at the clock.
  await server.close(60_000, 400)
  await until('the client hears of it', 15, () => kept.closed())
  assert.ok(performance.now() - started >= 250, 'not at once')
})

test('what is not done after the time limit is cut', async () => {
  const arrived = Promise.withResolvers<void>()
  const server = await listen(() => arrived.resolve(), '127.0.0.1', 0)
  const stuck = await open(server)
  stuck.socket.write(REQUEST)
  await arrived.promise
  await server.close(50, 60_000)
  await until('the client is cut off', 15, () => stuck.closed())
  assert.equal(stuck.got(), '')
})

test('what is no HTTP is told 400 and closed, and the server goes on', async () => {
  const server = await listen(greet, '127.0.0.1', 0)
  try {
    const rude = await open(server)
    rude.socket.write('nonsense\r\n\r\n')
    await until('it is closed', 15, () => rude.closed())
    const [head, body] = rude.got().split('\r\n\r\n') as [string, string]
    assert.match(head, /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json\r\n/)
    assert.match(head, /\r\nConnection: close$/)
    const { type, status, trace_id, request_id } = JSON.parse(body)
    assert.deepEqual([type, status], ['/problems/malformed-request', 400])
    assert.ok(head.includes(`X-Trace-Id: ${trace_id}`) && head.includes(`X-Request-ID: ${request_id}`))
    assert.equal(await (await fetch(`http://127.0.0.1:${server.port}`)).text(), 'hello')
  } finally {
    await server.close(0, 0)
  }
})

async function refused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}

/** A server that holds every request until `go`, and then gives a whole answer; `arrived` once it holds one. */
async function listenAndHold() {
  const arrived = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const server = await listen(
    async (_, response) => {
      arrived.resolve()
      await go.promise
      response.end('whole answer')
    },
    '127.0.0.1',
    0,
  )
  return { server, arrived: arrived.promise, go: go.resolve }
}
