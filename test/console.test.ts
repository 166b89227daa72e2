/** The console in a real browser, on a running system with traffic: every board, every page. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import type { Browser, Page, ViewportSize } from 'playwright-core'
import { buildConsole } from '../console/build.ts'
import { createConsoleServer } from '../console/server.ts'
import { quantilesOf } from '../console/src/data/quantiles.ts'
import type { Series } from '../console/src/data/series.ts'
import {
  chromiumPath,
  launch,
  NO_CHROMIUM,
  openPage,
  showAllPanels,
  unwell,
  VIEWPORT,
  type WatchedPage,
} from '../scripts/screenshots/browser.ts'
import { assertWhole, startSystem, type TestSystem } from './system.ts'

const chromium = chromiumPath()
const options = { skip: chromium ? false : NO_CHROMIUM }
// biome-ignore lint/suspicious/noTemplateCurlyInString: what Grafana writes into dashboards exported for sharing
const PLACEHOLDER = '${DS_PROMETHEUS}'
const BOARDS = ['chain', 'slo', 'database', 'audit', 'telemetry', 'spans']

let system: TestSystem
let browser: Browser
let load: ChildProcess

before(async () => {
  if (!chromium) return
  await buildConsole()
  system = await startSystem()
  const script = join(import.meta.dirname, '../scripts/load.ts')
  load = spawn(process.execPath, [script, '--rate', '2', '--minutes', '10'], {
    env: { ...process.env, GATEWAY_PORT: String(system.ports.GATEWAY_PORT) },
    stdio: 'ignore',
  })
  browser = await launch(chromium)
  shared = await openPage(browser)
})

after(async () => {
  await browser?.close()
  if (load && load.exitCode === null) {
    load.kill('SIGTERM')
    await once(load, 'exit')
  }
  await system?.[Symbol.asyncDispose]()
})

/** Waits for the whole trace: one that was just found may still be on its way to the store. */
async function storedTrace(traceId: string, names: readonly string[]): Promise<void> {
  await system.trace(traceId, 15, (spans) => {
    assertWhole(spans)
    for (const name of names)
      assert.ok(
        spans.some((span) => span.name === name),
        name,
      )
  })
}

/** An order of its own, not the load's latest: that one may have been refused. */
async function storedOrder(): Promise<{ traceId: string; orderId: string }> {
  const { json } = await system.api('POST', '/api/v1/process', { user_id: 1001, action: 'purchase' })
  await storedTrace(json.trace_id, ['create_order', 'record_audit'])
  return { traceId: json.trace_id, orderId: String(json.order.id) }
}

/** The trace id of an order that failed, once its spans and the gateway's line can be found. */
async function refusedOrder(): Promise<string> {
  const items = [{ product_id: 'no-such-product', quantity: 1 }]
  const { headers } = await system.api('POST', '/api/v1/process', { user_id: 1001, action: 'purchase', items })
  const traceId = headers.get('x-trace-id')!
  await storedTrace(traceId, ['create_order', 'validate_order'])
  await until(
    'the log line of the gateway',
    15,
    () => system.logs(`{service_name="gateway"} | trace_id="${traceId}"`),
    (lines) => assert.equal(lines.length, 1),
  )
  return traceId
}

async function sendSpans(service: string, spans: object[]): Promise<void> {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] }
  const sent = await fetch(`${system.urls.otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
  })
  assert.equal(sent.status, 200)
}

/** All tests take turns with one page: each page of its own would compile the console anew, which is half of the browser's work. */
let shared: WatchedPage

/** A page as a newcomer sees it: nothing is remembered, and no problem was met yet. */
async function newcomer(viewport: ViewportSize = VIEWPORT): Promise<WatchedPage> {
  const { page, problems } = shared
  problems.length = 0
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Storage.clearDataForOrigin', { origin: system.urls.console, storageTypes: 'local_storage' })
  await devtools.detach()
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
  await page.setViewportSize(viewport)
  await page.mouse.move(0, 0)
  return shared
}

async function open(path: string, viewport?: ViewportSize): Promise<WatchedPage> {
  const { page } = await newcomer(viewport)
  await page.goto(system.urls.console + path)
  return shared
}

const BURNING = 'ApiErrorBudgetBurnsNow'

interface SentAlert {
  labels: Record<string, string>
  annotations: { traces: string; runbook_url: string }
}

/** What Alertmanager has of the alert that is to be watched. */
async function sentAlerts(): Promise<SentAlert[]> {
  const answer = await fetch(`${system.urls.alertmanager}/api/v2/alerts?filter=alertname%3D${BURNING}`)
  return (await answer.json()) as SentAlert[]
}

test(
  'a budget that burns: its alert is on the board by name, and leads to the requests and to what to do',
  options,
  async () => {
    const began = performance.now()
    // Some are refused while others fail: the map tells them apart.
    for (let n = 0; n < 10; n++) assert.equal((await system.api('POST', '/api/v1/process', {})).status, 422)
    await system.stopComponent('order-service')
    try {
      const [alert] = await until('Alertmanager has it', 120, sentAlerts, (found) => assert.equal(found.length, 1))
      assert.deepEqual(
        [alert!.labels.severity, alert!.labels.slo, alert!.labels.console],
        ['watch', 'availability', undefined],
      )
      const { page, problems } = await open('/d/sightline-chain?from=now-15m&to=now&refresh=5s')
      const row = page.locator('[data-title="Alerts"] tbody tr', { hasText: BURNING })
      await row.waitFor()
      console.log(
        `  ${BURNING} on the board ${Math.round((performance.now() - began) / 1000)} s after the first failure`,
      )
      assert.ok(performance.now() - began < 120_000)
      assert.match((await row.textContent()) ?? '', /watch\d{4}-.*requests answered 5xx$/)

      // The page of alerts has it, too, and so does the top of every page.
      await page.getByRole('link', { name: /^Alerts \d+$/ }).click()
      const rule = page.locator('.alert-rule.firing', { hasText: BURNING })
      assert.match((await rule.locator('summary').textContent()) ?? '', /watchRequests fail right nowsince /)
      await rule.locator('td', { hasText: 'slo=availability' }).waitFor()
      await page.locator('.alert-rule.inactive').first().waitFor()
      await until(
        'Alertmanager has it',
        20,
        () => rule.locator('tbody td:last-child').textContent(),
        (told) => assert.match(told ?? '', /^(nobody|held back by another alert)$/),
      )
      await rule.locator('.alert-history .firing').first().waitFor({ state: 'attached' })
      assert.match(
        (await rule.locator('.alert-expression').getAttribute('href')) ?? '',
        /source=prometheus&query=gateway/,
      )
      await assertAccessible(page)
      await page.setViewportSize({ width: 390, height: 844 })
      await assertFits(page)
      await page.setViewportSize({ width: 1600, height: 1000 })
      await rule.getByRole('link', { name: 'Traces behind it' }).click()
      await page.waitForURL(/\/d\/sightline-slo\?.*viewPanel=101$/)
      await page.goto(`${system.urls.console}/d/sightline-chain?from=now-15m&to=now&refresh=5s`)
      await row.waitFor()

      // The number that counts alerts leads to their names, what an alert counts to the requests, a request to its trace.
      await page.locator('[data-title="Alerts firing"] .stat-value a').click()
      await page.waitForURL(/\/d\/sightline-slo\?from=\d+&to=\d+$/)
      await row.getByRole('link', { name: 'requests answered 5xx' }).click()
      await page.waitForURL(/\/d\/sightline-slo\?.*viewPanel=101$/)
      const failed = page.locator('[data-title="Failed requests"] tbody tr', { hasText: /50\d failed/ })
      await failed.first().getByRole('link').click()
      await page.waitForURL(/\/d\/sightline-chain\?.*var-trace_id=[0-9a-f]{32}/)
      await showAllPanels(page)
      await page.locator('.panel.type-traces .span-error').first().waitFor()

      // The map is red where requests fail, and yellow where they are only refused; each arrow says what it counts.
      const failing = page.locator('a.map-edge.failing', { hasText: 'gateway to user-service' })
      await until(
        'the arrow',
        45,
        async () => {
          await page.goto(`${system.urls.console}/map?from=now-15m&to=now`)
          return failing.locator('title').textContent()
        },
        (says) => assert.match(says ?? '', /[\d.]+% failed \(5xx or no answer\), [\d.]+% refused \(4xx\)/),
      )

      // The links of the alert itself lead to the same places, from wherever it is read.
      await page.goto(alert!.annotations.traces)
      await failed.first().waitFor()
      await page.goto(alert!.annotations.runbook_url)
      await page.locator(`h3#${BURNING}`).waitFor()
      await until('its section is in sight', 10, () =>
        page.evaluate<boolean>(`document.getElementById('${BURNING}').getBoundingClientRect().top < innerHeight`),
      )
      assert.deepEqual(problems, [])
    } finally {
      await system.startComponent('order-service')
    }
  },
)

