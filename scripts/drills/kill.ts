/** kill -9 at random moments under load. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@sightline/service-kit/poll'
import { closeBooks, openBooks } from './books.ts'
import { type Drill, type DrillRun, needsProc, services } from './drill.ts'
import { between, type Load, oneOf } from './load.ts'

/** Kills one thing; resolves to a name for the tally and to what brings it back. */
type Kill = (run: DrillRun) => { victim: string; recover: () => Promise<void> }

const killComponent =
  (name: 'telemetry-backend' | (typeof services)[number]): Kill =>
  ({ system }) => {
    system.killComponent(name, 'SIGKILL')
    return { victim: name, recover: () => system.startComponent(name) }
  }

/** One service, or two at once. */
const killServices: Kill = (run) => {
  const first = oneOf(services)
  const others = services.filter((name) => name !== first)
  const victims = Math.random() < 0.2 ? [first, oneOf(others)] : [first]
  const killed = victims.map((name) => killComponent(name)(run))
  return {
    victim: victims.toSorted().join(' and '),
    recover: async () => {
      await Promise.all(killed.map(({ recover }) => recover()))
    },
  }
}

/** The whole server, or one of its backends, whereupon the server restarts all of them by itself. */
const killPostgres: Kill = ({ system, database }) => {
  const server = system.pid('postgres')
  const backends = childrenOf(server)
  if (backends.length === 0 || Math.random() < 0.5) {
    system.killComponent('postgres', 'SIGKILL')
    return { victim: 'server', recover: () => system.startComponent('postgres') }
  }
  killIfThere(oneOf(backends))
  return {
    victim: 'backend',
    recover: async () => {
      await until('the database answers', 30, () => database.query('select 1'))
    },
  }
}

/** Master and workers: a worker left alone would go on serving. */
const killGateway: Kill = ({ system }) => {
  const master = system.pid('gateway')
  const workers = childrenOf(master)
  system.killComponent('gateway', 'SIGKILL')
  workers.forEach(killIfThere)
  return { victim: 'gateway', recover: () => system.startComponent('gateway') }
}

export const killDrills: Drill[] = [
  {
    name: 'kill-services',
    does: 'kill -9 of user-, order- and audit-service, at times of two at once',
    run: async (run) => void (await killing(run, killServices)),
  },
  {
    name: 'kill-postgres',
    does: 'kill -9 of the PostgreSQL server or of one of its backends',
    unavailable: needsProc,
    run: async (run) => void (await killing(run, killPostgres)),
  },
  {
    name: 'kill-gateway',
    does: 'kill -9 of Nginx',
    unavailable: needsProc,
    run: async (run) => void (await killing(run, killGateway)),
  },
  { name: 'kill-telemetry', does: 'kill -9 of the telemetry backend', run: killTelemetry },
]

async function killing(run: DrillRun, kill: Kill): Promise<Load> {
  const opening = await openBooks(run)
  const load = run.load()
  const victims = new Map<string, number>()
  const began = performance.now()
  for (let kills = 1; kills <= run.options.kills; kills++) {
    await delay(between(100, 1_000))
    const { victim, recover } = kill(run)
    victims.set(victim, (victims.get(victim) ?? 0) + 1)
    await delay(between(0, 300))
    await recover()
    if (kills % 10 === 0) run.say(`${kills} kills, ${load.sent.length} requests`)
  }
  // Some requests after the last recovery, so that it is one.
  await delay(1_000)
  await load.stop()
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  const tally = [...victims].map(([victim, count]) => `${victim} ${count}`).join(', ')
  run.say(`${run.options.kills} kills in ${seconds} s: ${tally}`)
  await closeBooks(run, load, opening)
  return load
}

/** Here no request may notice anything. */
async function killTelemetry(run: DrillRun): Promise<void> {
  const load = await killing(run, killComponent('telemetry-backend'))
  const attempts = load.since(0)
  const failed = attempts.filter(({ outcome }) => outcome !== 200 && outcome !== 201)
  run.expect('no request notices', failed.length === 0, `${failed.length} of ${attempts.length} not 200 or 201`)
}

/** Linux: the processes whose parent this is. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === parent)
    .map(Number)
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    // It ended between the listing and the look.
    return undefined
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
