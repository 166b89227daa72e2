/** The tail through the console, with a small server in Loki's place. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { attachConsoleTail } from './tail.ts'

const ACCEPT = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

async function listening(context: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A console before a Loki that says `said` to whom it lets in; resolves to the console's port and what Loki was asked. */
async function consoleOf(context: TestContext, said: string) {
  const asked: { url: string; headers: IncomingHttpHeaders }[] = []
  const loki = createServer().on('upgrade', (req, socket) => {
    asked.push({ url: req.url!, headers: req.headers })
    if (req.url?.includes('busy')) {
      socket.end('HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      return
    }
    const accept = createHash('sha1').update(`${req.headers['sec-websocket-key']}${ACCEPT}`).digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    )
    socket.write(Buffer.concat([Buffer.from([0x81, said.length]), Buffer.from(said)]))
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.resume()
  })
  const lokiPort = await listening(context, loki)
  const server = createServer()
  const port = await listening(context, server)
  const stop = attachConsoleTail(server, `http://127.0.0.1:${lokiPort}/`, allowedHosts('shop.example'))
  context.after(stop)
  return { port, asked, stop }
}

/** The status of a refused upgrade. */
async function refusedWith(port: number, path: string, headers: Record<string, string>): Promise<number> {
  const key = { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-version': '13' }
  const req = request({
    port,
    path,
    headers: { connection: 'Upgrade', upgrade: 'websocket', ...key, ...headers },
  }).end()
  const [answer] = await once(req, 'response')
  answer.resume()
  return answer.statusCode
}

const PATH = '/api/loki/loki/api/v1/tail'

test('what Loki says comes through, and the page’s own headers stay behind', { timeout: 10_000 }, async (context) => {
  const { port, asked, stop } = await consoleOf(context, 'hello')
  const client = new WebSocket(`ws://127.0.0.1:${port}${PATH}?query=%7Ba%3D%22b%22%7D`)
  const message = await new Promise<MessageEvent>((resolve) =>
    client.addEventListener('message', resolve, { once: true }),
  )
  assert.equal(message.data, 'hello')
  assert.equal(asked[0]!.url, '/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D')
  assert.equal(asked[0]!.headers['x-loki-response-encoding-flags'], 'categorize-labels')
  assert.equal(asked[0]!.headers.origin, undefined)
  const closed = new Promise((resolve) => client.addEventListener('close', resolve, { once: true }))
  stop()
  await closed
})

test('other paths, pages and names are refused, and a refusal of Loki’s is passed on', async (context) => {
  const { port, asked } = await consoleOf(context, '')
  const host = `localhost:${port}`
  assert.equal(await refusedWith(port, '/api/loki/loki/api/v1/push', { host }), 404)
  assert.equal(await refusedWith(port, PATH, { host: 'evil.example' }), 421)
  for (const origin of ['https://evil.example', 'null'])
    assert.equal(await refusedWith(port, PATH, { host, origin }), 403)
  assert.deepEqual(asked, [])
  assert.equal(await refusedWith(port, `${PATH}?query=busy`, { host, origin: 'http://shop.example' }), 429)
})

test('a Loki that is away is a 502', async (context) => {
  const server = createServer()
  const port = await listening(context, server)
  context.after(attachConsoleTail(server, 'http://127.0.0.1:9', allowedHosts()))
  assert.equal(await refusedWith(port, PATH, { host: 'localhost' }), 502)
})