for (const board of BOARDS) {
  test(`the board ${board}: data everywhere, nothing cut, one column on a phone, accessible`, options, async (t) => {
    const { page, problems } = await open(`/d/sightline-${board}?from=now-5m&to=now&refresh=5s`, {
      width: 1440,
      height: 900,
    })
    await t.test('every panel has data, without an error on the page', async () => {
      await until(
        `${board} is well`,
        90,
        async () => {
          await showAllPanels(page)
          return unwell(page)
        },
        (panels) => assert.deepEqual(panels, []),
      )
    })
    // What is looked at stands still from here on.
    await page.selectOption('[aria-label="Refresh every"]', 'off')
    await t.test('at 1440 px no title and no number is cut, and no number lies on its past', async () => {
      assert.deepEqual(await cutNumbers(page), [])
      const cutTitles = await page.evaluate<string[]>(
        `[...document.querySelectorAll('.panel-head h3')].filter((title) => title.scrollWidth > title.clientWidth)
          .map((title) => title.textContent)`,
      )
      assert.deepEqual(cutTitles, [])
    })
    await t.test('at 390 px it is one column, and nothing is wider than the screen', async () => {
      await page.setViewportSize({ width: 390, height: 844 })
      await showAllPanels(page)
      const lefts = await page.evaluate<number[]>(
        `[...document.querySelectorAll('.board-cell')].map((cell) => Math.round(cell.getBoundingClientRect().left))`,
      )
      assert.ok(lefts.length > 5)
      assert.deepEqual([...new Set(lefts)], [lefts[0]])
      assert.deepEqual(await cutNumbers(page), [])
      await assertFits(page)
    })
    await t.test('it has no serious accessibility fault, dark and light', () => assertAccessible(page))
    assert.deepEqual(problems, [])
  })
}

/** Texts of stat panels that don't fit into their tile, or lie on the line below them. */
const cutNumbers = (page: Page): Promise<string[]> =>
  page.evaluate(`[...document.querySelectorAll('.stat')].filter((tile) => {
    const range = document.createRange()
    range.selectNodeContents(tile.querySelector('.stat-value'))
    const ink = range.getBoundingClientRect()
    const box = tile.getBoundingClientRect()
    const line = tile.querySelector('.stat-shape')?.getBoundingClientRect()
    return ink.left < box.left - 1 || ink.right > box.right + 1 || (line && ink.bottom > line.top + 1)
  }).map((tile) => tile.textContent)`)

test('pages have titles of their own, and no serious accessibility fault, dark and light', options, async () => {
  const { traceId } = await storedOrder()
  const { page } = await open('/')
  const expected: Record<string, string | RegExp> = {
    '/': 'Dashboards',
    '/explore': 'Explore',
    '/differs': 'What differs',
    '/services': 'Services',
    '/alerts': /^(\(\d+\) )?Alerts · Sightline$/,
    '/map': 'Service map',
    '/audit': 'Audit table',
    '/d/sightline-chain?viewPanel=2': /^.+ · Chain · Sightline$/,
    [`/trace/${traceId}`]: `gateway: POST /api/v1/process · ${traceId.slice(0, 8)}`,
  }
  for (const [path, title] of Object.entries(expected)) {
    await page.goto(system.urls.console + path)
    await page.waitForSelector('main')
    if (path.startsWith('/trace/')) await page.locator('.span-row').nth(3).click()
    await until(
      `the title of ${path}`,
      10,
      () => page.title(),
      (shown) => (typeof title === 'string' ? assert.equal(shown, `${title} · Sightline`) : assert.match(shown, title)),
    )
    await assertAccessible(page)
  }
})

test('a board of a young system opens with the minutes that there are', options, async () => {
  const { page } = await open('/d/sightline-chain?refresh=off')
  await page.waitForSelector('.board-grid .panel')
  const [label, there] = await page.evaluate<[string, number]>(`(async () => {
    const asked = new URLSearchParams({ query: 'time() - min(min_over_time(timestamp(up)[1h:15s]))' })
    const answer = await (await fetch('/api/prometheus/api/v1/query', { method: 'POST', body: asked })).json()
    return [document.querySelector('.time-controls').innerText, Number(answer.data.result[0].value[1]) / 60]
  })()`)
  const shown = Number(/Last (\d+) minutes/.exec(label)?.[1])
  const wanted = there > 14 ? 15 : Math.max(there, 2)
  assert.ok(Math.abs(shown - wanted) <= 1.5, `${label} where there are ${there} minutes of data`)
})

test('the list of boards comes with the page, and no file is asked for twice', options, async () => {
  const { page } = await open('/d/sightline-chain?refresh=off')
  await page.waitForSelector('.board-grid .panel')
  const asked = await page.evaluate<string[]>(`performance.getEntriesByType('resource')
    .map(({ name, initiatorType }) => initiatorType + ' ' + new URL(name).pathname)`)
  const files = asked.filter((text) => text.endsWith('.json')).sort()
  assert.deepEqual(files, ['fetch /dashboards/chain.json', 'link /dashboards.json'])
})

async function assertFits(page: Page): Promise<void> {
  const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
  assert.ok(wide <= 0, `${page.url()} is ${wide} px too wide for ${page.viewportSize()?.width}`)
}

/** At 1024 px, in both colours. */
async function assertAccessible(page: Page): Promise<void> {
  const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await page.setViewportSize({ width: 1024, height: 900 })
  await assertFits(page)
  // By the browser's debugger, so that the page's policy needs no exception for the test.
  await page.evaluate(axe)
  await page.emulateMedia({ colorScheme: 'dark' })
  assert.deepEqual(await runAxe(page), [], `${page.url()} (dark)`)
  // The same document in other colours.
  await page.emulateMedia({ colorScheme: 'light' })
  assert.deepEqual(await runAxe(page, ['color-contrast']), [], `${page.url()} (light)`)
}

/** Violations alone: what passes and what does not apply is as much again to put together. */
async function runAxe(page: Page, rules?: string[]): Promise<string[]> {
  const options = { resultTypes: ['violations'], preload: false, iframes: false, ...(rules && { runOnly: rules }) }
  return page.evaluate(`axe.run(${JSON.stringify(options)}).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' | ')))`)
}

