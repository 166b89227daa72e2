/**
 * What an incident (`npm run incident`) leaves in the state folder while it runs, and how all of it is put back: by the command,
 * and by the next start when command or system were killed.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { withClient } from '@sightline/db/with-client'
import { writeWhole } from '@sightline/service-kit/whole-file'
import type { OwnerConnection } from './database.ts'
import { orphansIn, stopOrphans } from './leftovers.ts'
import { livingProcess } from './process-identity.mjs'
import { root, startError } from './settings.ts'

/** What is known of the incident in a state folder; written before anything is done. */
export interface IncidentNote {
  name: string
  /** Milliseconds since the epoch. */
  startedAt: number
  /** When its load began: milliseconds since the epoch. */
  loadedAt?: number
  /** When all was put back and the note was kept for answers: milliseconds since the epoch. */
  endedAt?: number
  /** Statements that put the database back, to be run as its owner in one transaction; safe to run when nothing was done. */
  undo: string[]
  /** Names of processes that were started beside the system's own, as their pid files have them. */
  processes: string[]
  hints: number
  wrong: number
  /** Set with the right answer. */
  solved?: Solution
}

/** The flags of all services of a local system, in flagd's format; there is none while no incident runs. */
export const flagsFileOf = (home: string) => join(home, 'flags/flags.json')
/** Those of the stack: docker-compose.yaml mounts the folder, which is there from the start so that Docker makes none as root. */
export const STACK_FLAGS_FILE = join(root, 'observability/flags/flags.json')
/** The note, see IncidentNote. */
export const incidentNoteOf = (home: string) => join(home, 'incident/note.json')
/** The process that makes the load of the incident. */
export const incidentPidOf = (home: string) => join(home, 'incident/runner.pid')
/** What that process writes. */
export const incidentLogOf = (home: string) => join(home, 'incident/runner.log')

/** null when no incident was started. A damaged note is a startError. */
export const readIncidentNote = (home: string): IncidentNote | null => read<IncidentNote>(incidentNoteOf(home))

function read<T>(path: string): T | null {
  if (!existsSync(path)) return null
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch (error) {
    throw startError(`${path} is damaged. Remove ${dirname(path)}; npm run incident -- start NAME begins anew.`, error)
  }
}

/**
 * `starting`: its load has not begun; `ended`: after 15 minutes all was put back, and answers are still taken; `killed`: its load is gone
 * and nothing was put back.
 */
export type IncidentState = 'starting' | 'running' | 'ended' | 'killed'

/** A start that takes longer was cut short. */
const STARTS_WITHIN_MS = 30_000

/** What has become of the incident of that note. */
export function stateOfIncident(home: string, note: IncidentNote): IncidentState {
  if (note.endedAt !== undefined) return 'ended'
  if (livingProcess(incidentPidOf(home)) !== null) return 'running'
  return note.loadedAt === undefined && Date.now() - note.startedAt < STARTS_WITHIN_MS ? 'starting' : 'killed'
}

/** When an incident was; times are milliseconds since the epoch. */
export interface RecentIncident {
  name: string
  startedAt: number
  /** undefined while its fault is there. */
  endedAt?: number
}

/** Those of the last hour: what they left in counters and alerts is to be told from a fault. */
const recentIncidentsOf = (home: string) => join(home, 'incident/recent.json')
const REMEMBERED_MS = 60 * 60_000

/** Prometheus has asked everybody, and queues are empty again, so long after an incident's end. */
export const SETTLED_MS = 15_000

/** The one that is under way, and those that ended within the last hour, the newest first. A damaged note is a startError. */
export function recentIncidents(home: string): RecentIncident[] {
  const note = readIncidentNote(home)
  const past = read<RecentIncident[]>(recentIncidentsOf(home)) ?? []
  const current = note === null ? [] : [timesOf(note)]
  return [...current, ...past].filter(({ endedAt = Date.now() }) => Date.now() - endedAt < REMEMBERED_MS)
}

/** What was made of an incident: points, and seconds from its start to the right answer. */
export interface Solution {
  score: number
  seconds: number
}

const solvedIncidentsOf = (home: string) => join(home, 'incident/solved.json')

/** By name, the best of all times it was played. `npm run reset` forgets them with all else. A damaged file is a startError. */
export const solvedIncidents = (home: string): Record<string, Solution> =>
  read<Record<string, Solution>>(solvedIncidentsOf(home)) ?? {}

/** Keeps the solution unless there is one with as many points in as little time. */
export function noteSolved(home: string, name: string, solution: Solution): void {
  const solved = solvedIncidents(home)
  const best = solved[name]
  const isBetter =
    !best || solution.score > best.score || (solution.score === best.score && solution.seconds < best.seconds)
  if (!isBetter) return
  mkdirSync(dirname(solvedIncidentsOf(home)), { recursive: true, mode: 0o700 })
  writeWhole(solvedIncidentsOf(home), `${JSON.stringify({ ...solved, [name]: solution }, null, 2)}\n`)
}

/** All has been put back: nothing is left of it but when it was. */
export function forgetIncident(home: string, note: IncidentNote): void {
  const ended = { ...note, endedAt: note.endedAt ?? Date.now() }
  const past = recentIncidents(home).filter(({ startedAt }) => startedAt !== note.startedAt)
  writeWhole(recentIncidentsOf(home), `${JSON.stringify([timesOf(ended), ...past])}\n`)
  for (const file of [incidentNoteOf(home), incidentPidOf(home), incidentLogOf(home)]) rmSync(file, { force: true })
}

const timesOf = ({ name, startedAt, endedAt }: IncidentNote): RecentIncident => ({
  name,
  startedAt,
  ...(endedAt === undefined ? {} : { endedAt }),
})

/** Switches all flags of a file off. */
export function removeFlags(file: string): void {
  rmSync(file, { force: true })
}

/** Runs the note's statements. `owner` is null where the owner of the database is out of reach: then there are none. */
export async function undoInDatabase(note: IncidentNote, owner: OwnerConnection | null): Promise<void> {
  if (note.undo.length === 0) return
  if (owner === null)
    throw startError('The database is not running: the next npm start puts it back to what it was before the incident.')
  await withClient({ ...owner, application_name: 'incident' }, (client) =>
    client.query(['begin', ...note.undo, 'commit'].join(';\n')),
  )
}

/** Ends what was started beside the system's own processes and still runs. */
export async function stopProcesses(home: string, note: IncidentNote): Promise<void> {
  await stopOrphans(home, orphansIn(home, note.processes))
}

/**
 * For a start: an incident that was running when the system ended is over. Resolves to its name, or null when there was none.
 * To be called when the database answers and no service runs.
 */
export async function endLeftIncident(home: string, owner: OwnerConnection): Promise<string | null> {
  const runner = livingProcess(incidentPidOf(home))
  if (runner !== null) process.kill(runner, 'SIGTERM')
  removeFlags(flagsFileOf(home))
  const note = readIncidentNote(home)
  if (note === null) return null
  await stopProcesses(home, note)
  await undoInDatabase(note, owner)
  forgetIncident(home, note)
  return note.endedAt === undefined ? note.name : null
}
