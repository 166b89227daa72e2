import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import fc from 'fast-check'
import { anyCharacter } from '../../test/any-text.ts'
import { incidents } from '../incident/incidents/index.ts'
import { type Answer, DEFAULT_BYTES, LEAST_BYTES, render } from './answer.ts'
import { tools } from './index.ts'
import { serveMcpOverHttp } from './mcp-http.ts'
import type { System } from './system.ts'
import { BEGAN_NS, bigTrace, lokiWith, startEngines } from './test/engines.ts'
import { momentText, readWindow } from './window.ts'

const spell = (next: object) => JSON.stringify(next)
const size = (text: string) => Buffer.byteLength(text)

async function ask(name: string, system: System, args: Record<string, unknown> = {}) {
  const tool = tools.find((one) => one.name === name)!
  const checked = tool.schema.parse(args)
  const answer = await tool.run(checked, system)
  for (const { name } of answer.lists) assert.ok(!(name in answer.facts), `${name} is a fact and a list`)
  const text = render(answer, checked.bytes as number, 'text', spell)
  const json = render(answer, checked.bytes as number, 'json', spell)
  assert.ok(size(text) <= (checked.bytes as number), `${name}: ${size(text)} bytes of text`)
  assert.ok(size(json) <= (checked.bytes as number), `${name}: ${size(json)} bytes of JSON`)
  return { text, json: JSON.parse(json) }
}

test('whatever was found, an answer is no longer than was asked for, is JSON, steers no terminal, and says how much is missing', () => {
  const value = fc.oneof(
    fc.string({ unit: anyCharacter, maxLength: 3000 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  )
  const row = fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), value, { maxKeys: 6 })
  const list = fc.record({ rows: fc.array(row, { maxLength: 300 }), beyond: fc.nat(1_000_000) })
  fc.assert(
    fc.property(fc.array(list, { maxLength: 4 }), fc.integer({ min: LEAST_BYTES, max: 20_000 }), (lists, bytes) => {
      const answer: Answer = {
        facts: { what: 'anything' },
        lists: lists.map(({ rows, beyond }, n) => ({
          name: `list_${n}`,
          rows,
          total: rows.length + beyond,
          next: (shown) => ({ offset: shown }),
        })),
      }
      const text = render(answer, bytes, 'text', spell)
      assert.ok(size(text) <= bytes)
      const json = render(answer, bytes, 'json', spell)
      for (const output of [text.replaceAll('\n', ''), json])
        assert.doesNotMatch(output, /\p{Cc}/u, 'steers a terminal')
      assert.ok(size(json) <= bytes)
      const { left_out, ...shown } = JSON.parse(json)
      for (const [n, { rows, beyond }] of lists.entries()) {
        const missing = rows.length + beyond - shown[`list_${n}`].length
        const said = left_out.find(({ of }: { of: string }) => of === `list_${n}`)
        assert.equal(said?.count ?? 0, missing)
        if (missing > 0) assert.deepEqual(said.ask_with, { offset: shown[`list_${n}`].length })
      }
    }),
    { numRuns: 60 },
  )
})

test('a trace of 20,000 spans is told in brief, page by page, and of its parts no more than fits', async (t) => {
  const id = 'a'.repeat(32)
  const body = JSON.stringify(bigTrace(id, 20_000))
  const engines = await startEngines({
    [`/api/traces/${id}`]: () => body,
    '/loki/api/v1/query_range': lokiWith(1_000_000, 10),
  })
  t.after(() => engines[Symbol.asyncDispose]())
  const { system } = engines

  const brief = await ask('trace', system, { trace: id })
  assert.equal(brief.json.spans, 20_000)
  assert.equal(brief.json.failed_spans, 15)
  assert.match(brief.json.errors[0].reason, /row \d+ is locked/)
  assert.match(brief.text, /… left out: [\d,]+ tree; ask with \{"offset":\d+\}/)
  // Siblings of one name are one row: the chain, the failed ones and three more.
  const tree = brief.json.left_out.find(({ of }: { of: string }) => of === 'tree')
  assert.equal(brief.json.tree.length + tree.count, 1 + 4_000 + 15 + 3)

  const next = await ask('trace', system, { trace: id, ...tree.ask_with })
  assert.equal(next.json.tree[0].depth, brief.json.tree.at(-1).depth + 1)
  const end = await ask('trace', system, { trace: id, every: true, offset: 19_999 })
  assert.equal(end.json.tree.length, 1)
  assert.deepEqual(end.json.left_out, [])
  const below = await ask('trace', system, { trace: id, below: 'fa0' })
  assert.match(below.json.tree[0].name, /^step/)

  const path = await ask('path', system, { trace: id })
  assert.equal(path.json.path_ms, 20)
  assert.ok(path.json.shorter_than_1_percent > 1000)
  const stretches = await ask('path', system, { trace: id, every: true })
  assert.ok(stretches.json.left_out.some(({ count }: { count: number }) => count > 1000))
  assert.equal((await ask('span', system, { trace: id, span: '4a39' })).json.message, 'row 19000 is locked')
  const lines = await ask('trace-logs', system, { trace: id })
  assert.match(lines.json.lines[0].line, /^line 0 /)
  assert.equal(lines.json.left_out[0].count, null)
})