test('quantiles that the console computes from buckets are those of Prometheus', options, async () => {
  const inner = 'sum by (le, job) (rate(http_server_request_duration_seconds_bucket[30s]))'
  const ask = async (query: string, end: number): Promise<Series[]> => {
    const params = new URLSearchParams({ query, start: String(end - 60), end: String(end), step: '5' })
    const answer = await fetch(`${system.urls.prometheus}/api/v1/query_range?${params}`)
    const { data } = (await answer.json()) as {
      data: { result: { metric: Record<string, string>; values: [number, string][] }[] }
    }
    return data.result.map(({ metric, values }) => {
      const byTime = new Map(values.map(([time, value]) => [time, Number(value)]))
      const times = Array.from({ length: 13 }, (_, i) => end - 60 + i * 5)
      return { labels: metric, times, values: times.map((time) => byTime.get(time) ?? null) }
    })
  }
  const end = await until('rates of three services', 60, async () => {
    // Not up to now: a scrape between two questions would change the last answer.
    const settled = Math.floor(Date.now() / 1000) - 15
    return new Set((await ask(inner, settled)).map(({ labels }) => labels.job)).size >= 3 && settled
  })
  const buckets = await ask(inner, end)
  for (const q of [0.5, 0.95, 0.99]) {
    const expected = await ask(`histogram_quantile(${q}, ${inner})`, end)
    const computed = [...quantilesOf(q, buckets).values()]
    const values = (series: Series[]) =>
      series
        .toSorted((a, b) => a.labels.job!.localeCompare(b.labels.job!))
        .map((one) => [one.labels, one.values.map((value) => value && Number(value.toPrecision(9)))])
    assert.ok(expected.length >= 3)
    assert.equal(JSON.stringify(values(computed)), JSON.stringify(values(expected)))
  }
})

test('an error panel leads to an error trace, its span and its log lines', options, async () => {
  const traceId = await refusedOrder()
  const { page, problems } = await open('/d/sightline-chain?from=now-15m&to=now&refresh=off')
  const link = page.locator(`[data-title="Error traces"] tbody a[href*="${traceId}"]`).first()
  await showAllPanels(page)
  await link.click()
  await page.waitForURL(new RegExp(`var-trace_id=${traceId}`))
  const trace = page.locator('.panel.type-traces')
  await trace.locator('.span-error').first().click()
  await trace.locator('.span-details').waitFor()
  await trace.locator('.span-details .facts .error-text').waitFor()
  // The lines beside it are now those of this trace, and the gateway's span has a line of its own.
  await page.locator('[data-title="Logs"] .log-line', { hasText: 'gateway' }).first().waitFor()
  await trace.locator('.span-row').first().click()
  await trace.locator('.span-details .log-line').first().waitFor()
  assert.deepEqual(problems, [])
})

test('the span of a statement that took long has PostgreSQL’s plan beside it', options, async (t) => {
  const holder = new pg.Client(system.postgres)
  t.after(() => holder.end())
  await holder.connect()
  await holder.query(`begin; select from inventory where product_id = 'laptop-001' for update`)
  const answering = system.api('POST', '/api/v1/orders', { user_id: 1001, product_id: 'laptop-001', quantity: 1 })
  await until('it waits', 15, async () => {
    const { rows } = await holder.query(`select from pg_locks where not granted`)
    return rows.length > 0
  })
  // Behind it, the tenth of a second from which a statement counts as slow.
  await holder.query('select pg_sleep(0.15); rollback')
  const traceId = (await answering).headers.get('x-trace-id')!
  const plans = `{service_name="postgresql"} | trace_id="${traceId}" | postgresql_plan!=""`
  await until('its plan is stored', 15, async () => (await system.logs(plans)).length > 0)
  const isLock = ({ name }: { name: string }) => name.startsWith('pg.query:lock_inventory')
  const spans = await system.trace(traceId, 15, (found) => assert.ok(found.some(isLock)))
  const { page, problems } = await open(`/trace/${traceId}?span=${spans.find(isLock)!.id}`)
  const plan = page.getByRole('table').filter({ has: page.getByRole('columnheader', { name: 'Cost' }) })
  await plan.locator('tbody tr', { hasText: 'LockRows' }).first().waitFor()
  await plan
    .locator('tbody tr', { hasText: /Scan .*on inventory/ })
    .first()
    .waitFor()
  await assertAccessible(page)
  assert.deepEqual(problems, [])
})

test('an exemplar leads to its trace', options, async () => {
  const { page } = await open('/d/sightline-chain?from=now-5m&to=now&refresh=off')
  await until('exemplars are drawn', 60, async () => {
    await page.reload()
    await showAllPanels(page)
    return (await page.locator('[data-title="Duration"] a.exemplar').count()) > 1
  })
  const href = await page.locator('[data-title="Duration"] a.exemplar').first().getAttribute('href')
  await page.locator('[data-title="Duration"] a.exemplar').first().dispatchEvent('click')
  // The time one looks at goes along, wherever one goes.
  const time = '[?]from=now-5m&to=now&refresh=off$'
  await page.waitForURL(new RegExp(href + time))
  await page.locator('.span-row').first().waitFor()
  await page.getByRole('link', { name: 'Sightline: all dashboards' }).click()
  await page.getByRole('link', { name: /^Audit table One row/ }).click()
  await page.waitForURL(new RegExp(`/audit${time}`))
  await page.goBack()
  await page.goBack()
  await page.goBack()
  // With the keyboard: one stop for the marks of a chart, arrows along them.
  const marks = page.locator('[data-title="Duration"] a.exemplar')
  await marks.first().focus()
  const second = await marks.nth(1).getAttribute('href')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(second + time))
})

test('the waterfall is walked with the keyboard', options, async () => {
  const { traceId } = await storedOrder()
  const { page } = await open(`/trace/${traceId}`)
  const rows = page.locator('.span-row')
  await rows.first().waitFor()
  const all = await rows.count()
  await page.locator('.waterfall-rows').focus()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.locator('.span-details').waitFor()
  assert.match(page.url(), /span=[0-9a-f]{16}/)
  await page.keyboard.press('Escape')
  await page.locator('.span-details').waitFor({ state: 'detached' })
  await page.keyboard.press('ArrowLeft')
  await until(
    'the rows below are folded',
    5,
    () => rows.count(),
    (count) => assert.ok(count < all),
  )
  await page.keyboard.press('/')
  await page.keyboard.type('commit?')
  await page.keyboard.press('Backspace')
  await page.keyboard.press('Enter')
  await page.locator('.span-row.found').first().waitFor()

  // The keys of this page and of all; the focus comes back to where it was.
  const keys = page.getByRole('dialog', { name: 'Keys' })
  assert.equal(await keys.count(), 0, 'none while something is typed')
  await page.locator('.waterfall-rows').focus()
  await page.keyboard.press('?')
  await keys.getByRole('region', { name: 'In the spans of a trace' }).waitFor()
  await keys.getByRole('region', { name: 'Everywhere' }).waitFor()
  assert.equal(await keys.getByRole('region', { name: 'In the query' }).count(), 0)
  await assertAccessible(page)
  await page.keyboard.press('Escape')
  await keys.waitFor({ state: 'detached' })
  assert.equal(await page.evaluate<string>('document.activeElement.className'), 'waterfall-rows')
  for (const key of ['g', 'a']) await page.keyboard.press(key)
  await page.waitForURL(/\/alerts/)
  await page.keyboard.press('t')
  await page.locator('.range-form').waitFor()
  await page.keyboard.press('Escape')
  for (const key of ['g', 'e']) await page.keyboard.press(key)
  await page.waitForURL(/\/explore/)
  await page.locator('.cm-content').waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('?')
  await until('it is typed', 10, async () => (await page.locator('.cm-content').textContent()) === '?')
  assert.equal(await keys.count(), 0)
})

test('a trace is downloaded as one page, which opens from a disk without a network', options, async (t) => {
  const traceId = await refusedOrder()
  const { page, problems } = await open(`/trace/${traceId}`)
  await page.locator('.span-row').first().waitFor()
  const downloading = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download as HTML' }).click()
  const download = await downloading
  assert.equal(download.suggestedFilename(), `trace-${traceId.slice(0, 8)}.html`)
  const folder = await mkdtemp(join(tmpdir(), 'sightline-trace-'))
  t.after(() => rm(folder, { recursive: true }))
  await download.saveAs(join(folder, 'trace.html'))
  await page.getByRole('button', { name: /^Downloaded: \d+ kB$/ }).waitFor()
  assert.deepEqual(problems, [])

  const file = await openPage(browser, { offline: true })
  const asked: string[] = []
  file.page.on('request', (request) => void asked.push(request.url()))
  await file.page.goto(`file://${folder}/trace.html`)
  await file.page.locator('.span-row', { hasText: 'create_order' }).click()
  await file.page.locator('.span-details .attributes').first().waitFor()
  await file.page.locator('.span-row').first().click()
  await file.page.locator('.span-details .log-line', { hasText: 'gateway' }).waitFor()
  await file.page.locator('.trace-in-file > section .log-line', { hasText: 'order-service' }).first().waitFor()
  assert.equal(await file.page.locator('a[href]').count(), 0)
  assert.deepEqual(file.problems, [])
  assert.deepEqual(asked, [`file://${folder}/trace.html`])
  await file.page.context().close()
})

