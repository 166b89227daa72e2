/** What the console's server says of what it runs without. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type ConsoleOptions, createConsoleServer } from './server.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-absent-'))
mkdirSync(join(folder, 'dist'))
mkdirSync(join(folder, 'boards'))
writeFileSync(join(folder, 'dist/index.html'), '<!doctype html><html><head><title>t</title></head></html>')
after(() => rmSync(folder, { recursive: true }))

const target = (type: string, more: object = {}) => ({ targets: [{ datasource: { type }, ...more }] })
const boards = {
  metrics: [target('prometheus'), target('prometheus'), target('loki'), { type: 'text' }],
  half: [target('tempo'), target('prometheus')],
  spans: [target('tempo'), target('tempo'), target('prometheus')],
  sql: [{ type: 'row', panels: [target('grafana-postgresql-datasource')] }],
  map: [target('tempo', { queryType: 'serviceMap' })],
  foreign: [target('influxdb')],
  empty: [],
  odd: 'no list',
}
for (const [uid, panels] of Object.entries(boards))
  writeFileSync(join(folder, `boards/${uid}.json`), JSON.stringify({ uid, title: uid, panels }))

const nowhere = 'http://127.0.0.1:1'
const PRESENT: Partial<ConsoleOptions> = {
  prometheusUrl: nowhere,
  auditUrl: nowhere,
  database: { host: '127.0.0.1', port: 1, database: 'd', user: 'u', password: 'p' },
}

/** Asks a console with these options for `paths`, one after the other. */
async function answers(more: Partial<ConsoleOptions>, ...paths: string[]): Promise<{ status: number; text: string }[]> {
  const server = createConsoleServer({
    dist: join(folder, 'dist'),
    dashboards: join(folder, 'boards'),
    tempoUrl: nowhere,
    lokiUrl: nowhere,
    ...more,
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  try {
    const found = []
    for (const path of paths) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`)
      found.push({ status: response.status, text: await response.text() })
    }
    return found
  } finally {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
}

const metaOf = (page: string) => /<meta name="sightline-absent" content="([^"]*)" \/><\/head>/.exec(page)?.[1]

test('every page says what there is not; where there is all, no page says anything', async () => {
  for (const page of await answers({}, '/', '/d/any')) assert.equal(metaOf(page.text), 'prometheus audit postgres')
  const [some] = await answers({ ...PRESENT, auditUrl: undefined }, '/')
  assert.equal(metaOf(some!.text), 'audit')
  const [all] = await answers(PRESENT, '/')
  assert.doesNotMatch(all!.text, /sightline-absent/)
})

test('boards that would show little are listed with what they miss', async () => {
  const listed = async (more: Partial<ConsoleOptions>) => {
    const [list] = await answers(more, '/dashboards.json')
    const entries = JSON.parse(list!.text) as { uid: string; without?: string[]; error?: string }[]
    assert.equal(entries.length, Object.keys(boards).length)
    assert.ok(entries.every(({ error }) => error === undefined))
    return Object.fromEntries(entries.flatMap(({ uid, without }) => (without ? [[uid, without]] : [])))
  }
  assert.deepEqual(await listed({}), {
    metrics: ['prometheus'],
    half: ['prometheus'],
    map: ['prometheus'],
    sql: ['postgres'],
  })
  assert.deepEqual(await listed({ ...PRESENT, database: undefined }), { sql: ['postgres'] })
  assert.deepEqual(await listed(PRESENT), {})
})

test('who asks for it all the same is told in words; what is there is asked', async () => {
  const [metrics, audit, traces] = await answers(
    {},
    '/api/prometheus/api/v1/query?query=up',
    '/api/audit/audit',
    '/api/tempo/api/search?q={}',
  )
  assert.deepEqual(metrics, { status: 404, text: 'This console runs without Prometheus: PROMETHEUS_URL names none.\n' })
  assert.deepEqual(audit, {
    status: 404,
    text: 'This console runs without audit-service: AUDIT_SERVICE_URL names none.\n',
  })
  assert.equal(traces!.status, 502)
})
