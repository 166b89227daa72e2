/** The clock of one service jumps while it works. */
import { setTimeout as delay } from 'node:timers/promises'
import { closeBooks, openBooks } from './books.ts'
import type { Drill, DrillRun } from './drill.ts'
import { outcomes } from './load.ts'

const VICTIM = 'order-service'

export const clockStep: Drill = {
  name: 'clock-step',
  does: `sets the clock of ${VICTIM} an hour ahead, an hour back, and right again`,
  env: { DRILL_CLOCK_SERVICE: VICTIM },
  preload: 'clock-shift.mjs',
  run,
}

async function run(run: DrillRun): Promise<void> {
  const { system, database, options, say, expect } = run
  const opening = await openBooks(run)
  const load = run.load()
  await delay(500)
  for (const name of ['an hour ahead', 'an hour back', 'right']) {
    const from = performance.now()
    system.killComponent(VICTIM, 'SIGUSR2')
    await delay((options.seconds * 1000) / 2)
    // Events that wait in the outbox must not wait an hour.
    system.killComponent('audit-service', 'SIGKILL')
    await delay(200)
    await system.startComponent('audit-service')
    await delay((options.seconds * 1000) / 2)
    say(`clock ${name}: ${outcomes(load.since(from))}`)
  }
  await load.stop()
  const failed = load.since(0).filter(({ outcome }) => ![200, 201, 202].includes(outcome as number))
  expect(
    'no request fails by it',
    failed.length === 0,
    `${failed.length} of ${load.since(0).length} (${outcomes(failed)})`,
  )
  await closeBooks(run, load, opening)
  // Only now: before, the orders of a whole step may still wait for the audit row that has the true time.
  const { rows } = await database.query(
    `select count(*) filter (where o.created_at > a.recorded_at + interval '30 minutes')::int as ahead,
            count(*) filter (where o.created_at < a.recorded_at - interval '30 minutes')::int as behind
     from orders o join audit_logs a on a.order_id = o.id where o.id > $1`,
    [opening.lastOrder],
  )
  const { ahead, behind } = rows[0]
  expect('the clock did jump', ahead > 0 && behind > 0, `${ahead} orders an hour ahead, ${behind} an hour behind`)
}