test(
  'Explore opens with the newest traces as points and rows: one is opened, a box asks what differs, more are listed',
  options,
  async () => {
    const { page, problems } = await open('/explore?from=now-15m&to=now')
    const rows = page.locator('[aria-label="Found traces"] tbody tr')
    await rows.nth(10).waitFor()
    // With the keyboard from point to point, into a trace, and back to where one was.
    await page.locator('.trace-scatter').getByRole('application').focus()
    for (const key of ['End', 'ArrowLeft']) await page.keyboard.press(key)
    await page.locator('.scatter-says', { hasText: / at \d{4}-/ }).waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(/[/]trace[/][0-9a-f]{32}[?]search=/)
    await page.getByRole('link', { name: 'Back to the search' }).click()
    await page.waitForURL(/[/]explore[?]source=tempo&from=now-15m&to=now$/)

    const count = page.locator('.result-foot').first()
    await until(
      'more than a hundred traces',
      60,
      async () => {
        await page.reload()
        return count.textContent()
      },
      (text) => assert.match(text ?? '', /^The newest 100 traces.*; more exist/),
    )
    await page.getByRole('button', { name: 'Count all' }).click()
    await page.getByText(/^[\d,]{3,} matching spans in the range$/).waitFor()
    await page.getByRole('button', { name: 'More: the newest 200' }).click()
    await page.waitForURL(/limit=200/)
    const table = page.locator('[aria-label="Found traces"]')
    await until('longer list', 15, async () => Number(await table.getAttribute('aria-rowcount')) > 101)

    // The upper half of the picture holds the longest trace, and not the shortest. A chart with new data may be another one.
    await page.evaluate('scrollTo(0, 0)')
    await until(
      'a box asks what differs',
      20,
      async () => {
        const box = (await page.locator('.trace-scatter .chart-box').boundingBox({ timeout: 3_000 }))!
        await page.mouse.move(box.x + 80, box.y + 12)
        await page.mouse.down()
        await page.mouse.move(box.x + box.width - 12, box.y + box.height * 0.45, { steps: 5 })
        await page.mouse.up()
        await page.waitForURL(/[/]differs/, { timeout: 3_000 })
        return page.url()
      },
      (url) => assert.match(url, /[/]differs[?]selection=traceDuration[^&]*&window=\d+-\d+&from=\d+/),
    )
    await page.locator('.differs-attribute').first().waitFor()
    await page.setViewportSize({ width: 390, height: 844 })
    await page.goBack()
    await rows.nth(5).waitFor()
    await assertFits(page)
    assert.deepEqual(problems, [])
  },
)

test('Explore completes names and values from the data, and runs', options, async () => {
  const { page, problems } = await open('/explore?source=tempo')
  await page.locator('.cm-content').click()
  await page.keyboard.type('{ resource.service.na')
  await page.locator('.cm-tooltip-autocomplete', { hasText: 'resource.service.name' }).waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.type(' = "order')
  await page.locator('.cm-tooltip-autocomplete', { hasText: 'order-service' }).waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Control+Enter')
  await page.locator('.result-table tbody tr').first().waitFor()
  const query = () => new URL(page.url()).searchParams.get('query')
  assert.match(query() ?? '', /^\{ resource.service.name = "order-service"/)

  // The same query in the form, which writes what is added to it, and offers what occurs in the data.
  await page.getByRole('button', { name: 'Form', exact: true }).click()
  const form = page.getByRole('form', { name: 'Search by fields' })
  assert.equal(await form.getByLabel('Service').inputValue(), 'order-service')
  await form.getByLabel('Operation').focus()
  await form.locator('datalist option[value="create_order"]').waitFor({ state: 'attached' })
  await page.keyboard.type('say "hi"')
  await form.getByLabel('Status').selectOption('error')
  await form.getByLabel('At least').fill('20')
  await assertAccessible(page)
  await page.keyboard.press('Enter')
  await page.waitForURL(/say/)
  assert.equal(
    query(),
    '{ resource.service.name = "order-service" && name = "say \\"hi\\"" && status = error && duration >= 20ms }',
  )
  await page.locator('[data-state="no-data"]').waitFor()
  assert.equal(await page.title(), `${query()?.slice(0, 80)}… · Explore · Sightline`)
  // It is in the history, and has a name from now on.
  await page.getByRole('button', { name: 'History', exact: true }).click()
  await page.locator('[aria-label="History"] code', { hasText: 'say' }).waitFor()
  await page.getByRole('button', { name: 'Saved', exact: true }).click()
  await page.getByLabel('Name', { exact: true }).fill('Greetings')
  await page.keyboard.press('Enter')
  await page.getByText('Saved “Greetings”.').waitFor()
  await page.goto(`${system.urls.console}/explore`)
  await page.getByRole('button', { name: 'Saved', exact: true }).click()
  await page.getByRole('button', { name: 'Greetings' }).first().press('Enter')
  await page.waitForURL(/say/)
  await page.getByRole('button', { name: 'Saved', exact: true }).click()
  await page.getByRole('button', { name: 'Delete “Greetings”' }).press('Enter')
  await page.locator('[aria-label="Saved queries"]').waitFor({ state: 'detached' })
  await page.keyboard.press('Escape')
  await page.locator('.query-tool').waitFor({ state: 'detached' })
  // A number never equals a text, which a user's id is: nothing is found, and the reason is said.
  await page.goto(`${system.urls.console}/explore?query=${encodeURIComponent('{ span.user.id = 2001 }')}`)
  await page.locator('[data-state="no-data"]', { hasText: 'span.user.id is text here: write "2001".' }).waitFor()
  // What no field can say leaves them empty, with a word.
  await page.goto(`${system.urls.console}/explore?query=${encodeURIComponent('{ } | count() > 2')}`)
  await page.getByRole('button', { name: 'Form', exact: true }).click()
  await form.getByText('says more than these fields can').waitFor()
  assert.equal(await form.getByLabel('Service').inputValue(), '')
  assert.deepEqual(problems, [])
})

test('a log line opens to its fields, which go into the query, and to the lines around it', options, async () => {
  const traceId = await refusedOrder()
  const query = `{service_name="gateway"} | trace_id="${traceId}"`
  const { page, problems } = await open(
    `/explore?${new URLSearchParams({ source: 'loki', query, wrap: '1', from: 'now-2m', to: 'now' })}`,
  )
  const asked = () => new URL(page.url()).searchParams.get('query')
  await page.locator('.line-tools', { hasText: '1 line in ' }).waitFor()
  await page.locator('[aria-label="Found lines"]').focus()
  for (const key of ['j', 'Enter']) await page.keyboard.press(key)
  await page.getByRole('button', { name: 'Lines around it' }).click()
  const around = page.locator('.log-context li')
  await until('earlier lines of the gateway', 15, async () => (await around.count()) > 1)
  assert.match((await page.locator('.log-context .own').textContent()) ?? '', /POST \/api\/v1\/process/)
  await assertAccessible(page)
  await page.setViewportSize({ width: 390, height: 844 })
  await assertFits(page)
  await page.setViewportSize({ width: 1600, height: 1000 })

  await page.getByRole('link', { name: `No lines with trace_id ${traceId}` }).click()
  await page.waitForURL(/trace_id%21%3D/)
  assert.equal(asked(), `{service_name="gateway"} | trace_id!="${traceId}"`)
  await page.locator('.line-tools', { hasText: /\d lines/ }).waitFor()
  await page.locator('.log-line', { hasText: 'info' }).first().click()
  await page.getByRole('link', { name: 'Only lines with level info' }).click()
  await page.waitForURL(/level/)
  assert.equal(asked(), `{service_name="gateway", level="info"} | trace_id!="${traceId}"`)
  await page.selectOption('[aria-label="Order of the lines"]', 'oldest')
  await page.waitForURL(/wrap=1.*order=oldest/)
  const times = page.locator('.log-line time')
  await until('oldest first', 15, async () => {
    const shown = await times.allTextContents()
    return shown.length > 1 && shown.every((time, i) => i === 0 || shown[i - 1]! <= time)
  })
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download as .log', exact: true }).click(),
  ])
  const saved = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n')
  const says = (await page.locator('.line-tools [role="status"]').textContent()) ?? ''
  assert.equal(`${saved.length} lines`, /^[\d,]+ lines/.exec(says)?.[0].replace(',', ''))
  assert.match(saved[0]!, /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z \w+ gateway /)

  // As they come in: the list grows, stands still, and goes on with what it held.
  await page.getByRole('button', { name: 'Live', exact: true }).click()
  await page.locator('.live-state.open').waitFor()
  const live = page.locator('[aria-label="Live lines"] .log-line')
  await live.first().waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  const newest = await live.first().textContent()
  const goOn = page.getByRole('button', { name: /^Go on with \d+ new$/ })
  await goOn.waitFor()
  assert.equal(await live.first().textContent(), newest)
  await assertAccessible(page)
  await goOn.click()
  await until('newer lines', 15, async () => (await live.first().textContent()) !== newest)
  // The list stands still under a line that is open. By keys, as it may move under the pointer until then.
  await page.locator('[aria-label="Live lines"]').focus()
  for (const key of ['j', 'Enter']) await page.keyboard.press(key)
  await page.locator('.live-state.paused').waitFor()
  await page.getByRole('link', { name: 'No lines with http_route' }).click()
  await page.waitForURL(/http_route%21%3D/)
  assert.equal(new URL(page.url()).searchParams.get('live'), '1')
  await page.locator('.live-state.open').waitFor()
  assert.match(asked() ?? '', / \| http_route!="[^"]+"$/)
  assert.deepEqual(problems, [])
})

