/** Services are replaced, and PostgreSQL is restarted, under load; nobody may notice. */
import { setTimeout as delay } from 'node:timers/promises'
import { closeBooks, openBooks } from './books.ts'
import { type Drill, type DrillRun, services } from './drill.ts'
import { isClear, outcomes } from './load.ts'

export const rollingRestart: Drill = {
  name: 'rolling-restart',
  does: 'replaces each service in turn (successor beside it, then SIGTERM)',
  defaults: { kills: 30 },
  async run(run) {
    await restarting(run, async (restarts) => {
      await run.system.replaceService(services[restarts % services.length]!)
      return true
    })
  },
}

/** As long as a request can wait: half of its ten seconds. A restart takes one, and on a crowded machine several. */
const WAIT_MS = 5_000

export const restartPostgres: Drill = {
  name: 'restart-postgres',
  does: 'restarts PostgreSQL as an update does it (fast shutdown, then started again)',
  env: { DB_ACQUIRE_TIMEOUT_MS: String(WAIT_MS) },
  defaults: { kills: 10 },
  async run(run) {
    let longest = 0
    await restarting(run, async () => {
      const from = performance.now()
      await run.system.stopComponent('postgres')
      await run.system.startComponent('postgres')
      const awayMs = performance.now() - from
      longest = Math.max(longest, awayMs)
      await delay(500)
      return awayMs < WAIT_MS * 0.8
    })
    run.say(`away for ${longest.toFixed(0)} ms at most`)
  },
}

/** `restart` resolves to whether it was one that nobody has to notice; else what fails has to say when to come back. */
async function restarting(run: DrillRun, restart: (restarts: number) => Promise<boolean>): Promise<void> {
  const opening = await openBooks(run)
  const load = run.load({ keyed: 0 })
  await delay(500)
  let isUnnoticed = true
  for (let restarts = 0; restarts < run.options.kills; restarts++) {
    if (!(await restart(restarts))) isUnnoticed = false
    if ((restarts + 1) % 10 === 0) run.say(`${restarts + 1} restarts, ${load.sent.length} requests`)
  }
  await delay(500)
  await load.stop()
  const attempts = load.since(0)
  const failed = attempts.filter(({ outcome }) => outcome !== 200 && outcome !== 201)
  const counted = `${failed.length} of ${attempts.length} in ${run.options.kills} restarts (${outcomes(failed)})`
  if (isUnnoticed) run.expect('zero failed requests', failed.length === 0, counted)
  else
    run.expect('after a restart that took too long what failed says when to come back', failed.every(isClear), counted)
  for (const { requestId, said } of failed.slice(0, 5)) run.say(`failed: ${requestId} ${said ?? ''}`)
  const slowest = attempts.reduce((most, { milliseconds }) => Math.max(most, milliseconds), 0)
  run.say(`slowest answer ${slowest.toFixed(0)} ms`)
  await closeBooks(run, load, opening)
}
