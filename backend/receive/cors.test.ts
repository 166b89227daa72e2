import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { corsOrigins } from './cors.ts'
import { createReceiver } from './receiver.ts'

const LISTED = 'https://shop.example'

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
}

/** A receiver that lets in pages of `LISTED` and this machine; `ask` resolves to status and headers. */
async function serve(context: TestContext, hosts = '') {
  let stored = 0
  const ingest = async () => {
    stored++
    return { accepted: 0, rejected: 0, reason: '' }
  }
  const deps = { ingestTraces: ingest, ingestLogs: ingest, maxBodyBytes: 1000, onError: assert.ifError }
  const receiver = createReceiver({ ...deps, hosts: allowedHosts(hosts), origins: corsOrigins(LISTED) })
  const server = createServer(receiver).listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const ask = ({ method = 'POST', path = '/v1/traces', headers = {} }: Sent) =>
    new Promise<{ status: number; headers: IncomingHttpHeaders }>((resolve, reject) => {
      const type = { 'content-type': 'application/json' }
      const asked = request({ port, method, path, agent: false, headers: { ...type, ...headers } }, (answer) => {
        answer.resume().on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers }))
      })
      asked.on('error', reject).end(method === 'POST' ? '{}' : undefined)
    })
  return { ask, stored: () => stored }
}

const corsOf = (headers: IncomingHttpHeaders) =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'))
const preflight = (origin: string) => ({
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type,x-shop',
  },
})

test('pages of this machine and of listed origins may send, and read what they get', async (context) => {
  const { ask, stored } = await serve(context)
  const pages = ['http://localhost:5173', 'http://127.0.0.1:8000', 'http://[::1]', 'https://localhost', LISTED]
  for (const origin of pages) {
    const before = await ask(preflight(origin))
    assert.equal(before.status, 204, origin)
    assert.equal(before.headers['access-control-allow-origin'], origin)
    assert.equal(before.headers['access-control-allow-methods'], 'POST')
    assert.equal(before.headers['access-control-allow-headers'], 'content-type,x-shop')
    assert.match(before.headers.vary ?? '', /origin/)
    const sent = await ask({ headers: { origin } })
    assert.deepEqual([sent.status, sent.headers['access-control-allow-origin']], [200, origin])
    assert.equal(sent.headers['access-control-allow-credentials'], 'true')
    // Why it was refused is to be read, too.
    const refused = await ask({ headers: { origin, 'content-type': 'text/plain' } })
    assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [415, origin])
  }
  assert.equal(stored(), pages.length)
})

test('a page of another origin gets no such header and writes nothing', async (context) => {
  const { ask, stored } = await serve(context)
  const others = [
    'https://evil.example',
    'http://shop.example',
    'https://shop.example:444',
    'https://shop.example.evil.example',
    'http://localhost.evil.example',
    'http://localhost:1@evil.example',
    'http://127.0.0.1.evil.example:80',
    'http://evil.example/http://localhost',
    'null',
  ]
  for (const origin of others) {
    for (const sent of [preflight(origin), { headers: { origin } }]) {
      const { status, headers } = await ask(sent)
      assert.deepEqual([status, corsOf(headers)], [403, []], origin)
    }
  }
  // A name that was made to resolve here is refused whatever the page is called.
  const rebound = await ask({ headers: { host: 'evil.example', origin: LISTED } })
  assert.equal(rebound.status, 421)
  assert.equal(stored(), 0)
})

test('a page that only SIGHTLINE_ALLOWED_HOSTS lists may ask as before, and is told of nothing', async (context) => {
  const { ask } = await serve(context, 'my-host')
  const { status, headers } = await ask({ headers: { origin: 'http://my-host:3000' } })
  assert.deepEqual([status, corsOf(headers)], [200, []])
  const before = await ask(preflight('http://my-host:3000'))
  assert.deepEqual([before.status, corsOf(before.headers)], [405, []])
})

test('without a page there is nothing of it, and OPTIONS alone is no preflight', async (context) => {
  const { ask } = await serve(context)
  assert.deepEqual(corsOf((await ask({})).headers), [])
  assert.equal((await ask({ method: 'OPTIONS', headers: { origin: LISTED } })).status, 405)
  assert.equal((await ask({ ...preflight(LISTED), path: '/nothing' })).status, 404)
})

test('an entry that no browser sends as an origin is refused with what to write', () => {
  assert.deepEqual([...corsOrigins(' https://Shop.example/, http://10.0.0.7:8000,')], [LISTED, 'http://10.0.0.7:8000'])
  for (const entry of [
    '*',
    'shop.example',
    'https://*.example',
    'https://shop.example/x',
    'https://a:b@c',
    'null',
    'https://a:443',
  ]) {
    assert.throws(() => corsOrigins(entry), /is no origin; write scheme, host/, entry)
  }
})