test('a chosen service narrows the routes to choose from, and the address holds the choice', options, async () => {
  const { page, problems } = await open('/d/sightline-chain?from=now-15m&to=now&refresh=off')
  const routes = async () => {
    await page.getByRole('button', { name: /^Route: / }).click()
    const names = await page.locator('.options label.option').allTextContents()
    await page.keyboard.press('Escape')
    return names.map((name) => name.trim())
  }
  await until(
    'the routes of every service',
    30,
    async () => {
      await page.reload()
      return routes()
    },
    (names) => assert.ok(names.includes('/orders'), names.join()),
  )
  await page.getByRole('button', { name: /^Service: / }).click()
  await page.locator('.options label.option', { hasText: 'audit-service' }).click()
  await page.keyboard.press('Escape')
  await page.waitForURL(/var-service=audit-service/)
  await until('the routes of one service', 15, routes, (names) => {
    assert.ok(names.includes('/process'), names.join())
    assert.ok(!names.includes('/orders'), names.join())
  })
  await page.reload()
  await page.getByRole('button', { name: 'Service: audit-service' }).waitFor()
  assert.deepEqual(problems, [])
})

test('a drag over a chart is a time range, and the inspector shows what was asked', options, async () => {
  const { page, problems } = await open('/d/sightline-chain?from=now-15m&to=now&refresh=off')
  const chart = page.locator('[data-title="Duration"]')
  await until('the chart is drawn', 60, async () => {
    await page.reload()
    await showAllPanels(page)
    return (await chart.locator('.u-over').count()) === 1
  })
  const box = (await chart.locator('.u-over').boundingBox())!
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height / 2)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.7, box.y + box.height / 2, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/from=\d{13}&to=\d{13}/)
  const { searchParams } = new URL(page.url())
  const minutes = (Number(searchParams.get('to')) - Number(searchParams.get('from'))) / 60_000
  assert.ok(minutes > 5 && minutes < 7, `${minutes} minutes of 15`)
  await chart.getByRole('button', { name: /^Menu/ }).click()
  await page.getByRole('button', { name: 'Inspect', exact: true }).click()
  await page
    .locator('dialog.inspector .request-card', { hasText: /query_range.*sum by \(le\)/s })
    .first()
    .waitFor()
  assert.deepEqual(problems, [])
})

test('a box on the heatmap leads to what differs in it, and a value of it to its traces', options, async () => {
  const { page, problems } = await open('/d/sightline-chain?from=now-5m&to=now')
  await showAllPanels(page)
  const over = page.locator('[data-title="Duration of all requests"] .u-over')
  await over.scrollIntoViewIfNeeded()
  const box = (await over.boundingBox())!
  // The upper two thirds, all along: the slow ones. A request is longer than the lowest rows that are drawn.
  await page.mouse.move(box.x + 5, box.y + 5)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width - 5, box.y + box.height * 0.66, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/\/differs\?spans=kind.*&selection=duration.*&window=\d+-\d+/)
  await page.locator('.differs-attribute').first().waitFor()
  assert.match(await page.title(), /^duration > .* · What differs · Sightline$/)
  assert.match((await page.locator('.differs-sentence').textContent()) ?? '', /% of the selected spans (have|lack) \S+/)
  const counts = await page.locator('.differs-side').allTextContents()
  assert.match(counts.join(), /^\d+ selected spans?,\d+ other spans?$/)
  await assertAccessible(page)
  await page.locator('.differs-attribute a', { hasText: /\w/ }).first().click()
  await page.waitForURL(/\/explore\?source=tempo&query=/)
  await page.locator('.result-table tbody tr').first().waitFor()
  // From a search on to what is different about it.
  await page.goto(
    `${system.urls.console}/explore?source=tempo&query=${encodeURIComponent('{ name = "seal_audit_rows" }')}`,
  )
  await page.getByRole('link', { name: 'What differs from all others' }).click()
  await page.locator('.differs-attribute h2', { hasText: 'resource.service.name' }).waitFor()
  // The same asked as a query.
  const compare = '{ } | compare({ name = "seal_audit_rows" })'
  await page.goto(`${system.urls.console}/explore?source=tempo&query=${encodeURIComponent(compare)}`)
  await page.locator('.differs-attribute h2', { hasText: 'resource.service.name' }).waitFor()
  const [answer, sentence] = ['.results', '.differs-sentence'].map((name) => page.locator(name).boundingBox())
  assert.equal((await sentence)!.width, (await answer)!.width)
  await page.getByRole('link', { name: 'What differs', exact: true }).last().click()
  await page.waitForURL(/\/differs\?selection=name/)
  assert.deepEqual(problems, [])
})

test('an arrow of the service map leads to the traces that went along it', options, async () => {
  const { page, problems } = await open('/map')
  await page.locator('a.map-edge', { hasText: 'order-service to audit-service' }).dispatchEvent('click')
  await page.waitForURL(/\/explore\?/)
  await page.locator('.result-table tbody tr').first().waitFor()
  const { searchParams } = new URL(page.url())
  assert.match(searchParams.get('query') ?? '', /"order-service".*>>.*"audit-service"/)
  assert.deepEqual(problems, [])
})

