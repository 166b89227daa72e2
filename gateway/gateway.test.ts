/** The gateway's own behaviour, on a real Nginx before a service that repeats what it was told. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findNginx, freePort, freePorts, prepareGateway, type RunningComponent, startComponent } from '@sightline/local'
import { readSettings } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import { parseAccessRecord } from '../backend/receive/gateway-log/access-record.ts'
import { followAccessLog } from '../backend/receive/gateway-log/follower.ts'
import { parseStubStatus } from '../backend/receive/gateway-log/metrics.ts'
import { PROBLEM_KINDS } from '../contracts/problem-kinds.ts'
import { FRONT_PAGE, publishedRoutes, renderFrontPage } from './front-page.ts'

interface Told {
  method: string
  url: string
  headers: IncomingHttpHeaders
}

const home = mkdtempSync(join(tmpdir(), 'sightline-gateway-'))
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
let service: Server
let gateway: RunningComponent
let url: string
let port: number
let consolePort: number
let statusUrl: string
let accessLog: string
let pidFile: string

before(async () => {
  const ports = await freePorts()
  const env = { ...process.env, GATEWAY_RATE_LIMIT: '50r/s', GATEWAY_RATE_BURST: '200', GATEWAY_UPSTREAM_TIMEOUT: '4s' }
  const settings = readSettings({ home, ports, env })
  service = createServer((request, response) => {
    if (request.url === '/users/silent') return
    const busy = request.url === '/users/busy'
    response.writeHead(busy ? 503 : 200, {
      'content-type': 'application/json',
      ...(busy ? { 'retry-after': '7' } : {}),
    })
    const told: Told = { method: request.method!, url: request.url!, headers: request.headers }
    request.resume().once('end', () => response.end(JSON.stringify(told)))
  })
  // user-service and order-service answer, audit-service is down.
  await new Promise<void>((listening) => service.listen(ports.USER_SERVICE_PORT, '127.0.0.1', listening))
  const prepared = prepareGateway(settings, await findNginx(), await freePort(ports))
  gateway = await startComponent(prepared.spec, home)
  port = ports.GATEWAY_PORT
  consolePort = ports.CONSOLE_PORT
  url = `http://127.0.0.1:${port}`
  ;({ statusUrl, accessLog, pidFile } = prepared)
})
after(async () => {
  await gateway?.stop()
  service?.close()
  service?.closeAllConnections()
  rmSync(home, { recursive: true, force: true })
})

async function told(path: string, headers: Record<string, string> = {}): Promise<Told> {
  const response = await fetch(url + path, { headers })
  assert.equal(response.status, 200)
  return (await response.json()) as Told
}

function recordOf(requestId: string) {
  return until(`the access record of ${requestId}`, 5, () => {
    const lines = readFileSync(accessLog, 'utf8').split('\n')
    return lines.map(parseAccessRecord).find((found) => found?.requestId === requestId)
  })
}

const valid = {
  'version 00': [`00-${TRACE}-${SPAN}-01`, '01'],
  'not sampled': [`00-${TRACE}-${SPAN}-00`, '00'],
  'random trace id': [`00-${TRACE}-${SPAN}-03`, '03'],
  'unknown flags are cleared': [`00-${TRACE}-${SPAN}-f9`, '01'],
  'a later version with more behind it': [`cc-${TRACE}-${SPAN}-01-what-ever`, '01'],
} as const
for (const [name, [traceparent, flags]] of Object.entries(valid)) {
  test(`traceparent honoured: ${name}`, async () => {
    const requestId = `tp-${name.replace(/\W/g, '-')}`
    const { headers } = await told('/api/v1/users', { traceparent, tracestate: 'a=b', 'x-request-id': requestId })
    const [, trace, span, sent] = (headers.traceparent as string).split('-')
    assert.deepEqual([trace, sent, headers.tracestate], [TRACE, flags, 'a=b'])
    assert.notEqual(span, SPAN)
    const record = await recordOf(requestId)
    assert.deepEqual(
      [record.traceId, record.spanId, record.parentSpanId, record.sampled, record.traceState],
      [TRACE, span, SPAN, (Number.parseInt(flags, 16) & 1) === 1, 'a=b'],
    )
  })
}

const invalid = {
  absent: '',
  'version ff': `ff-${TRACE}-${SPAN}-01`,
  'version 00 with more behind it': `00-${TRACE}-${SPAN}-01-x`,
  'a later version with more but no dash': `01-${TRACE}-${SPAN}-01x`,
  'trace id of zeros': `00-${'0'.repeat(32)}-${SPAN}-01`,
  'span id of zeros': `00-${TRACE}-${'0'.repeat(16)}-01`,
  'upper case': `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  'too long': `00-${TRACE}0-${SPAN}-01`,
  'too short': `00-${TRACE}-${SPAN}-1`,
}
for (const [name, traceparent] of Object.entries(invalid)) {
  test(`a trace begins, tracestate dropped: traceparent ${name}`, async () => {
    const requestId = `new-${name.replace(/\W/g, '-')}`
    const sent = { ...(traceparent ? { traceparent } : {}), tracestate: 'a=b', 'x-request-id': requestId }
    const { headers } = await told('/api/v1/users', sent)
    assert.match(headers.traceparent as string, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    assert.equal((headers.traceparent as string).includes(TRACE), false)
    assert.equal(headers.tracestate, undefined)
    const record = await recordOf(requestId)
    assert.deepEqual([record.parentSpanId, record.sampled, record.traceState], ['', true, ''])
    assert.equal(headers.traceparent, `00-${record.traceId}-${record.spanId}-01`)
  })
}

test('a health probe begins no trace, but joins one', async () => {
  for (const probe of ['/health', '/api/v1/user-service/health', '/api/v1/user-service/ready'])
    assert.match((await told(probe)).headers.traceparent as string, /-00$/, probe)
  assert.match((await told('/health', { traceparent: `00-${TRACE}-${SPAN}-01` })).headers.traceparent as string, /-01$/)
})

test('X-Request-ID: taken when valid, made otherwise, returned and forwarded', async () => {
  for (const id of ['abc-1.2_3', 'x'.repeat(128)]) {
    const response = await fetch(`${url}/api/v1/users`, { headers: { 'x-request-id': id } })
    assert.equal(response.headers.get('x-request-id'), id)
    assert.equal(((await response.json()) as Told).headers['x-request-id'], id)
  }
  for (const id of ['two words', 'x'.repeat(129), '"quoted"', 'a,b']) {
    const response = await fetch(`${url}/api/v1/users`, { headers: { 'x-request-id': id } })
    assert.match(response.headers.get('x-request-id')!, /^[0-9a-f]{32}$/)
    assert.equal(((await response.json()) as Told).headers['x-request-id'], response.headers.get('x-request-id'))
  }
})

test('a client can not forge what only the gateway says; baggage passes', async () => {
  const { headers } = await told('/api/v1/users', {
    'x-forwarded-for': '6.6.6.6',
    'x-real-ip': '6.6.6.6',
    forwarded: 'for=6.6.6.6',
    'x-request-deadline': '1',
    b3: '1',
    'x-b3-traceid': TRACE,
    'uber-trace-id': 'x',
    baggage: 'user.id=5',
  })
  assert.deepEqual(
    [headers['x-forwarded-for'], headers['x-real-ip'], headers.baggage],
    ['127.0.0.1', '127.0.0.1', 'user.id=5'],
  )
  for (const name of ['forwarded', 'x-request-deadline', 'x-b3-traceid']) assert.equal(headers[name], undefined, name)
  // B3 and Jaeger say what traceparent says, whatever the client's said.
  const [, traceId, spanId] = String(headers.traceparent).split('-')
  assert.equal(headers.b3, `${traceId}-${spanId}-1`)
  assert.equal(headers['uber-trace-id'], `${traceId}:${spanId}:0:1`)
})

test('the published routes reach their service; an encoded line break stays encoded', async () => {
  assert.equal((await told('/api/v1/users/5?limit=2')).url, '/users/5?limit=2')
  assert.equal((await told('/api/v1/user-service/openapi.json')).url, '/openapi.json')
  assert.equal((await told('/api/v1/users/a%0d%0aX-Evil:%201')).url, '/users/a%0D%0AX-Evil:%201')
  const requestId = 'route-of-user'
  await told('/api/v1/users/5?limit=2', { 'x-request-id': requestId })
  const record = await recordOf(requestId)
  assert.deepEqual([record.route, record.path, record.query], ['/api/v1/users/{id}', '/api/v1/users/5', 'limit=2'])
})

async function problem(response: Response, status: number, type: string): Promise<void> {
  assert.equal(response.status, status)
  assert.match(response.headers.get('content-type')!, /^application\/problem\+json/)
  const body = (await response.json()) as Record<string, unknown>
  assert.deepEqual([body.status, body.type], [status, `/problems/${type}`])
  assert.equal(body.trace_id, response.headers.get('x-trace-id'))
  assert.equal(body.request_id, response.headers.get('x-request-id'))
  assert.match(body.trace_id as string, /^[0-9a-f]{32}$/)
}

test("nginx's own errors are problems with both ids", async () => {
  for (const path of ['/metrics', '/api/v1/user-service/metrics', '/api/v1/inventory/x/steal', '/.problem']) {
    await problem(await fetch(url + path), 404, 'not-published')
  }
  await problem(
    await fetch(`${url}/api/v1/process`, { method: 'POST', body: 'x'.repeat(65_537) }),
    413,
    'body-too-large',
  )
  const down = await fetch(`${url}/api/v1/audit`)
  assert.equal(down.headers.get('retry-after'), '2')
  await problem(down, 502, 'bad-gateway')
  const silent = await fetch(`${url}/api/v1/users/silent`)
  assert.equal(silent.headers.get('retry-after'), '5')
  await problem(silent, 504, 'gateway-timeout')
})

test('the type of a problem leads to what it means: JSON, or HTML for who asks for it', async () => {
  const refused = await fetch(`${url}/nowhere/at/all`)
  const { type } = (await refused.json()) as { type: string }
  const page = await fetch(new URL(type, refused.url))
  assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'application/json'])
  assert.equal(page.headers.get('vary'), 'Accept')
  assert.equal(((await page.json()) as { title: string }).title, 'Not Found')
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  const inBrowser = await fetch(new URL(type, refused.url), { headers: { accept } })
  assert.deepEqual([inBrowser.status, inBrowser.headers.get('content-type')], [200, 'text/html; charset=utf-8'])
  assert.match(await inBrowser.text(), /<h1>Not Found<\/h1>/)
  for (const [wanted, type] of Object.entries({
    'Text/HTML ; level=1, */*;q=0.1': 'text/html; charset=utf-8',
    'text/html;q=0, */*': 'application/json',
    'text/html;level=1;q=0.000': 'application/json',
    'application/json, text/html;q=0.2': 'application/json',
    'text/html, application/json;q=0.9': 'text/html; charset=utf-8',
    'text/htmlx, */*': 'application/json',
  })) {
    const negotiated = await fetch(`${url}/problems/not-published`, { headers: { accept: wanted } })
    assert.equal(negotiated.headers.get('content-type'), type, wanted)
  }
  for (const [kind, { status, title }] of Object.entries(PROBLEM_KINDS)) {
    const about = (await (await fetch(`${url}/problems/${kind}`)).json()) as Record<string, unknown>
    assert.deepEqual([about.type, about.status, about.title], [`/problems/${kind}`, status, title])
  }
})

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

