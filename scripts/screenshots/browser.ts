/** A headless Chromium for tests and screenshots, and what must never happen on a page of the console. */
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** The first is Debian's for just this: the same engine without a window, at an eighth less of a test's CPU time. */
const CANDIDATES = [
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Path of a Chromium: CHROMIUM_PATH, else where systems put it; undefined when there is none. */
export const chromiumPath = (): string | undefined =>
  [process.env.CHROMIUM_PATH, ...CANDIDATES].find((path) => path && existsSync(path))

export const NO_CHROMIUM = 'no Chromium on this machine: install one, or name its path in CHROMIUM_PATH'

export const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })

export interface WatchedPage {
  readonly page: Page
  /** Console errors, uncaught errors and policy violations so far. */
  readonly problems: string[]
}

export const VIEWPORT = { width: 1600, height: 1000 }

export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: VIEWPORT, ...options })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`))
  await page.exposeFunction('reportViolation', (text: string) => problems.push(`policy: ${text}`))
  // Pages are other programs: what runs in them is text here, since this side has no document to check it against.
  await page.addInitScript(`addEventListener('securitypolicyviolation', (event) =>
    reportViolation(event.violatedDirective + ' by ' + event.blockedURI + ' ' + event.sample))`)
  page.setDefaultTimeout(45_000)
  return { page, problems }
}

/** Scrolls through the page so that every panel asks, and waits until none is busy. */
export async function showAllPanels(page: Page): Promise<void> {
  await page.waitForSelector('.board-grid .panel')
  await page.evaluate(`(async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
      scrollTo(0, y)
      // Chromium draws nothing for a page that it takes for hidden: then time has to do.
      await new Promise((done) => {
        requestAnimationFrame(() => requestAnimationFrame(done))
        setTimeout(done, 250)
      })
    }
    scrollTo(0, 0)
  })()`)
  // A panel that asks again keeps its picture and counts as shown.
  const waiting = page.locator('.panel[aria-busy="true"]:not(:has(.panel-loading)), .panel .state[role="status"]')
  const deadline = performance.now() + 45_000
  while ((await waiting.count()) > 0) {
    if (performance.now() > deadline) throw new Error(`Still loading: ${await waiting.first().textContent()}`)
    await pause(50)
  }
}

/** Panels in which nothing is good news, if that is what they say. */
const GOOD_NEWS = [
  'Alerts: No dataNo alert fires.',
  'Failed requests: No dataNo request failed in this time range.',
  'Slow requests: No dataNo request was slow in this time range.',
  'Fail most: No dataNo request failed in this time range.',
  'Failed traces: No dataNo request failed in this time range.',
  'Slow traces: No dataNo request was that slow in this time range.',
  'Who waits for whom: No dataNo statement waits for a lock.',
]

/** Panels that show nothing, an error, or say they can't be drawn: `title: what it says`. */
export async function unwell(page: Page): Promise<string[]> {
  const states = await page.evaluate<string[]>(`[...document.querySelectorAll('.panel [data-state]')].map((state) =>
    state.closest('.panel').dataset.title + ': ' + state.textContent)`)
  return states.filter((state) => !GOOD_NEWS.includes(state))
}
