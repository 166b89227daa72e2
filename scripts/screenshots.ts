/**
 * `node scripts/screenshots.ts`: the pictures in docs/images, taken from the running system. Start it with `npm start`
 * and give it a few minutes of `npm run load` first, so that there is something to see.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFlags } from '@sightline/local/flags'
import { readSettings, root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import type { Page } from 'playwright-core'
import project from '../package.json' with { type: 'json' }
import { chromiumPath, launch, NO_CHROMIUM, openPage, showAllPanels, unwell } from './screenshots/browser.ts'
import { terminalPage } from './screenshots/terminal.ts'

interface Picture {
  readonly name: string
  /** Of the console, or a whole address; asked for when it is this picture's turn. */
  readonly path: string | (() => Promise<string>)
  readonly height: number
  readonly light?: boolean
  /** What else is to be done first: it is taken by --only alone. */
  readonly apart?: string
  /** What must be on the page, and what is clicked before the picture is taken. */
  readonly ready: (page: Page) => Promise<void>
}

const { values } = readFlags(
  'npm run screenshots -- [--only NAME]\n\nMakes the pictures in docs/images from the running system, or one of them.',
  { options: { only: { type: 'string' } } },
)
const { ports } = readSettings()
const console_ = `http://127.0.0.1:${ports.CONSOLE_PORT}`
const gateway = `http://127.0.0.1:${ports.GATEWAY_PORT}`
const tempo = `http://127.0.0.1:${ports.TEMPO_PORT}`
const prometheus = `http://127.0.0.1:${ports.PROMETHEUS_PORT}`
const folder = join(root, 'docs/images')

const chromium = chromiumPath()
if (!chromium) {
  console.error(`No pictures: ${NO_CHROMIUM}.`)
  process.exit(1)
}
const SLOW =
  '{ name =~ "pg.query:lock_inventory.*" && duration > 250ms && span.postgresql.duration_ms != nil } && { name = "record_audit" }'
// Boards open with the minutes that there are, up to their own range.
const still = 'refresh=off'
const range = `from=now-5m&to=now&${still}`
const board = async (page: Page) => {
  await showAllPanels(page)
  const states = await unwell(page)
  if (states.length > 0) throw new Error(`Not everything has data yet:\n  ${states.join('\n  ')}`)
}
const pictures: readonly Picture[] = [
  {
    name: 'chain',
    path: async () =>
      `/d/sightline-chain?${still}&var-trace_id=${await latestTrace('{ name = "create_order" && status = error }')}`,
    height: 2130,
    ready: board,
  },
  {
    name: 'trace',
    path: async () => `/trace/${await latestTrace('{ name = "record_audit" }')}`,
    height: 860,
    ready: async (page) => {
      await page.locator('.span-row', { hasText: 'create_order' }).click()
      await page.locator('.span-details .log-line').first().waitFor()
    },
  },
  {
    name: 'map',
    path: `/map?${range}`,
    height: 760,
    light: true,
    ready: (page) => page.locator('.map-node').first().waitFor(),
  },
  {
    name: 'explore',
    path: `/explore?source=tempo&${range}&query=${encodeURIComponent('{ kind = server } | quantile_over_time(duration, .95) by (resource.service.name)')}`,
    height: 760,
    light: true,
    ready: (page) => page.locator('.result-table tbody tr').first().waitFor(),
  },
  {
    name: 'browser',
    path: `${gateway}/shop`,
    height: 640,
    light: true,
    ready: async (page) => {
      await page.getByLabel('Product').selectOption('laptop-001')
      await page.getByRole('button', { name: 'Place the order' }).click()
      const link = page.locator('#done a').first()
      const traceId = await link.getAttribute('data-trace-id')
      await stored(`{ trace:id = "${traceId}" && resource.service.name = "browser" } && { name = "record_audit" }`)
      await link.click()
      await page.locator('.span-row', { hasText: 'browser' }).nth(1).click()
      await page.locator('.span-details [role="status"]').waitFor({ state: 'detached' })
    },
  },
  {
    name: 'postgresql',
    apart: 'npm run incident -- start stuck-checkout',
    path: async () => `/trace/${await latestTrace(SLOW)}`,
    height: 1060,
    ready: async (page) => {
      await page.locator('.span-row', { hasText: 'lock_inventory' }).last().click()
      await page.locator('.query-plan').waitFor()
    },
  },
  {
    name: 'sampling',
    apart: 'TRACES_SAMPLE=0.1 npm start',
    path: `/d/sightline-telemetry?${range}`,
    height: 470,
    light: true,
    ready: async (page) => {
      await board(page)
      await page.locator('[data-title="Traces kept"]').evaluate((panel) => panel.scrollIntoView({ block: 'center' }))
    },
  },
  {
    name: 'bill',
    path: `/d/sightline-telemetry?${range}`,
    height: 540,
    ready: async (page) => {
      await board(page)
      await page
        .locator('[data-title="Bytes of a request"]')
        .evaluate((panel) => panel.scrollIntoView({ block: 'center' }))
    },
  },
  {
    name: 'schema',
    apart: 'npm run load -- --count 300',
    path: async () => {
      await sendUndeclared()
      return terminalPage('npm run telemetry:check', ['scripts/telemetry-check.ts'])
    },
    height: 290,
    ready: (page) => page.locator('pre').waitFor(),
  },
  {
    name: 'configuration',
    path: wrongSettings,
    height: 220,
    ready: (page) => page.locator('pre').waitFor(),
  },
  {
    name: 'audit',
    path: async () => {
      // The board shows the last verification: there must have been one.
      await fetch(`${console_}/api/audit/audit/verify`)
      await until('Prometheus knows of the verification', 60, async () => {
        const response = await fetch(`${prometheus}/api/v1/query?query=audit_verify_ok%3D%3D1`)
        return ((await response.json()) as { data: { result: unknown[] } }).data.result.length > 0
      })
      return `/d/sightline-audit?${still}`
    },
    height: 900,
    ready: async (page) => {
      await board(page)
      await page.getByText('intact', { exact: true }).waitFor()
    },
  },
]

