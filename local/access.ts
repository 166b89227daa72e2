/**
 * Who may do what in the state folder. It is for its owner alone; where root has the parts run as another user, that one gets the
 * folders they write in and may pass through those above, not list them. Passwords and pid files stay root's.
 *
 *   .sightline  logs  prometheus  gateway    0710 root, the user's group
 *   logs/PART  telemetry  prometheus/data  gateway/run    0700 the user's
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, realpathSync, type Stats } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { giveFolder, type PlainUser, plainUser } from '@sightline/db/plain-user'
import { startError } from './settings.ts'

/** What a start makes there; anything else is not ours. */
const OURS =
  /^(alertmanager|backend|capture|bootstrap\.lock.*|flags|gateway|incident|learn|logs|passwords\.json(\.\d+)?(\.new)?|postgres(\.new)?|prometheus|run|telemetry)$/

/** Entries that no start has made. */
export const foreignIn = (home: string): string[] => readdirSync(home).filter((name) => !OURS.test(name))

/**
 * Logs of all users' requests, keys and passwords lie in it: it is for its owner alone, and so is what an earlier version left
 * open in it. A folder that holds other things too is not ours to close; in it only what is ours is closed.
 */
export function closeToOthers(home: string): void {
  const entries = readdirSync(home)
  if (foreignIn(home).length === 0) close(home)
  for (const name of entries.filter((entry) => OURS.test(entry))) {
    close(join(home, name))
    // PostgreSQL refuses a data folder that is open to others by itself.
    if (name.startsWith('postgres') || !lstatSync(join(home, name)).isDirectory()) continue
    for (const inner of readdirSync(join(home, name), { recursive: true })) close(join(home, name, String(inner)))
  }
}

/** The doors that others find open: the folder itself, or what is ours in one that holds other things too. */
export function openToOthers(home: string): string[] {
  const ours = readdirSync(home).filter((name) => OURS.test(name))
  const doors = foreignIn(home).length === 0 ? [home] : ours.map((name) => join(home, name))
  return doors.filter((path) => openAt(path) !== null)
}

function close(path: string): void {
  const found = openAt(path)
  if (found === null) return
  try {
    chmodSync(path, found.mode & 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
    throw startError(`${path} belongs to another user: start as that one, or give it away with chown -R.`, error)
  }
}

/** What others may do there something with. Links are left alone, and what has gone meanwhile. */
function openAt(path: string): Stats | null {
  const found = lstatSync(path, { throwIfNoEntry: false })
  const isOpen = found && !found.isSymbolicLink() && (found.mode & 0o077) !== 0 && !isOpenedByUs(found)
  return isOpen ? found : null
}

/** Parts of a start that goes on, or is being stopped, still need it so. */
function isOpenedByUs({ uid, gid, mode }: Stats): boolean {
  const user = plainUser()
  return user !== null && uid === 0 && gid === user.gid && (mode & 0o027) === 0
}

/** Lets `user` pass through a folder, not list it; the owner stays. */
export function letPass(folder: string, user: PlainUser): void {
  const { uid } = lstatSync(folder)
  if (uid === user.uid) return
  chownSync(folder, uid, user.gid)
  chmodSync(folder, 0o710)
}

/** Lets `user` read a file, or a folder with all in it, that belongs to whoever has the folder that it lies in. */
export function letRead(path: string, user: PlainUser): void {
  chownSync(path, lstatSync(dirname(path)).uid, user.gid)
  const isFolder = lstatSync(path).isDirectory()
  chmodSync(path, isFolder ? 0o750 : 0o640)
  if (isFolder) for (const name of readdirSync(path)) letRead(join(path, name), user)
}

/** Makes a folder that `user` may read, with what this process will write in it. */
export function makeReadable(folder: string, user: PlainUser): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  letRead(folder, user)
  // New files get the folder's group.
  chmodSync(folder, 0o2750)
}

/**
 * Makes `folders` of the state folder `home` the user's, with all that an earlier start as root left in them; makes what is not
 * there.
 */
export function handOver(home: string, folders: readonly string[], user: PlainUser): void {
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (let above = dirname(folder); relative(home, above) !== ''; above = dirname(above)) letPass(above, user)
    // Root may have put a link to another disk there; what is behind it is as much the part's.
    giveFolder(realpathSync(folder), user)
    chmodSync(folder, 0o700)
  }
}