test('a million lines are read a page at a time: each goes on where the last one ended, also within one moment', async (t) => {
  const engines = await startEngines({ '/loki/api/v1/query_range': lokiWith(1_000_000, 1500) })
  t.after(() => engines[Symbol.asyncDispose]())
  const start = momentText(BEGAN_NS - 1_000_000_000n)
  let args: Record<string, unknown> = { start, end: momentText(BEGAN_NS + 1_000_000_000n), bytes: 65_536, limit: 2000 }
  let wanted = 999_999
  for (let pages = 0; pages < 5; pages++) {
    const { json } = await ask('logs', engines.system, args)
    assert.ok(json.lines.length > 300)
    for (const { line } of json.lines) assert.equal(line.split(' ')[1], String(wanted--))
    args = { ...args, ...json.left_out[0].ask_with }
  }
  const first = await ask('logs', engines.system, { start, end: args.end, oldest: true })
  assert.match(first.json.lines[0].line, /^line 0 /)
})

test('an engine that sends more than it was asked for is not read to the end', async (t) => {
  let sent = 0
  let isGone = false
  const engines = await startEngines({
    '/loki/api/v1/query_range': (_, response) => {
      response.once('close', () => {
        isGone = true
      })
      const line = `"${'x'.repeat(65_536)}",`
      const more = () => {
        while (!isGone && sent < 2 ** 30 && response.write(line)) sent += line.length
        if (!isGone) response.once('drain', more)
      }
      more()
    },
  })
  t.after(() => engines[Symbol.asyncDispose]())
  await assert.rejects(
    ask('logs', engines.system),
    /Loki answers with more than 16 MB, which is not read\. Ask for fewer lines/,
  )
  assert.ok(sent < 64 * 2 ** 20, `${sent} bytes were taken`)
})

test('of many series a page is shown, and the next one goes on behind it', async (t) => {
  const engines = await startEngines({
    '/api/v1/query': (query) => {
      const result = Array.from({ length: Number(query.get('limit')) }, (_, n) => ({
        metric: { pod: `pod-${n}` },
        value: [1, String(n)],
      }))
      return { status: 'success', data: { resultType: 'vector', result } }
    },
  })
  t.after(() => engines[Symbol.asyncDispose]())
  const first = await ask('metrics', engines.system, { query: 'up' })
  assert.deepEqual(first.json.series[0], { series: 'pod=pod-0', value: 0 })
  const [{ count, ask_with }] = first.json.left_out
  assert.equal(count, null, 'how many there are is not known: no more than a thousand were asked for')
  const second = await ask('metrics', engines.system, { query: 'up', ...ask_with })
  assert.equal(second.json.series[0].value, first.json.series.length)
})

test('what is no engine is told from one that refuses', async (t) => {
  const engines = await startEngines({
    '/api/search': (query) => (query.get('q')!.includes('page') ? '<html>Welcome' : { traces: [] }),
    '/api/v1/query': (_, response) =>
      response.writeHead(400).end('{"status":"error","error":"parse error: unexpected end"}') && undefined,
  })
  t.after(() => engines[Symbol.asyncDispose]())
  await assert.rejects(
    ask('traces', engines.system, { query: '{ name = "page" }' }),
    /is not Tempo: "<html>Welcome" is no JSON/,
  )
  await assert.rejects(
    ask('metrics', engines.system, { query: 'sum(' }),
    /^Unanswered: Prometheus refuses: parse error: unexpected end/,
  )
  assert.match((await ask('traces', engines.system)).json.nothing, /^Nothing in this time .* npm run load/)
})

