/**
 * Prints how fluent a trace of 10,000 spans is in Chromium: `node bench/console/trace.ts [--spans N] [--console URL --otlp URL]`.
 *
 *   a system of its own, or a running one -> one trace -> each view: until it is drawn, then 240 frames of scrolling and of
 *   zooming, a step a frame -> frames a second, how long each kept the page busy, and how many came late
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, startLocal } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import type { Browser, Page } from 'playwright-core'
import { chromiumPath, launch, NO_CHROMIUM, openPage } from '../../scripts/screenshots/browser.ts'

const { values } = readFlags('node bench/console/trace.ts [--spans N] [--console URL --otlp URL]', {
  options: { spans: { type: 'string', default: '10000' }, console: { type: 'string' }, otlp: { type: 'string' } },
})
const SPANS = Number(values.spans)
const FRAMES = 240
/** A frame at 60 a second, and half of another: later than that is one missed. */
const LATE_MS = 25
const SERVICES = 6

const chromium = chromiumPath()
if (!chromium) throw new Error(NO_CHROMIUM)

if (values.console && values.otlp) await measure({ console: values.console, otlp: values.otlp })
else {
  const home = mkdtempSync(join(tmpdir(), 'sightline-bench-'))
  const system = await startLocal({ home, ports: await freePorts(), onEnd: 'ignore' })
  try {
    await measure(system.urls)
  } finally {
    await system.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

async function measure(urls: { console: string; otlp: string }): Promise<void> {
  const traceId = randomBytes(16).toString('hex')
  await sendTrace(urls.otlp, traceId)
  const browser = await launch(chromium!)
  try {
    // The first page pays for what all share.
    await opened(browser, `${urls.console}/trace/${traceId}`, '.span-row')
    const views = [
      { view: 'waterfall', ready: '.span-row', scroller: '.waterfall-rows', axis: '.span-track' },
      { view: 'flame', ready: '.flame-graph canvas', scroller: '.flame-scroller', axis: '.flame-scroller' },
      { view: 'spans', ready: '.row-table td', scroller: '.row-table' },
      { view: 'operations', ready: '.row-table td', scroller: '.row-table' },
      { view: 'path', ready: '.row-table td', scroller: '.row-table' },
      { view: 'json', ready: '.json-lines pre:not(:empty)', scroller: '.json-lines' },
    ]
    console.log(
      `${SPANS.toLocaleString('en')} spans\n${'view'.padEnd(12)}${'drawn'.padStart(9)}   scroll: frames/s, busy, late  zoom`,
    )
    for (const { view, ready, scroller, axis } of views) {
      const { page, millis } = await opened(browser, `${urls.console}/trace/${traceId}?view=${view}`, ready)
      const scrolled = await frames(page, `document.querySelector('${scroller}').scrollTop += 60`)
      const zoomed = axis && (await frames(page, zoomStep(axis)))
      await page.context().close()
      console.log(
        `${view.padEnd(12)}${`${Math.round(millis)} ms`.padStart(9)}   ${told(scrolled).padEnd(30)}${zoomed ? told(zoomed) : ''}`,
      )
    }
  } finally {
    await browser.close()
  }
}

/** In, and out again. */
function zoomStep(axis: string): string {
  return `{
    const box = document.querySelector('${axis}')
    const { left, width, top } = box.getBoundingClientRect()
    box.dispatchEvent(new WheelEvent('wheel', { bubbles: true, cancelable: true, ctrlKey: true,
      clientX: left + width * 0.4, clientY: top + 5, deltaY: frame < ${FRAMES / 2} ? -8 : 8 }))
  }`
}

async function opened(browser: Browser, url: string, ready: string): Promise<{ page: Page; millis: number }> {
  const { page } = await openPage(browser)
  const started = performance.now()
  await page.goto(url)
  await page.locator(ready).first().waitFor()
  return { page, millis: performance.now() - started }
}

interface Frames {
  readonly perSecond: number
  /** Milliseconds of a frame in which the page was at work. */
  readonly busy: number
  readonly late: number
}

/** `step` runs once a frame; it may read `frame`, its number. */
async function frames(page: Page, step: string): Promise<Frames> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  const worked = async () =>
    (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')!.value
  const before = await worked()
  const times = await page.evaluate<number[]>(`new Promise((done) => {
    const times = []
    const next = (now) => {
      const frame = times.push(now)
      if (frame > ${FRAMES}) return done(times)
      ${step}
      requestAnimationFrame(next)
    }
    requestAnimationFrame(next)
  })`)
  const gaps = times.slice(1).map((time, i) => time - times[i]!)
  return {
    busy: (((await worked()) - before) * 1000) / FRAMES,
    perSecond: (gaps.length * 1000) / (times.at(-1)! - times[0]!),
    late: gaps.filter((gap) => gap > LATE_MS).length,
  }
}

function told({ perSecond, busy, late }: Frames): string {
  return `${perSecond.toFixed(1)}, ${busy.toFixed(1)} ms, ${late} late`
}

/** A tree of eight children each, in several services, some of them failed. */
async function sendTrace(otlp: string, traceId: string): Promise<void> {
  // Old enough that the page doesn't wait for more of it.
  const begin = BigInt(Date.now() - 60_000) * 1_000_000n
  const id = (n: number) => (n + 1).toString(16).padStart(16, '0')
  const spans = Array.from({ length: SPANS }, (_, i) => ({
    traceId,
    spanId: id(i),
    ...(i > 0 && { parentSpanId: id(Math.floor((i - 1) / 8)) }),
    name: `step ${i % 40}`,
    kind: 1,
    ...(i % 97 === 5 && { status: { code: 2 } }),
    attributes: [{ key: 'step.number', value: { intValue: String(i) } }],
    startTimeUnixNano: String(begin + BigInt(i) * 10_000n),
    endTimeUnixNano: String(begin + BigInt(i) * 10_000n + BigInt(((i * 7919) % 9000) + 1) * 1000n),
  }))
  const resourceSpans = Array.from({ length: SERVICES }, (_, n) => ({
    resource: { attributes: [{ key: 'service.name', value: { stringValue: `service-${n}` } }] },
    scopeSpans: [{ spans: spans.filter((_span, i) => i % SERVICES === n) }],
  }))
  const sent = await fetch(`${otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans }),
  })
  if (!sent.ok) throw new Error(`The trace was refused: ${sent.status} ${await sent.text()}`)
}
