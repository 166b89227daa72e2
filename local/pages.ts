/** The console's pages, which the backend builds in the project's folder: a user who may not write there has them built. */
import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { locateConsole } from '@sightline/console/build'
import type { PlainUser } from '@sightline/db/plain-user'
import { root } from './settings.ts'

/**
 * Begins to build what is missing, as this process, unless the project is `user`'s own. It appears whole, and goes on when this
 * process ends before it; `warn` hears when it fails.
 */
export function buildPagesFor(user: PlainUser, warn: (text: string) => void): void {
  if (statSync(root).uid === user.uid || locateConsole().built) return
  const child = spawn(process.execPath, [join(root, 'console/build.ts')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let problem = ''
  child.stderr.on('data', (chunk: Buffer) => {
    problem = (problem + chunk.toString()).slice(-2000)
  })
  child.once('error', (error) => warn(`The console can't be built: ${error.message}`))
  child.once('exit', (code) => {
    if (code !== 0) warn(`The console can't be built; its port answers without pages.\n${problem}`)
  })
  child.unref()
  ;(child.stderr as Socket).unref()
}