test('a number of an operation leads to the traces behind it, and its service to the map', options, async () => {
  const { page, problems } = await open('/services?from=now-15m&to=now')
  const row = page.locator('[aria-label="Operations"] tbody tr', { hasText: 'gateway POST /api/v1/process' })
  // The first that a counter has is no rate yet: one of them is not enough.
  await until('a refusal is counted', 45, async () => {
    await refusedOrder()
    await page.reload()
    await row.waitFor({ timeout: 5_000 })
    return (await row.locator('.warn-text').count()) === 1
  })
  await page.getByRole('button', { name: 'gateway', exact: true }).click()
  await page.waitForURL(/service=gateway/)
  await page.getByRole('button', { name: 'p95', exact: true }).click()
  await page.waitForURL(/sort=-p95/)
  assert.equal(await page.locator('[aria-label="Operations"] tbody tr', { hasText: 'order-service' }).count(), 0)
  for (const [cell, condition] of [
    ['.warn-text', /status_code >= 400/],
    ['td:last-child a', /duration > \d+m?s }$/],
  ] as const) {
    await row.locator(cell).click()
    await page.waitForURL(/\/explore\?/)
    assert.match(new URL(page.url()).searchParams.get('query') ?? '', condition)
    await page.locator('.result-table tbody tr').first().waitFor()
    await page.goBack()
  }
  await page.getByRole('link', { name: 'On the map: gateway' }).click()
  await page.locator('.map-node.selected', { hasText: 'gateway' }).waitFor()
  await page.goto(`${system.urls.console}/services?kinds=all`)
  await page.locator('[aria-label="Operations"] tbody tr', { hasText: 'internal' }).first().waitFor()
  await page.setViewportSize({ width: 390, height: 844 })
  await assertFits(page)
  assert.deepEqual(problems, [])
})

test('two traces stand side by side, and what only one of them did is marked', options, async () => {
  const whole = await storedOrder()
  const failed = await refusedOrder()
  const { page, problems } = await open(`/trace/${whole.traceId}`)
  await page.getByLabel('Trace id to compare with').fill(failed)
  await page.getByRole('button', { name: 'Compare', exact: true }).click()
  await page.waitForURL(new RegExp(`compare=${failed}`))
  await page.locator('.comparison > section').nth(1).waitFor()
  const row = page.locator('[aria-label="Differences by operation"] tr.marked', { hasText: 'record_audit' })
  assert.match((await row.first().textContent()) ?? '', /absent/)
  await page.getByRole('button', { name: 'Close the comparison' }).click()
  await page.locator('.comparison').waitFor({ state: 'detached' })
  await page.locator('.span-row', { hasText: 'record_audit' }).first().waitFor()
  assert.deepEqual(problems, [])
})

test(
  'a search leads to two of its traces compared, to all of them by operation, and each back to the search',
  options,
  async () => {
    const whole = await storedOrder()
    const failed = await refusedOrder()
    const query = `{ trace:id = "${whole.traceId}" || trace:id = "${failed}" }`
    const { page, problems } = await open(`/explore?${new URLSearchParams({ source: 'tempo', query })}`)
    const ticks = page.locator('[aria-label="Found traces"] input[type="checkbox"]')
    await until('both are found', 15, async () => {
      await page.reload()
      await page.locator('.result-foot').waitFor()
      return (await ticks.count()) === 2
    })
    assert.match((await page.locator('.result-foot').textContent()) ?? '', /^2 traces, all there are, 1 with an error/)
    const statuses = await page.locator('[aria-label="Found traces"] .trace-status').allTextContents()
    assert.match(statuses.toSorted().join(), /^error \d+,unset$/)
    // The order of the ticks is that of the sides.
    await page.getByLabel(`Compare trace ${whole.traceId.slice(0, 8)}`).check()
    await page.getByLabel(`Compare trace ${failed.slice(0, 8)}`).check()
    await page.getByRole('link', { name: 'Compare', exact: true }).click()
    await page.waitForURL(new RegExp(`/trace/${whole.traceId}[?]compare=${failed}`))
    const rows = page.locator('[aria-label="Differences by operation"] tbody tr')
    await rows.filter({ hasText: 'record_audit' }).first().locator('.absent-mark').waitFor()
    const names = await rows.allTextContents()
    const place = (name: string) => names.findIndex((text) => text.includes(name))
    assert.ok(
      place('create_order') < place('validate_order') && place('validate_order') < place('record_audit'),
      names.join(),
    )
    await rows.filter({ hasText: 'validate_order' }).first().click()
    await page.waitForURL(/span=[0-9a-f]{16}&other=[0-9a-f]{16}/)
    await page.getByRole('link', { name: 'Back to the search' }).click()
    await page.waitForURL(/[/]explore/)
    const ticked = page.locator('[aria-label="Found traces"] input:checked')
    await ticked.nth(1).waitFor()
    assert.equal(await ticked.count(), 2)

    await page.getByRole('link', { name: 'By operation' }).click()
    const operation = page.locator('[aria-label="Operations"] tbody tr', { hasText: 'order-service create_order' })
    await operation.locator('td:nth-child(2)', { hasText: /^2$/ }).waitFor()
    const cells = await operation.locator('td').allTextContents()
    assert.deepEqual(cells.slice(1, 4), ['2', '2', '1'], 'traces, calls, errors')
    await assertAccessible(page)
    await operation.locator('td').last().getByRole('link').click()
    await page.waitForURL(/[/]trace[/][0-9a-f]{32}[?]span=/)
    await page.locator('.span-details').waitFor()
    await page.getByRole('link', { name: 'Back to the search' }).click()
    await ticks.first().waitFor()
    assert.deepEqual(problems, [])
  },
)

test(
  'a trace as flame graph, list, operations, critical path and JSON; the address holds view, span and zoom',
  options,
  async () => {
    const { traceId } = await storedOrder()
    const { page, problems } = await open(`/trace/${traceId}`)
    const show = (view: string) =>
      page.locator('[aria-label="View"]').getByRole('button', { name: view, exact: true }).click()
    const says = page.locator('.flame-says')

    await show('Flame graph')
    await page.getByRole('application').focus()
    for (const key of ['Home', 'ArrowDown', 'z']) await page.keyboard.press(key)
    await page.waitForURL(/zoom=[0-9]+-[0-9]+/)
    assert.match((await says.textContent()) ?? '', /^user-service POST [/]process · .*self /)
    await page.keyboard.press('Enter')
    await page.waitForURL(/span=[0-9a-f]{16}/)
    await page.reload()
    await until('the chosen box is named again', 10, async () => /user-service/.test((await says.textContent()) ?? ''))
    assert.match(page.url(), /view=flame&zoom=.*span=/)
    await assertAccessible(page)

    await show('Spans')
    const list = page.getByRole('grid', { name: 'List of spans' })
    await list.getByRole('button', { name: 'Duration' }).click()
    await page.waitForURL(/sort=-duration/)
    assert.match((await list.locator('tbody tr').first().textContent()) ?? '', /gateway/)
    await list.focus()
    await page.keyboard.press('Home')
    await page.locator('.span-details h3', { hasText: 'POST /api/v1/process' }).waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.span-details').waitFor({ state: 'detached' })

    await show('Operations')
    await page.getByRole('link', { name: 'order-service create_order' }).click()
    await page.waitForURL(/view=spans.*find=create_order/)
    await until('only those are listed', 5, async () => (await list.locator('tbody tr').count()) === 1)
    await page.getByLabel('Find spans').fill('')

    await show('Critical path')
    await page.locator('.path-legend', { hasText: 'had to wait for' }).waitFor()
    assert.ok((await page.locator('[aria-label="Critical path"] tbody tr').count()) > 5)
    await assertAccessible(page)

    await show('JSON')
    await page.locator('.json-lines', { hasText: '"resourceSpans"' }).waitFor()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download', exact: true }).click(),
    ])
    const saved = await readFile(await download.path(), 'utf8')
    const answered = await fetch(`${system.urls.tempo}/api/v2/traces/${traceId}`, {
      headers: { accept: 'application/json' },
    })
    assert.equal(saved, JSON.stringify(await answered.json(), null, 2))

    await page.getByRole('link', { name: 'Audit row' }).click()
    await page.waitForURL(new RegExp(`/audit[?]trace_id=${traceId}$`))
    await until('its row', 10, async () => (await page.locator('[aria-label="Audit rows"] tbody tr').count()) === 1)
    await page.setViewportSize({ width: 390, height: 844 })
    for (const view of ['waterfall', 'flame', 'spans', 'operations', 'path', 'json']) {
      await page.goto(`${system.urls.console}/trace/${traceId}?view=${view}`)
      await page.locator('.waterfall, .flame-graph, .row-table, .json-lines').first().waitFor()
      await assertFits(page)
    }
    assert.deepEqual(problems, [])
  },
)

