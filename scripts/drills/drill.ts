/** What a drill is: something done to a running system under load, what was promised for it, and what was counted. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { LocalSystem } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { type Load, type LoadOptions, startLoad } from './load.ts'

export const services = ['user-service', 'order-service', 'audit-service'] as const

export interface DrillOptions {
  /** How often something is killed or restarted. */
  kills: number
  /** Length of one fault or one measured window. */
  seconds: number
  /** Length of the soak. */
  minutes: number
  /** How long after recovery an audit row may be missing. */
  auditWithinSeconds: number
  /** Longest pause of each client of the load between two requests, milliseconds. */
  pauseMs: number
}

export interface DrillRun {
  system: LocalSystem
  /** As the owner of the database: sees everything, and outlives a server that is killed. */
  database: Pick<pg.Pool, 'query'>
  options: DrillOptions
  /** Starts requests through the gateway; they end with the drill at the latest. */
  load(options?: LoadOptions): Load
  say(line: string): void
  /** Notes whether a promise was kept, with the figures. */
  expect(promise: string, kept: boolean, counted: string): void
}

export interface Drill {
  name: string
  does: string
  defaults?: Partial<DrillOptions>
  /** Settings that the system is started with. */
  env?: NodeJS.ProcessEnv
  /** A module beside this one that the processes of the system load first. */
  preload?: string
  /** A reason why it can't be done on this machine, or undefined. */
  unavailable?(): string | undefined
  run(run: DrillRun): Promise<void>
}

export interface Outcome {
  kept: boolean
  lines: string[]
}

/** For `unavailable`. */
export const needsProc = () => (process.platform === 'linux' ? undefined : 'it reads /proc, which only Linux has')

/** The environment of a system on which these drills can be run. */
export function drillEnvironment(list: readonly Drill[]): NodeJS.ProcessEnv {
  const modules = new Set(list.flatMap(({ preload }) => preload ?? []))
  const imports = [...modules].map((name) => `--import=${pathToFileURL(join(import.meta.dirname, name))}`)
  return {
    ...process.env,
    ...Object.assign({}, ...list.map(({ env }) => env)),
    NODE_OPTIONS: [process.env.NODE_OPTIONS, ...imports].filter(Boolean).join(' '),
  }
}

/** Runs one drill on a system that is up. Rejects only when the drill itself can't go on. */
export async function runDrill(
  drill: Drill,
  system: LocalSystem,
  options: DrillOptions,
  say: (line: string) => void,
): Promise<Outcome> {
  // What it has it keeps: a drill may take all other connections.
  const pool = new pg.Pool({ ...system.postgres, max: 4, idleTimeoutMillis: 0, application_name: 'drill' })
  // Drills kill the server; the next query finds a fresh connection.
  pool.on('error', () => undefined)
  const lines: string[] = []
  const loads: Load[] = []
  let kept = true
  try {
    await drill.run({
      system,
      database: pool,
      options,
      say,
      load(wanted) {
        const load = startLoad(system.urls.gateway, options.pauseMs, wanted)
        loads.push(load)
        return load
      },
      expect(promise, held, counted) {
        if (!held) kept = false
        lines.push(`${held ? 'PASS' : 'FAIL'}  ${promise}: ${counted}`)
        say(lines.at(-1)!)
      },
    })
  } finally {
    await Promise.all(loads.map((load) => load.stop()))
    await pool.end()
  }
  return { kept: kept && lines.length > 0, lines }
}

/** Seconds until `succeeds` no longer throws; rejects with `what` and its last error after `seconds`. */
export async function secondsUntil(what: string, seconds: number, succeeds: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await until(what, seconds, async () => {
    await succeeds()
    return true
  })
  return (performance.now() - began) / 1000
}