test('a failure begins once: not at the call either, nor at a call that was left out, and says what happened', async (t) => {
  const spanOf = (service: string, id: string, parent: string, [from, to]: [number, number], said: object) => ({
    spanID: id,
    name: id,
    startTimeUnixNano: String(BEGAN_NS + BigInt(from)),
    durationNanos: String(to - from),
    attributes: Object.entries({ 'service.name': service, 'span:parentID': parent, kind: 'internal', ...said }).map(
      ([key, stringValue]) => ({ key, value: { stringValue } }),
    ),
  })
  const search = (...spans: object[]) => ({
    '/api/search': () => ({ traces: [{ traceID: '1', startTimeUnixNano: String(BEGAN_NS), spanSets: [{ spans }] }] }),
  })
  const code = {
    kind: 'client',
    'error.type': '42501',
    statusMessage: "PostgreSQL error of type 'error' occurred (code: 42501)",
  }
  const engines = await startEngines(
    search(
      // The server span between them is answered with a 422, which is no error of its own.
      spanOf('order', 'call', 'deliver', [0, 100], { kind: 'client', 'error.type': '422' }),
      spanOf('audit', 'record', 'server', [20, 80], { statusMessage: 'Unknown schema' }),
      spanOf('audit', 'insert', 'record2', [30, 40], code),
      spanOf('audit', 'record2', 'server2', [25, 70], { statusMessage: 'permission denied for function seal' }),
      spanOf('order', 'away', 'deliver', [200, 300], { 'error.type': 'next_hop_unavailable' }),
    ),
  )
  t.after(() => engines[Symbol.asyncDispose]())
  const { json } = await ask('errors', engines.system)
  const told = json.groups.map(({ name, began, message }: Record<string, unknown>) => [name, began, message])
  assert.deepEqual(told.toSorted(), [
    ['away', 0, ''],
    ['call', 0, ''],
    ['insert', 1, 'permission denied for function seal'],
    ['record', 1, 'Unknown schema'],
    ['record2', 0, 'permission denied for function seal'],
  ])
})

test("a trace that can't be, and one that is young, are told", async (t) => {
  const now = BigInt(Date.now()) * 1_000_000n
  const traceOf = (began: bigint, shift: bigint) =>
    JSON.stringify({
      resourceSpans: ['shop', 'store'].map((service, n) => ({
        resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
        scopeSpans: [
          {
            spans: [
              {
                traceId: 'a'.repeat(32),
                spanId: `${n + 1}`.repeat(16),
                ...(n > 0 && { parentSpanId: '1'.repeat(16) }),
                name: `step ${n}`,
                kind: 1,
                startTimeUnixNano: String(began + (n > 0 ? shift : 0n)),
                endTimeUnixNano: String(began + 5_000_000n + (n > 0 ? shift : 0n)),
              },
            ],
          },
        ],
      })),
    })
  const engines = await startEngines({
    [`/api/traces/${'a'.repeat(32)}`]: () => traceOf(now - 3_600_000_000_000n, -150_000_000_000n),
    [`/api/traces/${'b'.repeat(32)}`]: () => traceOf(now - 1_000_000_000n, 1_000_000n),
  })
  t.after(() => engines[Symbol.asyncDispose]())
  const shifted = await ask('trace', engines.system, { trace: 'a'.repeat(32) })
  assert.match(shifted.json.before_its_parent, /^store step 1 begins 150\.00 s before shop step 0 that called it: do/)
  assert.equal(shifted.json.young, undefined)
  const young = await ask('trace', engines.system, { trace: 'b'.repeat(32) })
  assert.equal(young.json.before_its_parent, undefined)
  assert.match(young.json.young, /ask again/)
})

