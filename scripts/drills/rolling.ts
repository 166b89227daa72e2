/** Every service is replaced in turn, under load; nobody may notice. */
import { setTimeout as delay } from 'node:timers/promises'
import { closeBooks, openBooks } from './books.ts'
import { type Drill, type DrillRun, services } from './drill.ts'
import { outcomes } from './load.ts'

export const rollingRestart: Drill = {
  name: 'rolling-restart',
  does: 'replaces each service in turn (successor beside it, then SIGTERM)',
  defaults: { kills: 30 },
  run,
}

async function run(run: DrillRun): Promise<void> {
  const opening = await openBooks(run)
  const load = run.load({ keyed: 0 })
  await delay(500)
  for (let restarts = 0; restarts < run.options.kills; restarts++) {
    await run.system.replaceService(services[restarts % services.length]!)
    if ((restarts + 1) % 10 === 0) run.say(`${restarts + 1} restarts, ${load.sent.length} requests`)
  }
  await delay(500)
  await load.stop()
  const attempts = load.since(0)
  const failed = attempts.filter(({ outcome }) => outcome !== 200 && outcome !== 201)
  const counted = `${failed.length} of ${attempts.length} in ${run.options.kills} restarts (${outcomes(failed)})`
  run.expect('zero failed requests', failed.length === 0, counted)
  for (const { requestId, said } of failed.slice(0, 5)) run.say(`failed: ${requestId} ${said ?? ''}`)
  const slowest = attempts.reduce((most, { milliseconds }) => Math.max(most, milliseconds), 0)
  run.say(`slowest answer ${slowest.toFixed(0)} ms`)
  await closeBooks(run, load, opening)
}