await mkdir(folder, { recursive: true })
const browser = await launch(chromium)
try {
  for (const { name, path, height, light, apart, ready } of pictures) {
    if (values.only !== undefined && values.only !== name) continue
    if (apart && values.only === undefined) {
      console.log(`docs/images/${name}.png is left as it is: ${apart}, then npm run screenshots -- --only ${name}`)
      continue
    }
    const viewport = { width: 1360, height }
    const { page, problems } = await openPage(browser, { viewport, colorScheme: light ? 'light' : 'dark' })
    await page.goto(new URL(typeof path === 'string' ? path : await path(), console_).href)
    await ready(page)
    if (problems.length > 0) throw new Error(`${name}: ${problems.join('; ')}`)
    await page.screenshot({ path: join(folder, `${name}.png`) })
    console.log(`docs/images/${name}.png`)
    await page.context().close()
  }
} finally {
  await browser.close()
}

/** What somebody sends who has not read CONTRIBUTING.md: a new span, and on a known one a number as text. */
async function sendUndeclared(): Promise<void> {
  const value = (stringValue: string) => ({ stringValue })
  const [spanId, traceId] = [randomBytes(8).toString('hex'), randomBytes(16).toString('hex')]
  const now = `${Date.now()}000000`
  const span = { traceId, kind: 1, startTimeUnixNano: now, endTimeUnixNano: now }
  const spans = [
    { ...span, spanId, name: 'wrap_gift', attributes: [] },
    {
      ...{ ...span, spanId: randomBytes(8).toString('hex'), parentSpanId: spanId, name: 'validate_order' },
      attributes: [{ key: 'order.items.count', value: value('two') }],
    },
  ]
  const resource = {
    'service.name': 'order-service',
    'service.namespace': 'sightline',
    'service.version': project.version,
    'service.instance.id': 'mine',
    'deployment.environment.name': 'local',
  }
  const attributes = Object.entries(resource).map(([key, text]) => ({ key, value: value(text) }))
  await fetch(`http://127.0.0.1:${ports.OTLP_HTTP_PORT}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: {}, spans }] }] }),
  })
  await stored('{ name = "wrap_gift" }')
}

/** What a service says of a file with three mistakes in it. */
function wrongSettings(): Promise<string> {
  const right = readFileSync(join(root, 'observability/otel-config.yaml'), 'utf8')
  const file = join(tmpdir(), 'wrong.yaml')
  const mistakes = [
    ['always_on:', 'allways_on:'],
    ['schedule_delay:', 'shedule_delay:'],
    ['timeout: 10000', 'timeout: ten'],
  ] as const
  writeFileSync(
    file,
    mistakes.reduce((text, [from, to]) => text.replace(from, to), right),
  )
  const args = ['--import', '@sightline/service-kit/register', 'order-service/main.ts']
  return terminalPage(`OTEL_CONFIG_FILE=${file} node ${args.join(' ')}`, args, { OTEL_CONFIG_FILE: file })
}

/** The page's own spans come a second after its answer. */
async function stored(traceql: string): Promise<void> {
  await until(`a trace for ${traceql}`, 20, () => latestTrace(traceql).catch(() => false))
}

async function latestTrace(traceql: string): Promise<string> {
  const response = await fetch(`${tempo}/api/search?${new URLSearchParams({ q: traceql, limit: '1' })}`)
  const { traces } = (await response.json()) as { traces: { traceID: string }[] }
  const [found] = traces
  if (!found) throw new Error(`No trace for ${traceql} yet. Run npm run load for a minute first.`)
  return found.traceID.padStart(32, '0')
}
