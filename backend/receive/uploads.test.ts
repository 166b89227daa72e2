/** Uploads that stand still, and those that are only slow, at both entrances: OTLP and Loki's push. */
import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setInterval } from 'node:timers/promises'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { until } from '@sightline/service-kit/poll'
import { createUploads, listen, serveApi } from '../http.ts'
import { createLokiPush } from './loki-push/index.ts'
import { createReceiver } from './receiver.ts'

const LIMIT = 64 << 10
const IDLE_MS = 500

const onError = (error: unknown): void => assert.fail(String(error))

interface Entrance {
  readonly path: string
  readonly status: number
  /** A valid body. */
  readonly body: Buffer
  readonly listener: RequestListener
}

const push = Buffer.from(
  JSON.stringify({ streams: [{ stream: { a: 'b' }, values: [['1', 'x'.repeat(LIMIT - 100)]] }] }),
)
const otlp = Buffer.from(JSON.stringify({ padding: 'x'.repeat(LIMIT - 100) }))

const hosts = allowedHosts()

const ENTRANCES: Record<string, () => Entrance> = {
  OTLP: () => {
    const ingest = async () => ({ accepted: 0, rejected: 0, reason: '' })
    const deps = { ingestTraces: ingest, ingestLogs: ingest, hosts, maxBodyBytes: LIMIT, idleMs: IDLE_MS }
    return { path: '/v1/logs', status: 200, body: otlp, listener: createReceiver({ ...deps, onError }) }
  },
  push: () => {
    const handler = createLokiPush({ ingestLogs: async () => {}, maxBodyBytes: LIMIT })
    const listener = serveApi(handler, hosts, onError, createUploads(8 * LIMIT, IDLE_MS))
    return { path: '/loki/api/v1/push', status: 204, body: push, listener }
  },
}

async function serve(context: TestContext, name: string) {
  const entrance = ENTRANCES[name]!()
  const server = await listen(entrance.listener, '127.0.0.1', 0, 'PORT')
  const sockets: Socket[] = []
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  /** A connection that has announced the body and sent its first bytes; `answer` is what came back so far. */
  const begin = (bytes: number) => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    const { path, body } = entrance
    const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    socket.write(head)
    socket.write(body.subarray(0, bytes))
    // Not by events.once, which rejects for an error on the way: who writes to a connection that is closed meets one.
    const closed = new Promise<void>((done) => socket.once('close', () => done()))
    const upload = { socket, answer: '', closed }
    socket.on('data', (chunk: Buffer) => (upload.answer += chunk.toString('latin1')))
    return upload
  }
  const whole = async () => {
    const response = await fetch(`http://127.0.0.1:${port}${entrance.path}`, {
      method: 'POST',
      body: new Uint8Array(entrance.body),
      headers: { 'content-type': 'application/json' },
    })
    await response.arrayBuffer()
    return response.status
  }
  return { ...entrance, begin, whole }
}

for (const name of Object.keys(ENTRANCES)) {
  test(`${name}: idle uploads take nothing from others, and are closed with a reason`, async (context) => {
    const { begin, whole, status } = await serve(context, name)
    const idle = Array.from({ length: 40 }, () => begin(10))
    for (let i = 0; i < 10; i++) assert.equal(await whole(), status)
    await Promise.all(idle.map(({ closed }) => closed))
    for (const { answer } of idle) {
      assert.match(answer, /^HTTP\/1.1 408 /)
      assert.match(answer, /Nothing of the body came for 0.5 s. Send the request again/)
    }
  })

  test(`${name}: a slow upload that moves is taken, much later than an idle one is closed`, async (context) => {
    const { begin, body, status } = await serve(context, name)
    const upload = begin(10)
    let sent = 10
    const step = Math.ceil(body.length / 30)
    for await (const _ of setInterval(IDLE_MS / 5)) {
      upload.socket.write(body.subarray(sent, sent + step))
      sent += step
      if (sent >= body.length) break
    }
    await until('the answer', 10, () => upload.answer.startsWith(`HTTP/1.1 ${status} `))
  })

  test(`${name}: slow uploads that fill all the room give way to quick ones`, async (context) => {
    const { begin, body, whole, status } = await serve(context, name)
    const slow = Array.from({ length: 8 }, () => begin(body.length - 1000))
    let left = 999
    const moving = new AbortController()
    context.after(() => moving.abort())
    const trickle = (async () => {
      for await (const _ of setInterval(IDLE_MS / 5, undefined, { signal: moving.signal })) {
        const at = body.length - left--
        for (const { socket } of slow) if (socket.writable) socket.write(body.subarray(at, at + 1))
      }
    })().catch(() => {})
    let answered = 0
    await until('quick ones are answered, and a slow one has given way', 30, async () => {
      // A server that refuses and closes may take its answer along.
      const results = await Promise.all([whole(), whole()].map((one) => one.catch(() => 0)))
      if (results.every((result) => result === status)) answered++
      return answered >= 5 && slow.some(({ answer }) => answer.startsWith('HTTP/1.1 429 '))
    })
    moving.abort()
    await trickle
  })
}