test('a trace that still comes in fills without a reload', options, async () => {
  const traceId = 'feedfeedfeedfeedfeedfeedfeedfeed'
  const send = async (name: string, id: string, parent?: string) => {
    const now = BigInt(Date.now()) * 1_000_000n
    const span = {
      traceId,
      spanId: id.repeat(16),
      ...(parent && { parentSpanId: parent.repeat(16) }),
      name,
      kind: 1,
      startTimeUnixNano: String(now - 1_000_000n),
      endTimeUnixNano: String(now),
    }
    await sendSpans('late', [span])
  }
  const { page, problems } = await open(`/trace/${traceId}`)
  await page.locator('[data-state="error"]', { hasText: 'No trace' }).waitFor()
  await send('child', 'b', 'a')
  await page.locator('.span-orphan').waitFor()
  await send('root', 'a')
  await page.locator('.span-orphan').waitFor({ state: 'detached' })
  assert.equal(await page.locator('.span-row').count(), 2)
  assert.deepEqual(problems, [])
})

test('the JSON of a trace, and its download as HTML, are what the page asked for once', options, async () => {
  const traceId = 'beadbeadbeadbeadbeadbeadbeadbead'
  // Old enough that the page does not wait for more of it.
  const begin = BigInt(Date.now() - 60_000) * 1_000_000n
  const times = { startTimeUnixNano: String(begin), endTimeUnixNano: String(begin + 1_000_000n) }
  await sendSpans('early', [{ ...{ traceId, spanId: 'c'.repeat(16), name: 'once asked for', kind: 1 }, ...times }])
  const stored = `${system.urls.tempo}/api/v2/traces/${traceId}`
  await until('it is stored', 10, async () => (await fetch(stored)).ok)
  const { page, problems } = await open(`/trace/${traceId}`)
  await page.locator('.span-row', { hasText: 'once asked for' }).waitFor()
  await page.locator('[aria-label="View"]').getByRole('button', { name: 'JSON', exact: true }).click()
  await page.locator('.json-lines', { hasText: '"name": "once asked for"' }).waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download as HTML' }).click(),
  ])
  assert.match(await readFile(await download.path(), 'utf8'), /"name":"once asked for"/)
  const asked = await page.evaluate(
    (path) => performance.getEntriesByType('resource').filter(({ name }) => name.endsWith(path)).length,
    `/v2/traces/${traceId}`,
  )
  assert.equal(asked, 1)
  assert.deepEqual(problems, [])
})

test(
  'a trace begins with a click in the shop, goes on through all services, and the map shows browser',
  options,
  async () => {
    const { page, problems } = await newcomer()
    await page.goto(`${system.urls.gateway}/`)
    await page.getByRole('link', { name: 'The shop' }).click()
    const elsewhere = await fetch(`${system.urls.console}/shop/shop.js`)
    assert.equal(elsewhere.status, 404, 'the page is given by the gateway alone')
    await page.getByLabel('Product').selectOption('laptop-001')
    await page.getByLabel('Quantity').fill('2')
    await page.getByRole('button', { name: 'Place the order' }).click()
    const link = page.locator('#done a').first()
    await link.waitFor()
    assert.match((await page.locator('#done li').first().textContent()) ?? '', /^Order \d+: 1999\.98 USD/)
    const traceId = (await link.getAttribute('data-trace-id'))!
    await assertAccessible(page)
    await page.setViewportSize({ width: 390, height: 844 })
    await assertFits(page)

    await page.getByRole('button', { name: 'Break something' }).click()
    await until('the fault is listed', 5, async () => (await page.locator('#done li').count()) === 2)
    const brokenId = (await page.locator('#done a').first().getAttribute('data-trace-id'))!
    await page.evaluate("setTimeout(() => { throw new RangeError('of nobody, for ann@example.com') })")
    await until('the page says what it did not catch', 5, () => problems.length === 1)
    assert.match(problems.splice(0)[0]!, /of nobody/)

    const spans = await system.trace(traceId, 20, (found) => {
      assert.deepEqual(
        new Set(found.map(({ service }) => service)),
        new Set(['browser', 'gateway', 'user-service', 'order-service', 'audit-service']),
      )
      // Two spans of the browser may come in two batches.
      for (const name of ['browser click', 'browser POST', 'audit-service record_audit'])
        assert.ok(
          found.some((span) => `${span.service} ${span.name}` === name),
          name,
        )
    })
    const [click] = spans.filter(({ parentId }) => !spans.some(({ id }) => id === parentId))
    const asked = spans.find(({ service, name }) => service === 'browser' && name === 'POST')!
    const taken = spans.find(({ service }) => service === 'gateway')!
    assert.deepEqual(
      [click!.name, click!.attributes['browser.element'], asked.parentId, taken.parentId],
      ['click', 'place-order', click!.id, asked.id],
    )
    assert.equal(asked.attributes['url.full'], `${system.urls.gateway}/api/v1/process`)
    await system.trace(brokenId, 20, (found) =>
      assert.deepEqual(
        found.map(({ name }) => name),
        ['click'],
      ),
    )

    const shown = await fetch(new URL((await link.getAttribute('href'))!, system.urls.gateway), { redirect: 'manual' })
    assert.equal(shown.headers.get('location'), `${system.urls.console}/trace/${brokenId}`)
    await until('the edge was counted', 30, async () => {
      const [edge] = await system.prometheusQuery(
        'sum(traces_service_graph_request_total{client="browser",server="gateway"})',
      )
      return (edge?.value ?? 0) > 0
    })
    await page.goto(`${system.urls.console}/map?from=now-15m&to=now`)
    await page.locator('.map-node', { hasText: 'browser' }).waitFor()

    // The page's own trace begins at the gateway, which gave it. It has been left by now.
    const ofPage = await until('the trace of the page', 20, async () => {
      const found = await system.search('{ resource.service.name = "browser" && name = "exception" }')
      return found[0]
    })
    await system.trace(ofPage, 20, (found) => {
      const names = found.map(({ service, name }) => `${service} ${name}`)
      for (const name of [
        'gateway GET /shop',
        'browser documentLoad',
        'browser resourceFetch',
        'browser browser.web_vital',
      ])
        assert.ok(names.includes(name), `${name} is not in ${names.join(', ')}`)
      assert.doesNotMatch(JSON.stringify(found.map(({ events }) => events)), /ann@/)
      // The last of them is known when the page is left.
      const vitals = found.map(({ attributes }) => attributes['browser.web_vital.name'])
      for (const vital of ['TTFB', 'FCP', 'LCP', 'CLS']) assert.ok(vitals.includes(vital), `${vital}: ${vitals}`)
      const load = found.find(({ name }) => name === 'documentLoad')!
      assert.equal(load.parentId, found.find(({ service, name }) => service === 'gateway' && name === 'GET /shop')!.id)
      assert.equal(load.attributes['user_agent.name'], 'Chrome')
    })
    assert.deepEqual(problems, [])
  },
)

