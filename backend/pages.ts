/**
 * The console's pages where the sources are: built in the background by a process of its own when there are none of the present
 * sources.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { locateConsole } from '@sightline/console/build'
import type { ConsolePages } from './ports/console.ts'

const folder = join(import.meta.dirname, '../console')
const dashboards = join(import.meta.dirname, '../observability/grafana/dashboards')

export const sourcePages = (): ConsolePages => ({ dist: locateConsole().dist, dashboards, build: buildPages })

/**
 * Builds the pages if that has to be done and this user may, and tells `log` how it went. The build appears whole and serves later
 * starts, too: it goes on when this process ends before it.
 */
function buildPages(log: (level: 'info' | 'error', message: string) => void): void {
  if (locateConsole().built) return
  // Vite keeps what it needs for a moment among the packages.
  if (!mayWrite(folder) || !mayWrite(join(folder, '../node_modules'))) {
    log('info', 'The console is built by another user: this one may not write there.')
    return
  }
  log('info', 'The console is being built: its pages are there in some seconds.')
  const child = spawn(process.execPath, [join(folder, 'build.ts')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let problem = ''
  child.stderr.on('data', (chunk: Buffer) => {
    problem = (problem + chunk.toString()).slice(-2000)
  })
  child.on('error', (error) => log('error', `The console can't be built: ${error.message}`))
  child.on('exit', (code, signal) => {
    // Ctrl-C reaches everyone in front of the terminal.
    if (signal === 'SIGINT') return
    if (code === 0) log('info', 'The console is built.')
    else log('error', `The console can't be built; its port answers without pages.\n${problem}`)
  })
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    if (!['EACCES', 'EROFS', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return false
  }
}
