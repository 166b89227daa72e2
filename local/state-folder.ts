/** The folder that holds all of one installation's state: taken by one launcher at a time, and cleared of what a killed one left. */
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { stopLeftover } from '@sightline/db/server'
import { componentNames } from './components.ts'
import { abandon, runningIn, stopOrphans } from './leftovers.ts'
import { postgresDataOf } from './postgres.ts'
import { livingProcess, takeLock } from './process-identity.mjs'
import { startError } from './settings.ts'

const MEGABYTE = 2 ** 20
const ROOM_NEEDED = 300 * MEGABYTE
/** What a start makes there; anything else is not ours. */
const OURS = /^(bootstrap\.lock.*|gateway|logs|passwords\.json(\.new)?|postgres(\.new)?|prometheus|run|telemetry)$/

const lockFileOf = (home: string) => join(home, 'run/launcher.lock')

/**
 * Makes the folder this process's own until the function it resolves to is called. A process that ends without calling it
 * tells its components to end too. Rejects with a startError when there is no room or somebody else has it.
 */
export async function takeStateFolder(home: string): Promise<() => void> {
  await assertRoomFor(home)
  const lock = takeLock(lockFileOf(home))
  if (lock.holder !== null) {
    throw startError(
      `Sightline is already running in ${home} (process ${lock.holder}).\n` +
        'Stop it with Ctrl-C there, or give this one its own SIGHTLINE_HOME and ports.',
    )
  }
  const letGo = () => abandon(home, componentNames)
  process.on('exit', letGo)
  return () => {
    process.off('exit', letGo)
    lock.release()
  }
}

/** A full disk half-way through leaves a database that won't start: say so before. */
async function assertRoomFor(home: string): Promise<void> {
  await mkdir(home, { recursive: true })
  const { bavail, bsize } = await statfs(home)
  const free = bavail * bsize
  if (free >= ROOM_NEEDED) return
  throw startError(
    `Only ${Math.floor(free / MEGABYTE)} MB are free where ${home} lies; ${ROOM_NEEDED / MEGABYTE} MB are needed.\n` +
      'Free some space, or put the state elsewhere: SIGHTLINE_HOME=/path/on/another/disk npm start',
  )
}

/** Stops what a killed launcher has left running in the folder. Resolves to the names of what it found. */
export async function stopLeftovers(home: string): Promise<string[]> {
  const orphans = await stopOrphans(home, componentNames)
  // One that was killed before PostgreSQL answered has left no pid file of ours.
  await stopLeftover(postgresDataOf(home))
  return orphans
}

/** What a state folder is in use for: process id of its launcher, names of running components, entries that are not ours. */
export function inspectStateFolder(home: string) {
  return {
    launcher: livingProcess(lockFileOf(home)),
    running: runningIn(home, componentNames),
    foreign: existsSync(home) ? readdirSync(home).filter((name) => !OURS.test(name)) : [],
  }
}
