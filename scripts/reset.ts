/** `npm run reset`: removes the state folder, with all orders, traces, logs and metrics. Not while anything runs on it. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isFolderTaken } from '@sightline/backend/folder'
import { inspectStateFolder } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { readSettings } from '@sightline/local/settings'

readFlags(
  'npm run reset\n\nDeletes the state folder (SIGHTLINE_HOME, .sightline) with all orders, traces, logs and metrics.',
  {},
)
const { home } = readSettings()
const { launcher, running, foreign } = inspectStateFolder(home)

if (!existsSync(home)) {
  console.log(`There is no ${home}: nothing to remove.`)
} else if (launcher !== null) {
  refuse(`Sightline is running in ${home} (process ${launcher}). Stop it with Ctrl-C there, or: kill ${launcher}`)
} else if (running.length > 0) {
  refuse(
    `${running.join(', ')} still run in ${home} after a killed start. npm start stops them; then Ctrl-C, and reset again.`,
  )
} else if (isFolderTaken(join(home, 'backend'))) {
  refuse(`npm run backend is running on ${join(home, 'backend')}. Stop it with Ctrl-C there, then reset again.`)
} else if (foreign.length > 0) {
  // A wrong SIGHTLINE_HOME must not cost anyone a folder of theirs.
  refuse(`${home} also holds ${foreign.slice(0, 5).join(', ')}: no state folder of Sightline. Nothing was removed.`)
} else {
  await rm(home, { recursive: true })
  console.log(`Removed ${home}. npm start begins anew.`)
}

function refuse(message: string): void {
  console.error(message)
  process.exitCode = 1
}
