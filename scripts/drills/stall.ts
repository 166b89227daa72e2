/** A service that stands still: it takes connections and answers nothing (SIGSTOP), as behind a broken network. */
import { setTimeout as delay } from 'node:timers/promises'
import { closeBooks, openBooks } from './books.ts'
import type { Drill, DrillRun } from './drill.ts'
import { isClear, isRefused, outcomes } from './load.ts'

const inTurn = ['audit-service', 'order-service', 'user-service'] as const
/** The gateway waits 15 s for user-service; behind it the chain's own budget of 10 s holds. */
const LONGEST_MS = 16_500

export const stall: Drill = { name: 'stall', does: 'SIGSTOP of each service in turn, then SIGCONT', run }

async function run(run: DrillRun): Promise<void> {
  const { system, options, say, expect } = run
  const opening = await openBooks(run)
  const load = run.load({ workers: 16 })
  try {
    for (const service of inTurn) {
      const pause = Math.min(1, options.seconds) * 1000
      await delay(pause)
      const stopped = performance.now()
      system.killComponent(service, 'SIGSTOP')
      await delay(options.seconds * 1000)
      system.killComponent(service, 'SIGCONT')
      await delay(pause)
      const attempts = load.since(stopped)
      say(`${service} stood still for ${options.seconds} s: ${outcomes(attempts)}`)
      // Shorter than order-service waits, a stall only makes the answer late.
      if (service === 'audit-service' && options.seconds > 3.5) {
        const accepted = attempts.filter(({ outcome }) => outcome === 202).length
        const counted = `${accepted} of ${attempts.length} answered 202`
        expect('most orders are taken while audit-service stands still', accepted > attempts.length / 2, counted)
      }
    }
  } finally {
    for (const service of inTurn) system.killComponent(service, 'SIGCONT')
  }
  await load.stop()
  const attempts = load.since(0)
  const slowest = attempts.reduce((most, { milliseconds }) => Math.max(most, milliseconds), 0)
  expect(
    `every request is answered within ${LONGEST_MS / 1000} s`,
    slowest <= LONGEST_MS,
    `slowest ${(slowest / 1000).toFixed(1)} s`,
  )
  const refused = attempts.filter(isRefused)
  const clear = refused.filter(isClear)
  const counted = `${clear.length} of ${refused.length} (${outcomes(refused)})`
  expect('what is refused is 502, 503 or 504 with Retry-After', clear.length === refused.length, counted)
  await closeBooks(run, load, opening)
}
