/** What is passed on to Prometheus or Alertmanager and back; a small server stands where they would. */
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { passedOnPort } from './passed-on.ts'

let upstream: Server
let front: Server
let url: string
const seen: { line: string; headers: IncomingHttpHeaders }[] = []

before(async () => {
  upstream = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    seen.push({ line: `${req.method} ${req.url} ${body}`, headers: req.headers })
    if (req.url === '/cut') res.destroy()
    else
      res
        .writeHead(302, {
          location: '/graph',
          connection: 'x-own',
          'x-own': '1',
          // As Alertmanager says with every answer.
          'access-control-allow-origin': '*',
        })
        .end('moved')
  })
  const base = `http://127.0.0.1:${await listen(upstream)}`
  front = createServer(passedOnPort('Prometheus', base, allowedHosts(), (error) => assert.fail(String(error))))
  url = `http://127.0.0.1:${await listen(front)}`
})

after(() => {
  for (const server of [front, upstream]) {
    server.closeAllConnections()
    server.close()
  }
})

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))
}

function ask(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { path, headers, agent: false }, (res) =>
      res.resume().once('end', () => resolve({ status: res.statusCode!, headers: res.headers })),
    )
    asked.once('error', reject).end()
  })
}

test('a request is passed on whole, and its answer back, but for what concerns one connection', async () => {
  const answer = await fetch(`${url}/api/v1/query?query=up%20%3E%200`, {
    method: 'POST',
    body: new URLSearchParams({ time: '1' }),
    redirect: 'manual',
  })
  assert.deepEqual([answer.status, answer.headers.get('location'), await answer.text()], [302, '/graph', 'moved'])
  assert.equal(answer.headers.get('x-own'), null)
  assert.equal(answer.headers.get('access-control-allow-origin'), null)
  const { line, headers } = seen.at(-1)!
  assert.equal(line, 'POST /api/v1/query?query=up%20%3E%200 time=1')
  assert.equal(headers['content-type'], 'application/x-www-form-urlencoded;charset=UTF-8')
  assert.equal(headers.host, `127.0.0.1:${(upstream.address() as AddressInfo).port}`)
  await ask(`${url}/whole`)
  assert.equal(seen.at(-1)!.line, 'GET /whole ')
})

test('another name and another site’s page are refused, and Prometheus is not asked', async () => {
  const before = seen.length
  assert.equal((await ask('/api/v1/query', { host: 'evil.example' })).status, 421)
  assert.equal((await ask('/api/v1/query', { origin: 'https://evil.example' })).status, 403)
  assert.equal(seen.length, before)
})

test('a Prometheus that is away or breaks off is named', async () => {
  assert.equal((await ask('/cut')).status, 502)
  upstream.closeAllConnections()
  await new Promise((closed) => upstream.close(closed))
  const answer = await fetch(`${url}/`)
  assert.deepEqual(
    [answer.status, await answer.text()],
    [502, `Prometheus does not answer at ${seen[0]!.headers.host}. Is it running?\n`],
  )
})
