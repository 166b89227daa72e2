/** The system that is looked at: where its parts are, and what the checks made so far have learned of it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspectStateFolder, type LocalSystem, readPasswords, urlsOf } from '@sightline/local'
import { apisOf } from '@sightline/local/apis'
import { type RecentIncident, readIncidentNote, recentIncidents, stateOfIncident } from '@sightline/local/incident'
import { readSettings, root, type Settings, startError } from '@sightline/local/settings'
import type { Before, Sent } from '../expectations/ask.ts'
import { readDotEnv, readPassword } from '../stack/compose.ts'
import { stackPorts } from '../stack.ts'

export interface Patient {
  mode: 'local' | 'stack'
  settings: Settings
  /** By its ports, whether anything listens there or not. */
  urls: LocalSystem['urls'] & { alertmanager: string }
  /** As postgres://user:password@host:port/name; undefined where no password is known. */
  database: string | undefined
  /** What the gateway wants to see, when it has a key. */
  credentials: Record<string, string>
  /** A folder of boards in place of the console's own. */
  boards: string | undefined
  /** Folder of traceql.md and logql.md. */
  docs: string
  /** What a check waits for something to arrive is multiplied by it. */
  patience: number
  /** Below which the disk is nearly full. */
  minFreeMegabytes: number
  /** Local mode: process id of `npm start`, and names of its parts that run. */
  launcher: number | null
  running: readonly string[]
  /** Local mode does without where there is none. */
  hasAlertmanager: boolean
  /** The incident that is under way and those of the last hour, the newest first. */
  incidents: readonly RecentIncident[]
  /** The load of the newest is gone, and its fault is not. */
  isIncidentKilled: boolean
  /** Milliseconds since the epoch, before the first question. */
  began: number
  /**
   * The one order, once it was answered; `before`: how often each edge of the map had been counted until then; `isBelowCaller`: its
   * trace was begun here, so that it is kept, and the gateway's span is no root.
   */
  order?: Sent & { sentAt: number; answeredAt: number; before: Before; isBelowCaller: boolean }
}

export interface Wishes {
  /** Stands in for the environment, the state folder and the ports of it. */
  asked?: Parameters<typeof readSettings>[0]
  patience?: number
  stack?: boolean
  boards?: string | undefined
  docs?: string | undefined
  minFreeMegabytes?: number
}

export const MIN_FREE_MEGABYTES = 300

/** Where the state folder, the environment and, of the stack, its containers say that everything is. Throws a startError. */
export function findPatient({
  stack = false,
  boards,
  docs = join(root, 'docs'),
  minFreeMegabytes = MIN_FREE_MEGABYTES,
  patience = 1,
  asked,
}: Wishes): Patient {
  const settings = stack ? stackSettings() : readSettings(asked)
  const { ports, home } = settings
  const note = readIncidentNote(home)
  const local = stack ? { launcher: null, running: [] } : inspectStateFolder(home)
  return {
    mode: stack ? 'stack' : 'local',
    settings,
    urls: urlsOf(ports, true),
    database: databaseOf(stack, settings),
    credentials: apisOf(settings).credentials,
    boards,
    docs,
    minFreeMegabytes,
    patience,
    launcher: local.launcher,
    running: local.running,
    hasAlertmanager: stack || receivesAlerts(home),
    incidents: recentIncidents(home),
    isIncidentKilled: note !== null && stateOfIncident(home, note) === 'killed',
    began: Date.now(),
  }
}

/** Ports as docker-compose.yaml publishes them: .env beside it, then the environment. */
export function stackSettings(): Settings {
  const env = { ...readDotEnv(), ...process.env }
  return readSettings({ env: { ...stackPortTexts(), ...env } })
}

const stackPortTexts = () => Object.fromEntries(Object.entries(stackPorts).map(([name, port]) => [name, String(port)]))

function databaseOf(stack: boolean, { ports, env, home }: Settings): string | undefined {
  if (env.DATABASE_URL) return env.DATABASE_URL
  const password = stack ? readPassword('postgres', process.env) : passwordIn(home)
  return password && `postgres://sightline:${encodeURIComponent(password)}@127.0.0.1:${ports.POSTGRES_PORT}/sightline`
}

/** Whether the last start has told Prometheus of an Alertmanager. */
function receivesAlerts(home: string): boolean {
  const list = join(home, 'prometheus/config/alertmanagers/local.json')
  return existsSync(list) && JSON.parse(readFileSync(list, 'utf8')).length > 0
}

/** A damaged file is a finding of the check that looks at the folder. */
function passwordIn(home: string): string | undefined {
  try {
    return readPasswords(home)?.sightline
  } catch (error) {
    if (error instanceof Error && error.name === startError('').name) return undefined
    throw error
  }
}
