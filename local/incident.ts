/**
 * What an incident (`npm run incident`) leaves in the state folder while it runs, and how all of it is put back: by the command,
 * and by the next start when command or system were killed.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { withClient } from '@sightline/db/with-client'
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
  solved?: { score: number; seconds: number }
}

/** The flags of all services of a local system, in flagd's format; there is none while no incident runs. */
export const flagsFileOf = (home: string) => join(home, 'flags/flags.json')
/** Those of the stack: docker-compose.yaml mounts the folder, which is there from the start so that Docker makes none as root. */
export const STACK_FLAGS_FILE = join(root, 'observability/flags/flags.json')
/** The note, see IncidentNote. */
export const incidentNoteOf = (home: string) => join(home, 'incident/note.json')
/** The process that makes the load of the incident. */
export const incidentPidOf = (home: string) => join(home, 'incident/runner.pid')

/** null when no incident was started. A damaged note is a startError. */
export function readIncidentNote(home: string): IncidentNote | null {
  const path = incidentNoteOf(home)
  if (!existsSync(path)) return null
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw startError(`${path} is damaged. Remove ${dirname(path)}; npm run incident -- start NAME begins anew.`, error)
  }
}

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
  rmSync(dirname(incidentNoteOf(home)), { recursive: true, force: true })
  return note.endedAt === undefined ? note.name : null
}
