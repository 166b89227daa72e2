/** The folder that holds all of one installation's state: taken by one launcher at a time, and cleared of what a killed one left. */
import { existsSync } from 'node:fs'
import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { stopLeftover } from '@sightline/db/server'
import { closeToOthers, foreignIn } from './access.ts'
import { pidFileOf } from './component.ts'
import { componentNames } from './components.ts'
import { startGuard } from './guard.ts'
import { abandon, orphansIn, runningIn, stopOrphans } from './leftovers.ts'
import { postgresDataOf } from './postgres.ts'
import { livingProcess, takeLock } from './process-identity.mjs'
import { startError } from './settings.ts'

const MEGABYTE = 2 ** 20
const ROOM_NEEDED = 300 * MEGABYTE

const lockFileOf = (home: string) => join(home, 'run/launcher.lock')

/**
 * Makes the folder this process's own until the function it resolves to is called. When it ends without calling that, even by
 * kill -9, its components end too. Rejects with a startError when there is no room or somebody else has it.
 */
export async function takeStateFolder(home: string): Promise<() => void> {
  await assertRoomFor(home)
  closeToOthers(home)
  const lock = takeLock(lockFileOf(home))
  if (lock.holder !== null) {
    throw startError(
      `Sightline is already running in ${home} (process ${lock.holder}).\n` +
        'Stop it with Ctrl-C there, or give this one its own SIGHTLINE_HOME and ports.',
    )
  }
  const letGo = () => abandon(home, componentNames)
  process.on('exit', letGo)
  const dismissGuard = startGuard(home)
  return () => {
    process.off('exit', letGo)
    dismissGuard()
    lock.release()
  }
}

/** A full disk half-way through leaves a database that won't start: say so before. */
async function assertRoomFor(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 })
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
  const orphans = orphansIn(home, componentNames)
  await stopOrphans(home, orphans)
  // One that was killed before PostgreSQL answered has left no pid file of ours.
  await stopLeftover(postgresDataOf(home))
  return orphans.map(({ name }) => name)
}

/**
 * For the guard of a launcher that is gone: stops what that one left, unless a new launcher has the folder and does so itself.
 * It has its components started after it took the lock: those that were there before the second look are not its own.
 */
export async function stopWhatLauncherLeft(home: string): Promise<void> {
  const hasLauncher = () => livingProcess(lockFileOf(home)) !== null
  if (hasLauncher()) return
  const orphans = orphansIn(home, componentNames)
  if (hasLauncher()) return
  await stopOrphans(home, orphans)
  // One that did not answer yet has left no pid file of ours.
  if (!hasLauncher()) await stopLeftover(postgresDataOf(home))
}

/** Process id of a component of the state folder `home`, whoever started it; null when it doesn't run. */
export const pidOf = (home: string, name: string): number | null => livingProcess(pidFileOf(home, name))

/** What a state folder is in use for: process id of its launcher, names of running components, entries that are not ours. */
export function inspectStateFolder(home: string) {
  return {
    launcher: livingProcess(lockFileOf(home)),
    running: runningIn(home, componentNames),
    foreign: existsSync(home) ? foreignIn(home) : [],
  }
}
