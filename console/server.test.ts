/** The console's server, with small servers in the place of the APIs behind it. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createConsoleServer } from './server.ts'

let folder: string
let upstream: Server
let console_: Server
/** A server that answers nobody. */
let away: Server
let port: number
const seen: string[] = []
const NAMED = 'Übersicht (neu) 100%.json'

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'console-test-'))
  await mkdir(join(folder, 'dist/assets'), { recursive: true })
  await mkdir(join(folder, 'boards'))
  await writeFile(join(folder, 'dist/index.html'), '<!doctype html><title>t</title>')
  await writeFile(join(folder, 'dist/assets/a.js'), 'export {}')
  for (const hidden of ['secret.txt', 'dist/.hidden']) await writeFile(join(folder, hidden), 'secret')
  await writeFile(join(folder, 'boards/one.json'), JSON.stringify({ uid: 'one', title: 'One', tags: ['sightline'] }))
  await writeFile(join(folder, 'boards/first.json'), JSON.stringify({ uid: 'zz', title: 'Z', tags: ['start-here'] }))
  await writeFile(join(folder, 'boards/broken.json'), '{')
  await writeFile(join(folder, 'boards/.hidden.json'), 'secret')
  await writeFile(join(folder, 'boards', NAMED), '{"title":"Zwei","tags":["sightline"]}')
  upstream = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    seen.push(`${req.method} ${req.url} ${body}`)
    res.writeHead(422, { 'content-type': 'application/json', 'set-cookie': 'a=b' }).end('{"error":"said upstream"}')
  })
  away = createServer().on('connection', (socket) => socket.destroy())
  const url = `http://127.0.0.1:${await listen(upstream)}`
  console_ = createConsoleServer({
    dist: join(folder, 'dist'),
    dashboards: join(folder, 'boards'),
    tempoUrl: url,
    lokiUrl: url,
    prometheusUrl: url,
    alertmanagerUrl: url,
    auditUrl: `http://127.0.0.1:${await listen(away)}`,
  })
  port = await listen(console_)
})

after(async () => {
  for (const server of [console_, upstream, away]) {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
  await rm(folder, { recursive: true })
})

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))

const get = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${port}${path}`, init)

test('every page address gives the page, with a policy that runs nothing but its own files', async () => {
  for (const path of ['/', '/d/one?from=now-1h', '/trace/abc', '/explore']) {
    const response = await get(path)
    assert.equal(response.status, 200)
    const policy = response.headers.get('content-security-policy') ?? ''
    assert.match(policy, /script-src 'self';/)
    assert.doesNotMatch(policy, /unsafe|\*|nonce/)
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
  }
})

test('built files may be kept for ever, the page must be asked for again', async () => {
  assert.match((await get('/assets/a.js')).headers.get('cache-control') ?? '', /immutable/)
  const page = await get('/')
  assert.equal(page.headers.get('cache-control'), 'no-cache')
  const again = await get('/', { headers: { 'if-none-match': page.headers.get('etag')! } })
  assert.equal(again.status, 304)
})

test('dashboards are listed with the first to look at in front and broken ones named, and served unchanged', async () => {
  const list = (await (await get('/dashboards.json')).json()) as { uid: string; error?: string }[]
  assert.deepEqual(
    list.map((entry) => entry.uid),
    ['zz', 'one', 'Übersicht (neu) 100%', 'broken'],
  )
  assert.match(list[3]?.error ?? '', /Not readable as JSON/)
  assert.deepEqual(await (await get('/dashboards/one.json')).json(), { uid: 'one', title: 'One', tags: ['sightline'] })
  assert.deepEqual(await (await get(`/dashboards/${encodeURIComponent(NAMED)}`)).json(), {
    title: 'Zwei',
    tags: ['sightline'],
  })
  for (const name of ['none.json', '%zz.json', '100%']) assert.equal((await get(`/dashboards/${name}`)).status, 404)
})

test('nothing outside the folders can be reached', async () => {
  for (const path of [
    '/assets/../../secret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/dashboards/../secret.txt',
    '/dashboards/..%2fsecret.txt',
    '/dashboards/..%5csecret.txt',
    '/dashboards/%2e%2e%2fsecret.txt',
    '/dashboards/a%2f..%2f..%2fsecret.txt',
    '/dashboards/%2fetc%2fpasswd',
    '/dashboards/secret.txt%00.json',
    '/dashboards/.hidden.json',
    '/dashboards/%2ehidden.json',
    '/.hidden',
  ]) {
    const { status, body } = await raw({ path })
    assert.notEqual(body, 'secret', path)
    assert.ok(status === 404 || body.startsWith('<!doctype'), path)
  }
})

test('a request target that is no address of a page is a 404, a whole URL is taken by its path', async () => {
  for (const path of ['//', '///', '//evil.example/x', '//dashboards.json', '/\\evil', '//[', '//a:b:c', '//@', '*'])
    assert.equal((await raw({ path })).status, 404, path)
  for (const path of ['/%', '/%00', '/%zz', '/?%', '/a:b', '/http://x', `/${'a'.repeat(10_000)}`])
    assert.equal((await raw({ path })).status, 200, path)
  const { status, body } = await raw({ path: `http://localhost:${port}/dashboards/one.json?x` })
  assert.deepEqual([status, JSON.parse(body).uid], [200, 'one'])
})

