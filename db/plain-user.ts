/**
 * As whom programs run that root starts (`@sightline/db/plain-user`): PostgreSQL refuses root, and no other part of a system needs
 * it. One place decides, for the database and for all of local mode.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'

export interface PlainUser {
  uid: number
  gid: number
}

/** `nobody` on Linux. */
const NOBODY = 65534

const CHECKOUT = path.resolve(import.meta.dirname, '..')

/**
 * Null when this process isn't root: its programs then run as whoever it runs as. Else the owner of the folder `checkout`, or
 * nobody where that is root or has no name on this machine, as in a container: PostgreSQL refuses a number without one.
 */
export function plainUser(checkout = CHECKOUT): PlainUser | null {
  if (process.getuid?.() !== 0) return null
  const { uid, gid } = fs.statSync(checkout)
  if (uid === 0 || !hasName(uid)) return { uid: NOBODY, gid: NOBODY }
  // Root's group may read what is root's alone.
  return { uid, gid: gid === 0 ? NOBODY : gid }
}

const named = new Map<number, boolean>()

function hasName(uid: number): boolean {
  const known = named.get(uid) ?? spawnSync('id', ['-un', String(uid)], { stdio: 'ignore' }).status === 0
  named.set(uid, known)
  return known
}

/**
 * The first folder on the way to `target` (which need not exist) that `user` may not pass through, by the bits of its mode; links
 * on the way are looked at from both ends.
 */
export function firstClosedFolder(target: string, user: PlainUser): string | undefined {
  const folders = foldersTo(path.resolve(target))
  const deepest = folders.findLast((folder) => fs.existsSync(folder))
  const real = deepest === undefined ? [] : [...foldersTo(fs.realpathSync(deepest)), fs.realpathSync(deepest)]
  return [...folders, ...real].find((folder) => fs.existsSync(folder) && !mayPass(folder, user))
}

/** From below the top down to the one that `target` lies in. */
function foldersTo(target: string): string[] {
  const folders: string[] = []
  for (let folder = path.dirname(target); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    folders.unshift(folder)
  }
  return folders
}

function mayPass(folder: string, user: PlainUser): boolean {
  const { mode, uid, gid } = fs.statSync(folder)
  if (uid === user.uid) return (mode & 0o100) !== 0
  if (gid === user.gid) return (mode & 0o010) !== 0
  return (mode & 0o001) !== 0
}

/**
 * Makes `user` the owner of a folder and of all in it. Links themselves change hands, never what they point at. On Linux no part of
 * a path is looked up twice, so that whoever may write in there can't put a link in its place half-way. The folder comes last:
 * one that was interrupted still has its old owner.
 */
export function giveFolder(folder: string, user: PlainUser): void {
  const fd = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW)
  try {
    const here = process.platform === 'linux' ? `/proc/self/fd/${fd}` : folder
    for (const name of fs.readdirSync(here)) giveEntry(path.join(here, name), user)
    fs.fchownSync(fd, user.uid, user.gid)
  } finally {
    fs.closeSync(fd)
  }
}

function giveEntry(entry: string, user: PlainUser): void {
  try {
    const found = fs.lstatSync(entry)
    if (found.isDirectory()) giveFolder(entry, user)
    // One with a second name may be somebody else's file, which was linked here to be given away.
    else if (found.nlink === 1 && found.uid !== user.uid) fs.lchownSync(entry, user.uid, user.gid)
  } catch (error) {
    // A part that runs meanwhile may have removed it, or put a link there.
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