test('the front page is JSON with every route and address, and each route is there', async () => {
  const answer = await fetch(`${url}/`)
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/json'])
  assert.equal(answer.headers.get('vary'), 'Accept')
  const {
    urls,
    routes,
    try: commands,
  } = (await answer.json()) as {
    urls: Record<string, string>
    routes: { method: string; path: string; summary: string }[]
    try: string[]
  }
  assert.deepEqual(routes, publishedRoutes())
  assert.deepEqual([urls.api, urls.console], [url, `http://127.0.0.1:${consolePort}`])
  assert.deepEqual(Object.keys(urls), ['api', 'console', 'traces', 'logs', 'metrics', 'alerts', 'telemetry_in'])
  assert.equal(commands[0], `curl -X POST '${url}/api/v1/orders?product_id=1&quantity=2'`)
  for (const { method, path } of routes) {
    const { status, headers } = await fetch(url + path.replace(/\{\w+\}/g, '1'), { method })
    // audit-service is down here; what isn't published is the gateway's own 404.
    assert.ok([200, 502].includes(status), `${method} ${path}: ${status}`)
    assert.equal(headers.get('content-type')!.includes('problem'), status === 502, path)
  }
})

test('in a browser the front page is HTML under a policy that lets only its own style through', async () => {
  const answer = await fetch(`${url}/`, { headers: { ...BROWSER, 'x-request-id': 'front-page' } })
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'text/html; charset=utf-8'])
  const page = await answer.text()
  assert.match(page, new RegExp(`<a href="http://127.0.0.1:${consolePort}/">Dashboards`))
  assert.ok(page.includes(`${url}/api/v1/products/1`))
  for (const { method, path } of publishedRoutes()) assert.ok(page.includes(`${method} ${path}<`), path)
  assert.match(page, /<\/html>\n$/)
  const policy = answer.headers.get('content-security-policy')!
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:; .*frame-ancestors 'none'$/)
  const [, style] = /<style>(.*)<\/style>/.exec(page)!
  assert.ok(policy.includes(createHash('sha256').update(style!).digest('base64')))
  const loaded = [...page.matchAll(/ (?:src|srcset|action|on\w+)=/g)]
  assert.deepEqual([loaded.length, /<link(?! rel="icon" href="data:,">)/.test(page)], [0, false])
  const { route, sampled, status } = await recordOf('front-page')
  assert.deepEqual([route, sampled, status], ['/', true, 200], 'it has a trace like any other')
})

