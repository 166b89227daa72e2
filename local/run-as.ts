/** As whom the parts run: as whoever starts them, or, when root does, as a plain user wherever that is possible. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstClosedFolder, type PlainUser, plainUser } from '@sightline/db/plain-user'
import { foreignIn, letPass } from './access.ts'
import { root, type Settings } from './settings.ts'

export interface RunAs {
  /** Null: as whoever this process runs as. */
  user: PlainUser | null
  /** Why the parts run as root all the same; null where they don't. */
  asRoot: string | null
}

/** Decides, and opens the state folder to that user. `programs` are the paths of what will be run besides the project's own Node. */
export function whoRunsParts(settings: Settings, programs: readonly string[]): RunAs {
  const user = plainUser()
  if (user === null) return { user, asRoot: null }
  const { home } = settings
  const isOurs = foreignIn(home).length === 0
  const inside = ['.', 'node_modules', 'contracts', 'local'].map((folder) => join(root, folder, 'any'))
  const asRoot =
    whyClosed(user, [...inside, process.execPath, ...programs, isOurs ? home : join(home, 'any')]) ??
    whyNotListen(settings)
  if (asRoot !== null) return { user: null, asRoot }
  if (isOurs) letPass(home, user)
  return { user, asRoot: null }
}

function whyClosed(user: PlainUser, targets: readonly string[]): string | null {
  const closed = targets.map((target) => firstClosedFolder(target, user)).find((folder) => folder !== undefined)
  return closed === undefined ? null : `${closed} is closed to uid ${user.uid} (open it: chmod o+x ${closed})`
}

function whyNotListen({ ports }: Settings): string | null {
  const file = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
  const first = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 1024
  const low = Object.entries(ports).find(([, port]) => port < first)
  return low === undefined ? null : `${low[0]}=${low[1]} is for root alone (all below ${first} are)`
}
