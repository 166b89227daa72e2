/**
 * Prints how long the console takes with a day of data behind it: `node bench/console/bench.ts [SPANS]`.
 *
 *   a system of its own -> a minute of load, so that every series exists -> each series continued 24 h into the past, at the
 *   scrape interval, in blocks that promtool makes -> spans over the same day -> every board in Chromium, from the first
 *   byte until its last panel has its picture
 *
 * Takes some minutes and 10 GB of temporary files. Run it on a machine that has nothing else to do.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findPrometheus, freePorts, type LocalSystem, startLocal } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { root } from '@sightline/local/settings'
import type { Browser } from 'playwright-core'
import { chromiumPath, launch, NO_CHROMIUM, openPage } from '../../scripts/screenshots/browser.ts'

const { positionals } = readFlags('node bench/console/bench.ts [SPANS]', { allowPositionals: true, options: {} })
const SPANS = Number(positionals[0] ?? 500_000)
const DAY = 86_400
const BLOCK = 7_200
const SCRAPE = 5
const TIMES = 5
const chromium = chromiumPath()
if (!chromium) throw new Error(NO_CHROMIUM)

const home = mkdtempSync(join(tmpdir(), 'sightline-bench-'))
try {
  const system = await startLocal({ home, ports: await freePorts(), onEnd: 'ignore' })
  try {
    await run('scripts/load.ts', ['--minutes', '1'], { GATEWAY_PORT: String(system.ports.GATEWAY_PORT) })
    const series = await fillMetrics(system)
    await run('bench/backend/ingest.ts', [system.urls.otlp, String(SPANS), String(DAY), '4'])
    const samples = (series * DAY) / SCRAPE
    console.log(
      `\n${series} series, ${(samples / 1e6).toFixed(1)} million samples, ${SPANS.toLocaleString('en')} spans\n`,
    )
    const browser = await launch(chromium)
    await open(browser, system, '/d/sightline-chain')
    for (const board of ['chain', 'slo', 'database', 'audit', 'telemetry']) {
      const times: number[] = []
      for (let time = 0; time < TIMES; time++) times.push(await open(browser, system, `/d/sightline-${board}`))
      times.sort((a, b) => a - b)
      console.log(
        `${board.padEnd(10)} ${times[2]!.toFixed(2)} s   (${times[0]!.toFixed(2)} to ${times.at(-1)!.toFixed(2)})`,
      )
    }
    await browser.close()
  } finally {
    await system.stop()
  }
} finally {
  rmSync(home, { recursive: true, force: true })
}

/** Seconds from the request for the page until every panel, on screen or not, has its picture. */
async function open(browser: Browser, system: LocalSystem, path: string): Promise<number> {
  const { page } = await openPage(browser, { viewport: { width: 1600, height: 3000 } })
  const started = performance.now()
  await page.goto(`${system.urls.console}${path}?from=now-24h&to=now&refresh=off`)
  // The page's policy forbids waitForFunction, which evaluates text inside the page.
  const busy = `!document.querySelector('.board-grid .panel') ||
    document.querySelector('.panel[aria-busy="true"], .panel .state[role="status"]') !== null`
  while (await page.evaluate(busy)) await delay(20)
  const seconds = (performance.now() - started) / 1000
  await page.context().close()
  return seconds
}

/** Continues every series that is there now into the day before, as a wave over the hours; resolves to their number. */
async function fillMetrics(system: LocalSystem): Promise<number> {
  const answer = await fetch(
    `${system.urls.prometheus}/api/v1/query?${new URLSearchParams({ query: '{__name__!=""}' })}`,
  )
  const { data } = (await answer.json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }
  const end = Math.floor(Date.now() / 1000 / BLOCK) * BLOCK
  const promtool = join(dirname((await findPrometheus()).path), 'promtool')
  const blocks = join(home, 'blocks')
  mkdirSync(blocks)
  for (let from = end - DAY; from < end; from += BLOCK) {
    const text = join(home, 'day.txt')
    await writeSamples(text, data.result, from, end - DAY)
    await promisify(execFile)(promtool, ['tsdb', 'create-blocks-from', 'openmetrics', text, blocks])
    process.stdout.write('.')
  }
  await system.stopComponent('prometheus')
  for (const block of await readdir(blocks)) renameSync(join(blocks, block), join(home, 'prometheus/data', block))
  await system.startComponent('prometheus')
  return data.result.length
}

async function writeSamples(
  file: string,
  series: { metric: Record<string, string>; value: [number, string] }[],
  from: number,
  dayStart: number,
): Promise<void> {
  const out = createWriteStream(file)
  for (const { metric, value } of series) {
    const { __name__: name = '', ...labels } = metric
    const inner = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`)
    const head = `${name}{${inner.join()}}`
    const counts = /_(total|count|sum|bucket)$/.test(name)
    const now = Number(value[1])
    if (!Number.isFinite(now)) continue
    let lines = ''
    for (let at = from; at < from + BLOCK; at += SCRAPE) {
      const hours = (at - dayStart) / 3600
      // What the minute of load has counted, once a minute, more by day than by night.
      const past = counts ? now * (hours * 60 + 20 * Math.sin(hours / 4)) : now * (1 + 0.2 * Math.sin(hours))
      lines += `${head} ${past} ${at}\n`
    }
    if (!out.write(lines)) await once(out, 'drain')
  }
  out.end('# EOF\n')
  await once(out, 'close')
}

async function run(script: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    env: { ...process.env, ...env },
    stdio: 'inherit',
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${script} ended with ${code}`)
}