test('the front page takes GET and HEAD only, and repeats nothing of a Host that could be markup', async () => {
  const head = await fetch(`${url}/?a=b`, { method: 'HEAD', headers: BROWSER })
  assert.deepEqual([head.status, await head.text()], [200, ''])
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await fetch(`${url}/`, { method })
    assert.equal(refused.headers.get('allow'), 'GET, HEAD', method)
    await problem(refused, 405, 'method-not-allowed')
  }
  for (const path of ['/.front-html', '/.front-json']) await problem(await fetch(url + path), 404, 'not-published')
  const odd = await raw('GET / HTTP/1.1\r\nHost: localhost:"><b>\r\nAccept: text/html\r\nConnection: close\r\n\r\n')
  assert.doesNotMatch(odd, /"><b>/)
  const named = await raw('GET / HTTP/1.1\r\nHost: localhost:80\r\nAccept: text/html\r\nConnection: close\r\n\r\n')
  assert.match(named, /http:\/\/localhost:80\/api/)
})

test('the page at /shop runs its own files and asks its own origin, and leads to where a trace is shown', async () => {
  const page = await fetch(`${url}/shop`, { headers: { 'x-request-id': 'shop' } })
  assert.equal(((await page.json()) as Told).url, '/shop')
  const policy = page.headers.get('content-security-policy')!
  for (const part of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"])
    assert.ok(policy.includes(part), policy)
  assert.doesNotMatch(policy, /unsafe/)
  assert.equal((await recordOf('shop')).route, '/shop')
  assert.equal((await told('/shop/shop.js')).url, '/shop/shop.js')
  const shown = await fetch(`${url}/shop/trace/${TRACE}`, { redirect: 'manual' })
  assert.deepEqual(
    [shown.status, shown.headers.get('location')],
    [302, `http://127.0.0.1:${consolePort}/trace/${TRACE}`],
  )
  for (const path of [
    '/shop/',
    '/shop/package.json',
    '/shop/trace/',
    `/shop/trace/${TRACE}0`,
    '/shop/trace/%2f%2fevil',
  ])
    await problem(await fetch(url + path), 404, 'not-published')
})

test('the front page is what its program writes', () => {
  assert.equal(readFileSync(join(import.meta.dirname, '..', FRONT_PAGE), 'utf8'), renderFrontPage())
})

test('a problem that does not exist is a 404, and a page takes GET and HEAD only', async () => {
  for (const path of ['/problems/no-such', '/problems/', '/problems', '/problems/Not-Found', '/problems/a/b']) {
    await problem(await fetch(url + path), 404, 'not-published')
  }
  const posted = await fetch(`${url}/problems/not-published`, { method: 'POST', body: 'x' })
  assert.equal(posted.headers.get('allow'), 'GET, HEAD')
  await problem(posted, 405, 'method-not-allowed')
  const head = await fetch(`${url}/problems/not-published`, { method: 'HEAD' })
  assert.deepEqual([head.status, await head.text()], [200, ''])
  for (const path of ['/.problem-html', '/.problem-json']) await problem(await fetch(url + path), 404, 'not-published')
})

test("a service's own Retry-After is not doubled", async () => {
  const response = await fetch(`${url}/api/v1/users/busy`)
  assert.equal(response.headers.get('retry-after'), '7')
  await response.text()
})

test('what is no HTTP gets a problem too, and a record', async () => {
  const answer = await raw('GARBAGE\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 400 /)
  assert.match(answer, /"type":"\/problems\/malformed-request"/)
  const long = await raw(`GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  assert.match(long, /"type":"\/problems\/uri-too-long"/)
  const coding = await raw('GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: brotli\r\n\r\n')
  assert.match(coding, /^HTTP\/1\.1 501 [\s\S]*"type":"\/problems\/unknown-transfer-coding"/)
  const requestId = /X-Request-ID: (\w+)/.exec(answer)![1]!
  assert.equal((await recordOf(requestId)).status, 400)
})

function raw(text: string): Promise<string> {
  return new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.once('close', () => done(answer))
    socket.once('error', failed)
    socket.setTimeout(5000, () => socket.destroy())
  })
}

test('security headers on every answer, no version anywhere', async () => {
  for (const path of ['/api/v1/users', '/nowhere']) {
    const { headers } = await fetch(url + path)
    assert.equal(headers.get('server'), 'nginx')
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.equal(headers.get('x-frame-options'), 'DENY')
    assert.match(headers.get('content-security-policy')!, /default-src 'none'/)
  }
})

test('stub_status answers on its own port only', async () => {
  assert.notEqual(parseStubStatus(await (await fetch(statusUrl)).text()), null)
  assert.equal((await fetch(`${url}/stub_status`)).status, 404)
})

test('the followed access log is rotated under traffic, and every record arrives once', async () => {
  const seen: string[] = []
  const cursors = new Map<string, string>()
  const ingest = async (_: Uint8Array, { name, value }: { name: string; value: string }) => cursors.set(name, value)
  const sink = { cursor: (name: string) => cursors.get(name), ingestTraces: ingest, ingestLogs: ingest }
  const follower = followAccessLog({
    accessLog,
    pidFile,
    rotateAtBytes: 20_000,
    sink,
    resource: { version: '1', instanceId: 'test', environment: 'test' },
    pollMs: 5,
    onRecord: ({ requestId }) => seen.push(requestId),
    onError: (error) => assert.fail(error as Error),
  })
  const inode = statSync(accessLog).ino
  const sent: string[] = []
  const send = async () => {
    const requestId = `rotate-${sent.length}`
    await told('/api/v1/users', { 'x-request-id': requestId })
    sent.push(requestId)
  }
  try {
    const isRotated = () => (statSync(accessLog, { throwIfNoEntry: false })?.ino ?? inode) !== inode
    while (!isRotated() && sent.length < 100) await send()
    assert.ok(isRotated())
    await send()
    const arrived = () => seen.filter((id) => id.startsWith('rotate-'))
    await until('every record has arrived', 20, arrived, (ids) => assert.deepEqual(ids, sent))
    await until('the old file is gone', 20, () => !existsSync(`${accessLog}.1`))
  } finally {
    await follower.stop()
  }
})

test('over the rate: 429 with Retry-After', async () => {
  // 50 a second with a burst of 200: of 400 at once some are refused, whatever the machine's speed.
  const answers = await Promise.all(Array.from({ length: 400 }, () => fetch(`${url}/api/v1/users`)))
  const refused = answers.filter(({ status }) => status === 429)
  assert.ok(refused.length > 0)
  assert.ok(answers.some(({ status }) => status === 200))
  assert.equal(refused[0]!.headers.get('retry-after'), '1')
  await problem(refused[0]!, 429, 'too-many-requests')
  await Promise.all(answers.map((answer) => (answer.bodyUsed ? null : answer.text())))
})