test('failures are grouped by what differs in more than numbers, and where they began comes first', async (t) => {
  const spanOf = (n: number, name: string, parent: string, message: string) => ({
    spanID: `${name}${n}`,
    name,
    startTimeUnixNano: String(BEGAN_NS + BigInt(n)),
    attributes: Object.entries({ 'service.name': 'shop', 'span:parentID': parent, statusMessage: message }).map(
      ([key, stringValue]) => ({ key, value: { stringValue } }),
    ),
  })
  const traces = Array.from({ length: 30 }, (_, n) => ({
    traceID: `${n + 1}`,
    startTimeUnixNano: String(BEGAN_NS),
    spanSets: [{ spans: [spanOf(n, 'order', '', ''), spanOf(n, 'query', `order${n}`, `row ${n} is locked`)] }],
  }))
  const engines = await startEngines({ '/api/search': () => ({ traces }) })
  t.after(() => engines[Symbol.asyncDispose]())
  const { json } = await ask('errors', engines.system)
  const told = json.groups.map(({ name, began, spans, traces, message }: Record<string, unknown>) => [
    name,
    began,
    spans,
    traces,
    message,
  ])
  assert.deepEqual(told, [
    ['query', 30, 30, 30, 'row 29 is locked'],
    ['order', 0, 30, 30, ''],
  ])
})

test('compare ranks what one side has more often', async (t) => {
  const series = (type: string, attribute: string, value: string, count: number) => ({
    labels: [
      { key: '__meta_type', value: { stringValue: type } },
      { key: attribute, value: { stringValue: value } },
    ],
    value: count,
  })
  const totals = ['name', 'kind', 'status', 'span.region', 'span.shop'].flatMap((attribute) => [
    series('selection_total', attribute, 'nil', 100),
    series('baseline_total', attribute, 'nil', 1000),
  ])
  let asked: string | null = ''
  let north = 93
  const engines = await startEngines({
    '/api/metrics/query': (query) => {
      asked = query.get('q')
      return {
        series: [
          ...totals,
          series('selection', 'span.region', 'north', north),
          series('baseline', 'span.region', 'north', 40),
          series('selection', 'span.shop', '7', 10),
          series('baseline', 'span.shop', '7', 100),
          series('selection', 'kind', 'server', 100),
        ],
      }
    },
  })
  t.after(() => engines[Symbol.asyncDispose]())
  const { json } = await ask('compare', engines.system, { query: '{ kind = server }' })
  assert.equal(asked, '{ } | compare({ kind = server }, 30)')
  assert.equal(json.says, '93 % of the selected spans have span.region = "north", of the others 4 %.')
  assert.equal(json.look_at, '{ (kind = server) && (span.region = "north") }')
  // What was asked for differs, and what both sides have as often does not.
  assert.deepEqual(json.differences, [
    { attribute: 'span.region', value: 'north', selection_percent: 93, rest_percent: 4, other_values: [] },
  ])
  north = 7
  const alike = (await ask('compare', engines.system, { query: '{ kind = server }' })).json
  assert.match(alike.says, /^Nothing differs clearly\. At most: 7 %/)
  assert.ok(!('look_at' in alike), 'such spans would tell nothing')
  await ask('compare', engines.system, {
    query: '{ status = error }',
    against: '{ status = ok }',
    among: '{ kind = client }',
  })
  assert.match(
    asked!,
    /^\{ kind = client \} \| \{ \(status = error\) \|\| \(status = ok\) \} \| compare\(\{ status = error \}, 30\)$/,
  )
  await assert.rejects(
    ask('compare', engines.system, { query: 'errors' }),
    /"errors" is no filter .* as \{ status = error \}/,
  )
})

test('an incident is told as it was noticed: nothing of its cause', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-ask-'))
  t.after(() => rmSync(home, { recursive: true }))
  mkdirSync(join(home, 'incident'))
  const system = { gateway: '', tempo: '', loki: '', prometheus: '', credentials: {}, home }
  for (const { name, symptom, hints, cause } of incidents) {
    const note = { name, startedAt: Date.now(), undo: [], processes: [], hints: 0, wrong: 0 }
    writeFileSync(join(home, 'incident/note.json'), JSON.stringify(note))
    const { json, text } = await ask('incident', system)
    assert.equal(json.symptom, symptom)
    for (const secret of [...hints, cause.mechanism, ...cause.operations.filter((one) => !symptom.includes(one))])
      assert.ok(!text.includes(secret), `${name}: ${secret}`)
  }
})