test('the audit table is filtered, shows an intact chain, and leads to the trace', options, async (t) => {
  // The tree waits for who has this row's lock.
  const db = new pg.Client(system.postgres)
  t.after(() => db.end())
  await db.connect()
  await db.query('begin; select from audit_growing for update')
  const { traceId, orderId } = await storedOrder()
  const { page, problems } = await open('/audit')
  await page.locator('.verify.intact', { hasText: 'Chain intact' }).waitFor()
  const rows = page.locator('[aria-label="Audit rows"] tbody tr')
  await until('several rows', 10, async () => (await rows.count()) > 1)
  await page.getByLabel('Order').fill(orderId)
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`order_id=${orderId}$`))
  await until('one row', 10, async () => (await rows.count()) === 1)

  // Proven here, with hashes that this page makes of what the server sends; the page asks again until the row is in the tree.
  const prove = page.getByRole('button', { name: /^Prove row \d+$/ })
  assert.ok(await prove.isDisabled())
  await db.query('commit')
  await prove.click()
  await page.locator('.verdict.proven', { hasText: /^Proven: this row is number \d+ of \d+ in the log/ }).waitFor()
  assert.match((await page.locator('.proof-path').textContent()) ?? '', /^row[A-Za-z0-9+/]{43}=/)
  await page.getByText('Public key of the log: none given').click()
  await page.getByLabel('Public key of the log').fill('no key')
  await page.getByRole('button', { name: 'Check with this key' }).click()
  await page.getByText('Give the text of audit-public.pem').waitFor()
  await assertAccessible(page)
  await page.setViewportSize({ width: 390, height: 844 })
  await assertFits(page)
  await page.keyboard.press('Escape')
  await page.waitForURL(new RegExp(`order_id=${orderId}$`))
  await page.setViewportSize(VIEWPORT)
  await rows.locator('a').click()
  await page.waitForURL(new RegExp(`/trace/${traceId}$`))
  await page.locator('.span-row', { hasText: 'record_audit' }).first().waitFor()
  assert.deepEqual(problems, [])
})

test('the audit board finds by SQL what its filters say, and the inspector shows that SQL', options, async () => {
  const { traceId } = await storedOrder()
  const { page, problems } = await open(`/d/sightline-audit?from=now-15m&to=now&refresh=off&var-trace_id=${traceId}`)
  const table = page.locator('[data-title="Audit table"]')
  await showAllPanels(page)
  assert.equal(await table.locator('tbody tr').count(), 1)
  await table.getByRole('button', { name: /^Menu/ }).click()
  await page.getByRole('button', { name: 'Inspect', exact: true }).click()
  const query = (await page.locator('dialog.inspector .request-card pre').textContent()) ?? ''
  assert.match(query, /^SELECT id, .*WHERE recorded_at BETWEEN '20.*Z' AND '20.*Z'/s)
  assert.ok(query.includes(`AND ('${traceId}' = '' OR trace_id = '${traceId}')`), query)
  await page.keyboard.press('Escape')
  await table.locator('tbody a').click()
  await page.waitForURL(new RegExp(`var-trace_id=${traceId}`))
  assert.deepEqual(problems, [])
})

test(
  'ten thousand spans open with a handful of rows in the page, and markup in names stays text',
  options,
  async () => {
    const traceId = '0123456789abcdef0123456789abcdef'
    // Old enough that no page waits for more of it.
    const now = BigInt(Date.now() - 60_000) * 1_000_000n
    const spans = Array.from({ length: 10_000 }, (_, i) => ({
      traceId,
      spanId: (i + 1).toString(16).padStart(16, '0'),
      ...(i > 0 && { parentSpanId: (Math.floor((i - 1) / 8) + 1).toString(16).padStart(16, '0') }),
      name: i % 2 ? `step ${i}` : '<script>alert(1)</script><img src=x onerror=alert(1)>',
      kind: 1,
      startTimeUnixNano: String(now + BigInt(i) * 1000n),
      endTimeUnixNano: String(now + 20_000_000n + BigInt(i) * 1000n),
    }))
    await sendSpans('many', spans)
    const { page, problems } = await newcomer()
    const started = performance.now()
    await page.goto(`${system.urls.console}/trace/${traceId}`)
    await page.locator('.span-row').first().waitFor()
    console.log(`  10,000 spans on screen after ${Math.round(performance.now() - started)} ms`)
    assert.ok((await page.locator('.span-row').count()) < 100)
    assert.match((await page.locator('.trace-header').textContent()) ?? '', /10000 spans/)
    await page.locator('.waterfall-rows').focus()
    await page.keyboard.press('End')
    await until(
      'the last row is active',
      5,
      async () => (await page.locator('.span-row.active').textContent()) ?? '',
      (text) => assert.match(text, /many/),
    )
    assert.equal(await page.locator('.waterfall script, .waterfall img').count(), 0)
    for (const view of ['spans', 'operations', 'flame', 'json']) {
      await page.goto(`${system.urls.console}/trace/${traceId}?view=${view}`)
      await page.locator('.row-table tbody tr:nth-child(3), .flame-graph canvas, .json-lines pre').first().waitFor()
      assert.ok((await page.locator('.row-table tr').count()) < 100, view)
      assert.ok(((await page.locator('main').textContent()) ?? '').length < 50_000, view)
    }
    assert.deepEqual(problems, [])
  },
)

test('a foreign dashboard dropped into the folder is drawn; what can’t be is named by its type', options, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'boards-'))
  t.after(() => rm(folder, { recursive: true }))
  await cp(join(import.meta.dirname, '../observability/grafana/dashboards/chain.json'), join(folder, 'chain.json'))
  const panel = (id: number, type: string, expr: string, x: number) => ({
    id,
    type,
    title: `P${id}`,
    gridPos: { x, y: 0, w: 6, h: 6 },
    datasource: { type: 'prometheus', uid: PLACEHOLDER },
    targets: [{ refId: 'A', expr }],
  })
  const foreign = {
    title: 'Foreign <b>board</b>',
    __inputs: [{ name: 'DS_PROMETHEUS', type: 'datasource', pluginId: 'prometheus' }],
    templating: {
      list: [
        {
          name: 'job',
          type: 'query',
          datasource: PLACEHOLDER,
          query: 'label_values(up, job)',
          multi: true,
          includeAll: true,
        },
      ],
    },
    panels: [
      panel(1, 'timeseries', 'up{job=~"$job"}', 0),
      panel(2, 'piechart', 'up', 6),
      { ...panel(3, 'graph', 'up', 12), datasource: null },
      { ...panel(4, 'stat', 'up', 18), datasource: { type: 'cloudwatch', uid: 'x' } },
      {
        ...panel(5, 'text', '', 0),
        options: {
          content:
            'Run **this**:\n```sh\nnpm start\n\nnpm run load\n```\n1. <i>wait</i>\n2. [look](javascript:alert(1))',
        },
      },
    ],
  }
  await writeFile(join(folder, 'foreign.json'), JSON.stringify(foreign))
  const { dist } = await buildConsole()
  const server = createConsoleServer({
    dist,
    dashboards: folder,
    tempoUrl: system.urls.tempo,
    lokiUrl: system.urls.loki,
    prometheusUrl: system.urls.prometheus,
    auditUrl: `http://127.0.0.1:${system.ports.AUDIT_SERVICE_PORT}`,
  })
  t.after(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { page, problems } = await newcomer()
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  await page.getByRole('link', { name: 'Foreign <b>board</b>' }).click()
  await until('all is drawn or named', 15, async () => {
    await showAllPanels(page)
    const states = await unwell(page)
    assert.equal(states.length, 2)
    assert.match(states[0]!, /P2: .*type “piechart”/)
    assert.match(states[1]!, /P4: .*data source "cloudwatch" is not available/)
    return (await page.locator('.uplot').count()) === 2
  })
  const note = page.locator('.markdown')
  assert.equal(await note.locator('pre').textContent(), 'npm start\n\nnpm run load')
  assert.deepEqual(await note.locator('ol > li').allTextContents(), ['<i>wait</i>', 'look'])
  assert.equal(await note.locator('a').count(), 0, 'no link that runs anything')
  assert.deepEqual(problems, [])
})

test('the alert of the burnt budget is over', options, async () => {
  await until('nothing of it fires', 180, sentAlerts, (found) => assert.deepEqual(found, []))
  const firing = await system.prometheusQuery(`ALERTS{alertname="${BURNING}"}`)
  assert.deepEqual(firing, [])
})
