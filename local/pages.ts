/** The console's pages, which the backend builds in the project's folder: a user who may not write there has them built. */
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { locateConsole } from '@sightline/console/build'
import { giveFolder, type PlainUser } from '@sightline/db/plain-user'
import { root } from './settings.ts'

/**
 * Root, whose parts run as `user`: begins to build what is missing, unless that user's backend can do so itself. It appears whole, and
 * goes on when this process ends before it; `warn` hears when it fails.
 */
export function buildPagesFor(user: PlainUser, warn: (text: string) => void): void {
  const owner = statSync(root)
  // Vite writes in it, too. In a checkout that is somebody's it may be root's: an installation is whoever's who made it.
  const { uid, gid } = statSync(join(root, 'node_modules'))
  const { built, dist } = locateConsole()
  if (built || (owner.uid === user.uid && uid === user.uid)) return
  const child = spawn(process.execPath, [join(root, 'console/build.ts')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    uid,
    gid,
  })
  let problem = ''
  child.stderr.on('data', (chunk: Buffer) => {
    problem = (problem + chunk.toString()).slice(-2000)
  })
  child.once('error', (error) => warn(`The console can't be built: ${error.message}`))
  child.once('exit', (code) => {
    if (code !== 0) warn(`The console can't be built; its port answers without pages.\n${problem}`)
    else if (owner.uid !== uid && existsSync(dist)) giveFolder(dirname(dist), owner)
  })
  child.unref()
  ;(child.stderr as Socket).unref()
}