test('times are read as they are written, and what is none is named with what to write', () => {
  const at = (text: string) => readWindow({ since: '1h', end: text }).endNs
  assert.equal(at('2026-05-01T12:00:00Z'), 1_777_636_800_000_000_000n)
  assert.equal(at('2026-05-01T14:00:00.000000001+02:00'), 1_777_636_800_000_000_001n)
  assert.equal(at('1777636800'), at('1777636800000'))
  assert.equal(at('1777636800000'), at('1777636800000000000'))
  for (const ns of [BEGAN_NS, BEGAN_NS + 1n, BEGAN_NS + 120_000n, BEGAN_NS + 120_000_000n])
    assert.equal(at(momentText(ns)), ns)
  assert.throws(() => at('yesterday'), /end "yesterday" is no time\. Write RFC 3339/)
  assert.throws(() => readWindow({ since: 'an hour' }), /"an hour" is no duration\. Write 90s/)
  assert.throws(() => readWindow({ since: '1h', start: '1777636801', end: '1777636800' }), /is not before end/)
})

test('in a terminal: exit codes, and what is wrong with what to do', () => {
  const env = { ...process.env, TEMPO_URL: 'http://127.0.0.1:9', SIGHTLINE_HOME: '/nowhere' }
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, '../ask.ts'), ...args], { env, encoding: 'utf8' })
  const cases: [string[], number, RegExp][] = [
    [['trase'], 2, /There is no tool "trase"\. Did you mean trace/],
    [['traces', '--limit', 'many'], 2, /--limit: .*number/],
    [['traces', '--bytes', '100000'], 2, /--bytes: .*65536/],
    [['traces', '{ }', 'more'], 2, /no use for "more"/],
    [['map', '--follow'], 2, /map can't be followed/],
    [['traces'], 1, /Tempo does not answer at http:\/\/127\.0\.0\.1:9 .*npm start/],
    [['trace', 'xyz'], 2, /32 hexadecimal digits/],
    [['trace'], 2, /trace needs --trace: the trace id/],
  ]
  for (const [args, status, said] of cases) {
    const answer = run(...args)
    assert.equal(answer.status, status, answer.stderr)
    assert.match(answer.stderr, said)
    assert.equal(answer.stdout, '')
  }
  const { status, stdout } = run('traces', '--json')
  assert.equal(status, 1)
  assert.match(JSON.parse(stdout).error, /npm start/)
  assert.match(run('trace', '--help').stdout, /^Usage: npm run ask -- trace \[TRACE\]\n.*For example/s)
})

test('over HTTP: the same tools, for this machine only', async (t) => {
  const engines = await startEngines({ '/loki/api/v1/query_range': lokiWith(1_000_000, 10) })
  const server = await serveMcpOverHttp(engines.system, 0, allowedHosts())
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await engines[Symbol.asyncDispose]()
  })
  const { port, address } = server.address() as AddressInfo
  assert.equal(address, '127.0.0.1')
  const post = (headers: Record<string, string>, body = '{}', path = '/mcp') =>
    new Promise<number>((answered, failed) => {
      const options = { port, path, method: 'POST', headers: { 'content-type': 'application/json', ...headers } }
      request(options, (response) => answered(response.resume().statusCode!))
        .once('error', failed)
        .end(body)
    })
  assert.equal(await post({ host: 'evil.example' }), 421)
  assert.equal(await post({ host: 'localhost', origin: 'https://evil.example' }), 403)
  assert.equal(await post({ host: 'localhost' }, '{}', '/else'), 404)
  assert.equal(await post({ host: 'localhost' }, JSON.stringify({ x: 'x'.repeat(300_000) })), 413)

  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://localhost:${port}/mcp`)))
  t.after(() => client.close())
  const listed = await client.listTools()
  assert.deepEqual(
    listed.tools.map(({ name }) => name),
    tools.map(({ name }) => name),
  )
  assert.ok(listed.tools.every(({ annotations }) => annotations?.readOnlyHint))
  const answer = await client.callTool({ name: 'logs', arguments: { start: '1700000000', end: '1700000010' } })
  const [{ text } = { text: '' }] = answer.content as { text: string }[]
  assert.ok(size(text) <= DEFAULT_BYTES)
  assert.match(text, /… left out: more lines; ask with \{"start":/)
  const { resources } = await client.listResources()
  for (const { uri } of resources) {
    const [page] = (await client.readResource({ uri })).contents as { text: string }[]
    assert.ok(size(page!.text) <= DEFAULT_BYTES, uri)
  }
})
