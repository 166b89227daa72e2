/** Whatever is sent: an answer, in bounded time and memory, and the process lives. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { until } from '@sightline/service-kit/poll'
import { post, startBackend, type TestBackend } from './backend.ts'
import { logBytes, traceBytes } from './otlp.ts'

const MB = 1 << 20
/** 50,000 new attribute names each: 20 make a million. */
const NAME_REQUESTS = Number(process.env.HOSTILE_NAME_REQUESTS ?? 4)

describe('hostile input', { concurrency: false }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'hostile-'))
  let backend: TestBackend
  before(async () => {
    backend = await startBackend(dir, { QUERY_TIMEOUT: '3s', QUERY_CACHE_BYTES: '1' })
  })
  after(async () => {
    await backend?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const json = { 'content-type': 'application/json' }
  const alive = async () => {
    const bytes = traceBytes([{ trace: randomBytes(16).toString('hex'), id: '1', startMs: Date.now() }])
    assert.equal((await post(`${backend.otlp}/v1/traces`, bytes)).status, 200)
    assert.equal((await fetch(`${backend.tempo}/api/search?q=%7B%7D&limit=1`)).status, 200)
  }
  const residentMb = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${backend.process.pid}/status`, 'utf8'))?.[1]) / 1024

  test('a gzip bomb stops at the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MB))
    const started = Date.now()
    assert.equal((await post(`${backend.otlp}/v1/traces`, bomb, { 'content-encoding': 'gzip' })).status, 413)
    const pushed = await post(`${backend.loki}/loki/api/v1/push`, bomb, { ...json, 'content-encoding': 'gzip' })
    assert.equal(pushed.status, 413)
    // A block of snappy that announces 4 GiB.
    const block = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0x61])
    assert.equal((await post(`${backend.loki}/loki/api/v1/push`, block)).status, 413)
    assert.ok(Date.now() - started < 30_000)
    await alive()
  })

  test('a body of 100 MB is refused by its length, and without one when it gets too long', async () => {
    assert.equal(await endless(`${backend.otlp}/v1/traces`, { 'content-length': String(100 * MB) }), 413)
    assert.equal(await endless(`${backend.otlp}/v1/traces`, {}), 413)
    assert.equal(await endless(`${backend.loki}/loki/api/v1/push`, { 'content-type': 'application/json' }), 413)
    await alive()
  })

  test('JSON nested without end, keys without end, and a body of brackets', async () => {
    const nested = `{"resourceSpans":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    assert.equal((await post(`${backend.otlp}/v1/traces`, Buffer.from(nested), json)).status, 400)
    assert.equal((await post(`${backend.otlp}/v1/logs`, Buffer.from('['.repeat(8 * MB)), json)).status, 400)
    const value = [`{"arrayValue":{"values":[`.repeat(300), `{"intValue":1}`, `]}}`.repeat(300)].join('')
    const deep = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${value}}]}]}]}`
    assert.equal((await post(`${backend.otlp}/v1/logs`, Buffer.from(deep), json)).status, 400)
    await alive()
  })

  test('protobuf that lies about its lengths', async () => {
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(traceBytes([{ trace: 'a', id: '1', attributes: { a: 'b' }, events: [{ name: 'e' }] }]))
      for (let k = 0; k < 3; k++) bytes[Math.floor(Math.random() * bytes.length)] = Math.floor(Math.random() * 256)
      const { status } = await post(`${backend.otlp}/v1/traces`, bytes)
      assert.ok(status === 200 || status === 400, String(status))
    }
    await alive()
  })

  test('a span of 50,000 attributes is refused; names without end over many spans are kept in bounds', async () => {
    const names = (from: number, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${from + i}`, i]))
    const one = await post(
      `${backend.otlp}/v1/traces`,
      traceBytes([{ trace: 'b', id: '1', attributes: names(0, 50_000) }]),
    )
    assert.equal(one.status, 200)
    assert.match(await one.text(), /more than 2048 attributes/)
    for (let request = 0; request < NAME_REQUESTS; request++) {
      const spans = Array.from({ length: 50 }, (_, i) => ({
        trace: 'c',
        id: String(i + 1),
        startMs: Date.now(),
        attributes: names((request * 50 + i) * 1000, 1000),
      }))
      const { status } = await post(`${backend.otlp}/v1/traces`, traceBytes(spans))
      assert.ok(status === 200 || status === 429, String(status))
    }
    const started = Date.now()
    await alive()
    assert.ok(Date.now() - started < 30_000, `${Date.now() - started} ms`)
    await until('resident memory below 900 MB', 20, () => residentMb() < 900)
  })

  test('times at the ends of the world', async () => {
    for (const startMs of [0, 1, 8_000_000_000_000, 18_000_000_000_000]) {
      const bytes = traceBytes([{ trace: randomBytes(16).toString('hex'), id: '1', startMs, ms: 1e9 }])
      assert.equal((await post(`${backend.otlp}/v1/traces`, bytes)).status, 200)
    }
    for (const range of [
      'start=1&end=9999999999',
      'start=0&end=99999999999999999999',
      'start=-5&end=5',
      'start=1e9&end=2e9',
    ]) {
      for (const path of [
        '/api/search?q=%7B%7D',
        '/api/metrics/query_range?q=%7B%7D%7Crate()&step=1ms',
        '/api/metrics/query?q=%7B%7D%7Crate()',
        '/api/v2/search/tags?',
      ]) {
        const { status } = await fetch(`${backend.tempo}${path}&${range}`)
        // 503: the many names above, joined on a slow machine, may take longer than a query may.
        assert.ok([200, 400, 503].includes(status), `${path}&${range}: ${status}`)
      }
    }
    await alive()
  })

  test('queries that would run for ever, and queries that are no text', async () => {
    const nestings = ['(', '{', '!', '-'].map((sign) => `{ ${sign.repeat(50_000)}`)
    const regexes = [
      '{ name =~ "(a+)+$" }',
      `{ name =~ "${'(.*)'.repeat(40)}x" }`,
      `{ name =~ "${'a?'.repeat(500)}${'a'.repeat(500)}" }`,
    ]
    for (const q of [
      ...nestings.map((text) => text.slice(0, 12_000)),
      ...regexes,
      '\0',
      '{ .a = "\uD800" }',
      `{ .${'x'.repeat(10_000)} = 1 }`,
    ]) {
      const { status } = await fetch(`${backend.tempo}/api/search?q=${encodeURIComponent(q.toWellFormed())}`)
      assert.ok([200, 400, 431, 503].includes(status), `${q.slice(0, 40)}: ${status}`)
    }
    for (const path of [
      '/api/search?q=%',
      '/api/v2/search/tag/%/values',
      '/api/traces/%00',
      `/api/traces/${'a'.repeat(5000)}`,
    ]) {
      assert.ok([200, 400].includes((await fetch(`${backend.tempo}${path}`)).status), path)
    }
    await alive()
  })

  test('a page of another site is answered at no port, whether it asks across origins or made a name resolve here', async () => {
    const paths = [
      [backend.otlp, '/v1/traces'],
      [backend.tempo, '/api/search?q=%7B%7D'],
      [backend.tempo, '/metrics'],
      [backend.tempo, '/ready'],
      [backend.loki, '/loki/api/v1/labels'],
      [backend.loki, '/loki/api/v1/push'],
      [backend.loki, '/otlp/v1/logs'],
      [backend.console, '/api/tempo/api/search?q=%7B%7D'],
      [backend.console, '/'],
    ] as const
    for (const [base, path] of paths) {
      assert.equal(await statusOf(base + path, { host: 'evil.example' }), 421, base + path)
      assert.equal(await statusOf(base + path, { origin: 'https://evil.example' }), 403, base + path)
      for (const own of [{ host: 'localhost' }, { host: '10.0.0.7:3200' }, { origin: 'http://localhost:3000' }])
        assert.ok(![403, 421].includes(await statusOf(base + path, own)), `${base}${path} ${JSON.stringify(own)}`)
    }
  })

  /** With headers that fetch would choose itself. */
  function statusOf(url: string, headers: { host?: string; origin?: string }): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request(url, { headers, agent: false }, (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode!))
      })
      asked.once('error', reject).end()
    })
  }

  test('whatever stands in the request line is answered, and never as a fault of ours', async () => {
    const targets = [
      ...[
        '//',
        '///',
        '//evil.example/x',
        '//v1/traces',
        '/\\evil',
        '//[',
        '//a:b:c',
        '*',
        '/%',
        '/%00',
        '/%zz',
        '/?%',
      ],
      ...[
        '/api/traces/%',
        '/api/v2/search/tag/%/values',
        '/loki/api/v1/label/%/values',
        '/loki/api/v1/query_range?query=%',
      ],
      ...['/dashboards/%', '/api/tempo/%', '/api/tempo//', `/${'/'.repeat(5_000)}`, `/${'a'.repeat(30_000)}`],
      ...['http://localhost', 'http://[', 'http://localhost:x/', 'users', '?x', 'localhost:80', '/a\tb', '/\x80', ''],
    ]
    for (const base of [backend.otlp, backend.tempo, backend.loki, backend.console]) {
      for (const target of targets) {
        const answer = await rawly(base, `GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
        assert.match(
          answer,
          /^HTTP\/1\.1 [24]\d\d .*\r\ncontent-type: /is,
          `${base} ${JSON.stringify(target.slice(0, 80))}`,
        )
      }
      const long = await rawly(base, `GET /${'a'.repeat(70_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
      assert.match(long, /^HTTP\/1\.1 431 .*longer than 65536 bytes/s)
    }
    const whole = `${backend.tempo}/api/echo`
    assert.match(await rawly(backend.tempo, `GET ${whole} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 200 .*echo/s, 'a whole URL')
    assert.equal(await statusOf(`${backend.otlp}/v1/traces`, {}), 405)
  })

  /** The whole answer to bytes that no client would write. */
  async function rawly(base: string, request: string): Promise<string> {
    const socket = connect(Number(new URL(base).port), '127.0.0.1')
    socket.write(Buffer.from(request, 'latin1'))
    return text(socket)
  }

  test('a query that takes long ends when its time is up, and others are answered meanwhile', async () => {
    // Sets of one trace as deep as it has spans: each `>>` walks millions of steps, and there are hundreds of them.
    const deep = Array.from({ length: 2_000 }, (_, i) => ({
      trace: 'deeb',
      id: (i + 1).toString(16),
      ...(i > 0 && { parent: i.toString(16) }),
      startMs: Date.now(),
      name: 'link',
    }))
    assert.equal((await post(`${backend.otlp}/v1/traces`, traceBytes(deep))).status, 200)
    const line = { body: `!${'word '.repeat(100_000)}`, service: 'long', ms: Date.now() }
    const logs = Array.from({ length: 200 }, () => ({ body: 'short', service: 'short', ms: Date.now() }))
    assert.equal((await post(`${backend.otlp}/v1/logs`, logBytes([line, ...logs]))).status, 200)

    const chain = `{ name = "link" } | by(name) | ${Array(600).fill('{ name = "link" }').join(' >> ')}`
    const work = '{{ range $i, $n := 2000 }}{{ printf "%9999d" 1 | len }}{{ end }}'
    const loki = (query: string) => `${backend.loki}/loki/api/v1/query_range?query=${encodeURIComponent(query)}`
    const long: [string, number[]][] = [
      [`${backend.tempo}/api/search?q=${encodeURIComponent(chain)}`, [503]],
      [loki(`{service_name="short"} | line_format \`${work}\``), [200, 400, 503]],
    ]
    for (const [url, statuses] of long) {
      let { status, body, meanwhile } = await besideShortOnes(url)
      // On a crowded machine each short one, too, may have taken longer than a query may: anew then.
      for (let tries = 1; status === 503 && meanwhile === 0 && tries < 5; tries++)
        ({ status, body, meanwhile } = await besideShortOnes(url))
      assert.ok(statuses.includes(status), `${status}: ${body.slice(0, 300)}`)
      if (status === 503) {
        assert.match(body, /took longer than 3 s/)
        assert.ok(meanwhile >= 1, `${meanwhile} answered meanwhile`)
      }
    }
    // Within a single match nobody's turn can come: it ends by the time that a match may take, or that the query may.
    const match = await fetch(loki('{service_name="long"} | regexp `(?P<a>(\\w+ ?){1,200})!`'))
    assert.ok([400, 503].includes(match.status), `${match.status}: ${(await match.text()).slice(0, 300)}`)
  })

  /** The answer to a long query, and how many short ones were answered before it. */
  async function besideShortOnes(url: string): Promise<{ status: number; body: string; meanwhile: number }> {
    let answered = false
    const answer = fetch(url).then(async (response) => {
      answered = true
      return { status: response.status, body: await response.text() }
    })
    let meanwhile = 0
    while (!answered) {
      // It waits for its turn, and reads nothing: with the names of a test above a search would take long itself.
      const quick = await fetch(`${backend.loki}/loki/api/v1/query?query=vector(1)`)
      assert.ok([200, 503].includes(quick.status), `${quick.status}`)
      await quick.text()
      if (!answered && quick.status === 200) meanwhile++
    }
    return { ...(await answer), meanwhile }
  }

  test('half a request, then silence, does not hold up others', async () => {
    const { port } = new URL(backend.otlp)
    const sockets = Array.from({ length: 30 }, () => connect(Number(port), '127.0.0.1'))
    for (const socket of sockets)
      socket.write(
        'POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100000\r\n\r\nabc',
      )
    await alive()
    for (const socket of sockets) socket.destroy()
  })

  test('HTTP/2 on Tempo’s port: bytes that are none, many that say nothing, a question too long', async () => {
    const port = Number(new URL(backend.tempo).port)
    const open = () => connect(port, '127.0.0.1').on('error', () => {})
    const silent = Array.from({ length: 200 }, open)
    const garbled = Array.from({ length: 20 }, () => {
      const socket = open()
      socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), randomBytes(MB)]))
      // It may be refused while it still writes, which is an error and what was wanted.
      return new Promise((closed) => socket.resume().once('close', closed))
    })
    await Promise.all(garbled)
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    const same = (bytes: Buffer) => bytes
    const refused = (message: Buffer) =>
      new Promise<ServiceError>((resolve) => {
        const call = client.makeServerStreamRequest('/tempopb.StreamingQuerier/Search', same, same, message)
        call.on('data', () => {}).once('error', resolve)
      })
    assert.equal((await refused(Buffer.alloc(3 * MB, 'x'))).code, status.RESOURCE_EXHAUSTED)
    assert.equal((await refused(Buffer.alloc(MB / 2, 0xff))).code, status.INVALID_ARGUMENT)
    client.close()
    await alive()
    for (const socket of silent) socket.destroy()
  })

  test('patterns of lines that are endless, and of lines that have nothing in common', {
    timeout: 60_000,
  }, async () => {
    const random = Array.from({ length: 3_000 }, () => randomBytes(60).toString('latin1'))
    const lines = [...random, 'x '.repeat(MB), '<_>'.repeat(100_000), '='.repeat(MB), 'a=b '.repeat(200_000)]
    const values = lines.map((line) => [String(BigInt(Date.now()) * 1_000_000n), line])
    const body = Buffer.from(JSON.stringify({ streams: [{ stream: { app: 'endless' }, values }] }))
    assert.equal((await post(`${backend.loki}/loki/api/v1/push`, body, json)).status, 204)
    const query = new URLSearchParams({ query: '{app="endless"}', step: '1h' })
    const response = await fetch(`${backend.loki}/loki/api/v1/patterns?${query}`)
    assert.equal(response.status, 200)
    const found = (await response.json()) as { data: { pattern: string }[] }
    assert.ok(found.data.length > 0 && found.data.length <= 500)
    assert.ok(found.data.every(({ pattern }) => pattern.length <= 3_100))
    await alive()
  })

  test('a block damaged while the process runs costs that block; all else is served', async () => {
    const trace = randomBytes(16).toString('hex')
    await post(`${backend.otlp}/v1/traces`, traceBytes([{ trace, id: '1', startMs: Date.now() }]))
    const blocks = join(dir, 'blocks')
    const names = () => readdirSync(blocks).filter((name) => name.endsWith('.block'))
    await until('a block of the many names', 20, () => names().length > 0)
    for (const name of names()) {
      const bytes = readFileSync(join(blocks, name))
      bytes.fill(0xff, 20, Math.floor(bytes.length / 2))
      writeFileSync(join(blocks, name), bytes)
    }
    for (const path of [
      '/api/search?q=%7B%20.nothing%20%3D%201%20%7D&start=1&end=9999999999',
      `/api/traces/${trace}`,
    ]) {
      assert.equal((await fetch(backend.tempo + path)).status, 200, path)
    }
    // The trace of the many names: every block of it is read, whatever is cached.
    assert.ok([200, 404].includes((await fetch(`${backend.tempo}/api/traces/c`)).status))
    assert.match(backend.output(), /damaged.*kept as/s)
    await alive()
  })
})

/** The status. A server that closes with unread data may take its answer along; then it is asked once more. */
async function endless(url: string, headers: Record<string, string>): Promise<number> {
  for (let left = 3; ; left--) {
    try {
      return await sendEndless(url, headers)
    } catch (error) {
      if (left === 1 || !['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}

/** Sends zeros until the server answers; resolves to the status. */
function sendEndless(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const chunk = Buffer.alloc(64 * 1024)
    const sending = request(
      url,
      { method: 'POST', headers: { 'content-type': 'application/x-protobuf', ...headers } },
      (response) => {
        clearInterval(timer)
        resolve(response.statusCode ?? 0)
        response.resume()
        sending.destroy()
      },
    )
    sending.on('error', (error: NodeJS.ErrnoException) => {
      clearInterval(timer)
      // The server may close before all was written; without an answer that is a failure of this test.
      setTimeout(() => reject(error), 500)
    })
    const timer = setInterval(() => {
      for (let i = 0; i < 8 && !sending.writableNeedDrain; i++) sending.write(chunk)
    }, 1)
  })
}
