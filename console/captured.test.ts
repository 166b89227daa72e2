/** What the console's server answers from an unpacked capture. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createConsoleServer } from './server.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-captured-'))
const opened = { file: 'a "b"<c>&.zip', from: '2026-05-01T11:00:00.000Z', to: '2026-05-01T12:00:00.000Z' }
const answer = { schema: { refId: 'A', fields: [{ name: 'n', type: 'number' }] }, data: { values: [[7]] } }
const rows = [3, 2, 1].map((id) => ({ id, user_id: id % 2, trace_id: `t${id}` }))
let base: string
const server = createConsoleServer({
  dist: (() => {
    mkdirSync(join(folder, 'dist'))
    writeFileSync(join(folder, 'dist/index.html'), '<!doctype html><html><head><title>t</title></head></html>')
    writeFileSync(join(folder, 'opened.json'), JSON.stringify(opened))
    writeFileSync(join(folder, 'audit.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    writeFileSync(join(folder, 'panels.jsonl'), `${JSON.stringify({ dashboard: 'd', panel: 5, refId: 'A', answer })}\n`)
    mkdirSync(join(folder, 'boards'))
    const panels = [5, 6].map((id) => ({ id, targets: [{ refId: 'A', rawSql: 'select 1' }] }))
    writeFileSync(join(folder, 'boards/d.json'), JSON.stringify({ uid: 'd', title: 'D', panels }))
    return join(folder, 'dist')
  })(),
  dashboards: join(folder, 'boards'),
  capture: folder,
  tempoUrl: 'http://127.0.0.1:1',
  lokiUrl: 'http://127.0.0.1:1',
  prometheusUrl: 'http://127.0.0.1:1',
  auditUrl: 'http://127.0.0.1:1',
})

before(async () => {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(async () => {
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  rmSync(folder, { recursive: true })
})

test('a page says which capture it shows, whatever its file is called', async () => {
  const page = await (await fetch(`${base}/d/any`)).text()
  const content = /<meta name="sightline-capture" content="([^"<]*)" \/><\/head>/.exec(page)![1]!
  const text = content.replaceAll('&lt;', '<').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
  assert.deepEqual(JSON.parse(text), opened)
})

test('audit rows come in pages, filtered; the hash chain is not checked', async () => {
  const get = async (query: string) => {
    const response = await fetch(`${base}/api/audit/audit${query}`)
    return { status: response.status, body: await response.json() }
  }
  assert.deepEqual(await get('?limit=2'), { status: 200, body: { items: rows.slice(0, 2), next_cursor: '2' } })
  assert.deepEqual((await get('?limit=2&cursor=2')).body, { items: rows.slice(2), next_cursor: null })
  assert.deepEqual((await get('?trace_id=t2')).body.items, [rows[1]])
  assert.deepEqual((await get('?user_id=1&cursor=3')).body.items, [rows[2]])
  assert.equal((await get('?limit=1000')).status, 422)
  assert.equal((await get('/verify')).status, 404)
})

test('what fired at its end is told, and where the capture does not know it, that', async () => {
  const get = async (path: string) => {
    const response = await fetch(`${base}/api/prometheus/api/v1/${path}`)
    return { status: response.status, body: await response.json() }
  }
  assert.equal((await get('rules?type=alert')).status, 404)
  const alerts = [{ state: 'firing', labels: { alertname: 'a' } }]
  const rules = { status: 'success', data: { groups: [{ name: 'g', rules: [{ name: 'a', alerts }, { name: 'b' }] }] } }
  writeFileSync(join(folder, 'rules.json'), JSON.stringify(rules))
  assert.deepEqual(await get('rules?type=alert'), { status: 200, body: rules })
  assert.deepEqual(await get('alerts'), { status: 200, body: { status: 'success', data: { alerts } } })
})

test('the SQL of a panel shows what it found; one that was not captured says that there is no database', async () => {
  const ask = (panel: string) => {
    const form = { dashboard: 'd', panel, refId: 'A', from: '1', to: '2', intervalMs: '1', 'var-x': 'y' }
    return fetch(`${base}/api/postgres/query`, { method: 'POST', body: new URLSearchParams(form) })
  }
  assert.deepEqual(await (await ask('5')).json(), answer)
  assert.equal((await ask('6')).status, 503)
})
