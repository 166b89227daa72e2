import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { WebSocket } from 'ws'
import { listen, serveApi } from '../../http.ts'
import { buildLogTable, type LogLine, sourceOf } from '../logql/test/lines.ts'
import { createLokiApi } from './index.ts'
import { attachTail } from './tail.ts'

const hosts = allowedHosts('grafana.example')
const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n
const line = (text: string, timeNs = nowNs()): LogLine => ({ timeNs, labels: { app: 'x' }, line: text })

test('a tail sends the last lines, then each new one once, late ones too', { timeout: 20_000 }, async (context) => {
  const lines: LogLine[] = [line('old 1', nowNs() - 1n), line('old 2')]
  const loki = createLokiApi({
    logs: { tables: (range, direction) => sourceOf(buildLogTable(lines)).tables(range, direction) },
  })
  const errors: unknown[] = []
  const server = await listen(
    serveApi(loki, hosts, (error) => errors.push(error)),
    '127.0.0.1',
    0,
    'LOKI_PORT',
  )
  const stop = attachTail(server, {
    loki,
    hosts,
    intervalMs: 20,
    lateMs: 600_000,
    onError: (error) => errors.push(error),
  })
  context.after(() => {
    stop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = (query: string) => `ws://127.0.0.1:${port}/loki/api/v1/tail?${new URLSearchParams({ query })}`
  const client = new WebSocket(url('{app="x"} != "secret"'))
  const got: string[] = []
  let wake = (): void => {}
  client.on('message', (message) => {
    const { streams } = JSON.parse(message.toString()) as { streams: { values: [string, string][] }[] }
    for (const { values } of streams) got.push(...values.map(([, text]) => text))
    wake()
  })
  const seen = async (count: number): Promise<void> => {
    while (got.length < count) await new Promise<void>((resolve) => (wake = resolve))
  }
  await seen(2)
  assert.deepEqual(got, ['old 1', 'old 2'])
  lines.push(line('secret'), line('new'))
  await seen(3)
  lines.push(line('late', nowNs() - 2_000_000_000n))
  await seen(4)
  lines.push(line('last'))
  await seen(5)
  assert.deepEqual(got.slice(2), ['new', 'late', 'last'])

  const wrong = new WebSocket(url('{app='))
  const [code, reason] = (await once(wrong, 'close')) as [number, Buffer]
  assert.equal(code, 1003)
  assert.match(reason.toString(), /^parse error at line 1, col 6/)
  client.close()
  await once(client, 'close')
  assert.deepEqual(errors, [])
})

const onError = (error: unknown): void => assert.fail(String(error))

test('a client that resets a refused upgrade ends nothing', () => {
  const server = new EventEmitter() as Server
  const stop = attachTail(server, { loki: () => assert.fail('asked'), hosts, onError })
  const socket = new PassThrough()
  server.emit('upgrade', { url: '/elsewhere', headers: {} }, socket, Buffer.alloc(0))
  assert.match(String(socket.read()), /^HTTP\/1.1 404 /)
  socket.emit('error', new Error('read ECONNRESET'))
  assert.ok(socket.destroyed)
  stop()
})

test('a page of another site can not open a tail, nor anybody by a foreign name', async (context) => {
  const loki = createLokiApi({ logs: { tables: (...asked) => sourceOf(buildLogTable([line('x')])).tables(...asked) } })
  const server = await listen(serveApi(loki, hosts, onError), '127.0.0.1', 0, 'LOKI_PORT')
  const stop = attachTail(server, { loki, hosts, onError })
  context.after(() => {
    stop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `ws://127.0.0.1:${port}/loki/api/v1/tail?query=${encodeURIComponent('{app="x"}')}`
  const refused = [
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'http://203.0.113.7:3100' }, 403],
    [{ origin: 'https://evil.example', host: 'evil.example' }, 421],
  ] as const
  for (const [headers, status] of refused) {
    const client = new WebSocket(url, { headers })
    const [error] = (await once(client, 'error')) as [Error]
    assert.equal(error.message, `Unexpected server response: ${status}`, JSON.stringify(headers))
  }
  const message = async (headers: Record<string, string>): Promise<string> => {
    const client = new WebSocket(url, { headers })
    const [text] = await once(client, 'message')
    client.close()
    await once(client, 'close')
    return String(text)
  }
  for (const headers of [{ origin: 'http://localhost:3000' }, { origin: 'https://grafana.example' }])
    assert.match(await message(headers), /"x"/, JSON.stringify(headers))
  // Who asks for labels and fields apart gets them so, as from a query.
  assert.match(await message({}), /"values":\[\["\d+","x"\]\]/)
  const flags = { 'x-loki-response-encoding-flags': 'categorize-labels' }
  assert.match(await message(flags), /"values":\[\["\d+","x",\{\}\]\]/)
})

test('what a full first answer left out is not sent behind it', { timeout: 20_000 }, async (context) => {
  const timeNs = nowNs()
  const lines = Array.from({ length: 40 }, (_, k) => line(`${k}`, timeNs - 1_000_000n * BigInt(100 - k)))
  const answers = createLokiApi({
    logs: { tables: (range, direction) => sourceOf(buildLogTable(lines)).tables(range, direction) },
  })
  let asked = 0
  let wake = (): void => {}
  const loki: typeof answers = (request) => {
    asked += 1
    wake()
    return answers(request)
  }
  const server = await listen(serveApi(loki, hosts, onError), '127.0.0.1', 0, 'LOKI_PORT')
  const stop = attachTail(server, { loki, hosts, intervalMs: 5, lateMs: 600_000, onError })
  context.after(() => {
    stop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const client = new WebSocket(
    `ws://127.0.0.1:${port}/loki/api/v1/tail?limit=5&query=${encodeURIComponent('{app="x"}')}`,
  )
  const got: string[] = []
  client.on('message', (message) => {
    const { streams } = JSON.parse(message.toString()) as { streams: { values: [string, string][] }[] }
    for (const { values } of streams) got.push(...values.map(([, text]) => text))
    wake()
  })
  while (asked < 4) await new Promise<void>((resolve) => (wake = resolve))
  lines.push(line('new'))
  while (!got.includes('new')) await new Promise<void>((resolve) => (wake = resolve))
  assert.deepEqual(got, ['35', '36', '37', '38', '39', 'new'])
  client.close()
  await once(client, 'close')
})

test('a client that sends a long frame is cut off before it is read', { timeout: 20_000 }, async (context) => {
  const loki = createLokiApi({
    logs: { tables: (range, direction) => sourceOf(buildLogTable([line('x')])).tables(range, direction) },
  })
  const server = await listen(serveApi(loki, hosts, onError), '127.0.0.1', 0, 'LOKI_PORT')
  const stop = attachTail(server, { loki, hosts, intervalMs: 5, onError })
  context.after(() => {
    stop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write(
    `GET /loki/api/v1/tail?query=${encodeURIComponent('{app="x"}')} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\n` +
      'upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n',
  )
  await once(socket, 'data')
  // The beginning of a masked binary frame that announces 64 MiB: nothing of it needs to arrive.
  const header = Buffer.alloc(14)
  header.writeUInt16BE(0x82ff, 0)
  header.writeBigUInt64BE(64n << 20n, 2)
  socket.write(header)
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  await once(socket, 'end')
  // A close frame with 1009, "message too big".
  assert.ok(Buffer.concat(received).includes(Buffer.from([0x88, 0x02, 0x03, 0xf1])))
  socket.destroy()
})