test('queries are passed on with their answers, errors included, and nothing else of either side', async () => {
  seen.length = 0
  const response = await get('/api/prometheus/api/v1/query', {
    method: 'POST',
    body: new URLSearchParams({ query: 'up' }),
    headers: { cookie: 'x=y' },
  })
  assert.equal(response.status, 422)
  assert.deepEqual(await response.json(), { error: 'said upstream' })
  assert.equal(response.headers.get('set-cookie'), null)
  await get('/api/tempo/api/search?q=%7B%7D')
  assert.deepEqual(seen, ['POST /api/v1/query query=up', 'GET /api/search?q=%7B%7D '])
})

test('what writes, deletes or reconfigures is refused and never asked', async () => {
  seen.length = 0
  const refused: [string, string][] = [
    ['POST', '/api/loki/loki/api/v1/push'],
    ['POST', '/api/tempo/v1/traces'],
    ['POST', '/api/prometheus/-/reload'],
    ['POST', '/api/prometheus/api/v1/admin/tsdb/delete_series'],
    ['DELETE', '/api/prometheus/api/v1/query'],
    ['GET', '/api/tempo/metrics'],
    ['POST', '/api/alertmanager/api/v2/silences'],
    ['DELETE', '/api/alertmanager/api/v2/silence/1'],
    ['GET', '/api/audit/process'],
    ['POST', '/api/audit/process'],
  ]
  for (const [method, path] of refused) assert.equal((await get(path, { method })).status, 403, `${method} ${path}`)
  for (const nobody of ['nobody', 'constructor']) assert.equal((await get(`/api/${nobody}/x`)).status, 404, nobody)
  assert.equal((await get('/', { method: 'POST' })).status, 405)
  assert.deepEqual(seen, [])
})

test('an API that is away is named', async () => {
  const response = await get('/api/audit/audit')
  assert.equal(response.status, 502)
  assert.match(await response.text(), /audit can't be reached at http:\/\/127\.0\.0\.1/)
})

test('a name that only resolves here is refused: it may be another site’s', async () => {
  assert.equal((await raw({ path: '/', host: 'evil.example' })).status, 421)
  for (const path of ['/api/tempo/api/echo', '/api/postgres/query'])
    assert.equal((await raw({ path, host: 'evil.example:3000' })).status, 421)
  for (const host of ['localhost:3000', '127.0.0.1', '[::1]:3000'])
    assert.equal((await raw({ path: '/', host })).status, 200)
})

test('a page of another site gets no answer, by whatever address it asks', async () => {
  for (const origin of ['https://evil.example', 'http://203.0.113.7', 'null']) {
    assert.equal((await get('/api/tempo/api/echo', { headers: { origin } })).status, 403, origin)
  }
  assert.equal((await get('/', { headers: { origin: `http://localhost:${port}` } })).status, 200)
})

/** Paths and Host headers that fetch would tidy up. */
function raw({ path, host = 'localhost' }: { path: string; host?: string }): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, headers: { host } }, async (res) => {
      let body = ''
      for await (const chunk of res) body += chunk
      resolve({ status: res.statusCode ?? 0, body })
    })
    req.once('error', reject).end()
  })
}
