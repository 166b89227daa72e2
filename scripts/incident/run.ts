/**
 * The life of an incident:
 *
 *   note (what has to be undone) -> database -> flags -> runner: load and background -> 15 minutes, stop, or the end of the system
 *     -> flags off -> database back -> the note stays for answers until stop
 */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { withClient } from '@sightline/db/with-client'
import { freePort, secondName } from '@sightline/local'
import {
  flagsFileOf,
  forgetIncident,
  type IncidentNote,
  incidentLogOf,
  incidentNoteOf,
  incidentPidOf,
  readIncidentNote,
  removeFlags,
  stateOfIncident,
  stopProcesses,
  undoInDatabase,
} from '@sightline/local/incident'
import { livingProcess, takeLock, writePidFile } from '@sightline/local/process-identity'
import { root, startError } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import { writeWhole } from '@sightline/service-kit/whole-file'
import { writeFlags } from './definitions.ts'
import type { Incident } from './incident.ts'
import { incidents } from './incidents/index.ts'
import { assertRuns, type Place, PORT_OF } from './place.ts'

/** How long load and fault go on when nobody stops them. */
export const LONGEST_MS = 15 * 60_000
/** The services look at the flags four times a second: by then no request is hit any more. */
const TAKEN_OVER_MS = 600
/** How long the runner may take to begin: a process has to be started, and the first request answered. */
const BEGIN_SECONDS = 60
/** How long the runner may take to end. */
const STOP_SECONDS = 25

/** The incident of that name; a startError names those there are. */
export function incidentCalled(name: string): Incident {
  const found = incidents.find((incident) => incident.name === name)
  if (found) return found
  throw startError(
    `There is no incident "${name}". There are: ${incidents.map((incident) => incident.name).join(', ')}`,
  )
}

/** The note of the incident that was started, running or run out; a startError when there is none. */
export function currentNote(place: Place): IncidentNote {
  const note = readIncidentNote(place.home)
  if (note === null) throw startError('No incident was started. See which there are: npm run incident -- list')
  return note
}

/** Two commands at once would undo each other's work. */
export async function alone<T>(place: Place, work: () => Promise<T>): Promise<T> {
  const lock = takeLock(join(place.home, 'run/incident.lock'))
  if (lock.holder !== null)
    throw startError(`Another npm run incident is at work (process ${lock.holder}). Wait for it, then try again.`)
  try {
    return await work()
  } finally {
    lock.release()
  }
}

/** Starts it; resolves to its note when its load has begun. Rejects with a startError when one runs or the system can't have it. */
export async function startIncident(place: Place, incident: Incident, rate?: number): Promise<IncidentNote> {
  await assertRuns(place)
  const earlier = readIncidentNote(place.home)
  if (earlier?.endedAt === undefined && earlier !== null)
    throw startError(`The incident ${earlier.name} is running. End it first: npm run incident -- stop`)
  const { owner } = place
  if (incident.database && owner === null)
    throw startError(
      `${incident.name} changes the database as its owner: that works with npm start, not on the Docker stack.`,
    )
  if ((incident.background || incident.secondProcess) && owner === null)
    throw startError(`${incident.name} needs processes of npm start beside it: it does not run on the Docker stack.`)
  const note: IncidentNote = {
    name: incident.name,
    startedAt: Date.now(),
    undo: [...(incident.database?.undo ?? [])],
    processes: incident.secondProcess ? [secondName(incident.secondProcess.of)] : [],
    hints: 0,
    wrong: 0,
  }
  keepNote(place, note)
  try {
    if (incident.database && owner) {
      const { begin } = incident.database
      await withClient({ ...owner, application_name: 'incident' }, async (client) => {
        for (const statement of begin) await client.query(statement)
      })
    }
    const port = incident.secondProcess && (await freePort(place.settings.ports))
    writeFlags(place.flags, port === undefined ? incident : withUrls(place, incident, port))
    await startRunner(place, note, rate ?? incident.load.requestsPerSecond, port)
  } catch (error) {
    await putBack(place, note)
    forgetIncident(place.home, note)
    throw error
  }
  return note
}

/** Whoever calls the service is told both addresses. */
function withUrls(place: Place, incident: Incident, port: number): Pick<Incident, 'flags' | 'seed'> {
  const { of, flag } = incident.secondProcess!
  const first = place.settings.ports[PORT_OF[of]]
  const urls = [first, port].map((one) => `http://127.0.0.1:${one}`)
  return { ...incident, flags: { ...incident.flags, [flag]: { on: { urls } } } }
}

/** A process of its own, that outlives the command and ends by itself. */
async function startRunner(place: Place, note: IncidentNote, rate: number, port?: number): Promise<void> {
  const log = openSync(incidentLogOf(place.home), 'a', 0o600)
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, 'runner.ts'),
      String(note.startedAt),
      String(rate),
      ...(port === undefined ? [] : [String(port)]),
    ],
    { cwd: root, detached: true, stdio: ['ignore', log, log], env: { ...process.env, ...place.settings.env } },
  )
  closeSync(log)
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  child.unref()
  writePidFile(incidentPidOf(place.home), child.pid ?? 0)
  const begun = until('its load', BEGIN_SECONDS, () => readIncidentNote(place.home)?.loadedAt).catch((error: Error) => {
    throw startError(
      `The load of ${note.name} has not begun within ${BEGIN_SECONDS} s, and all is put back. Is the machine very busy? Try again when it is less so.`,
      error,
    )
  })
  await Promise.race([failed, begun])
}

/** Everything is as it was before: the runner has ended, flags are off, the database is put back. Safe to call again. */
export async function putBack(place: Place, note: IncidentNote): Promise<void> {
  switchFlagsOff(place)
  const takenOver = delay(TAKEN_OVER_MS)
  const runner = livingProcess(incidentPidOf(place.home))
  if (runner !== null && runner !== process.pid) {
    process.kill(runner, 'SIGTERM')
    await until(
      `the load of ${note.name} has ended`,
      STOP_SECONDS,
      () => livingProcess(incidentPidOf(place.home)) === null,
    )
  }
  await takenOver
  await stopProcesses(place.home, note)
  await undoInDatabase(note, place.owner)
}

/** Those of a local system as well where none runs any more: it was killed, say. */
function switchFlagsOff(place: Place): void {
  for (const file of new Set([place.flags, flagsFileOf(place.home)])) removeFlags(file)
}

/**
 * An incident whose load was killed still has its fault: all is put back, as if it had ended by itself. Resolves to its note, or to null
 * when there was nothing to do.
 */
export async function endKilledIncident(place: Place): Promise<IncidentNote | null> {
  const note = readIncidentNote(place.home)
  if (note === null || stateOfIncident(place.home, note) !== 'killed') return null
  await endIncident(place, note)
  return note
}

/** For the end of an incident by itself: all is put back, answers are still taken. */
export async function endIncident(place: Place, note: IncidentNote): Promise<void> {
  await putBack(place, note)
  keepNote(place, { ...currentNote(place), endedAt: Date.now() })
}

/** Puts all back and forgets the incident; resolves to its note, or null when there was none. */
export async function stopIncident(place: Place): Promise<IncidentNote | null> {
  const note = readIncidentNote(place.home)
  if (note === null) {
    switchFlagsOff(place)
    return null
  }
  await putBack(place, note)
  forgetIncident(place.home, note)
  return note
}

/** Writes the note, whole or not at all. */
export function keepNote(place: Place, note: IncidentNote): void {
  const file = incidentNoteOf(place.home)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeWhole(file, `${JSON.stringify(note, null, 2)}\n`)
}
