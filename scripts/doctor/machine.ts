/** This machine: what can be looked at whether anything runs or not. */
import { existsSync, readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { findPrograms } from '@sightline/db/server'
import {
  componentNames,
  findNginx,
  findPrometheus,
  inspectStateFolder,
  openToOthers,
  readPasswords,
} from '@sightline/local'
import { root } from '@sightline/local/settings'
import { type Check, fail, messageOf, pass, skip, warn } from './check.ts'

const GROUP = 'This machine'
const MEGABYTE = 2 ** 20
/** With so many times what is needed nobody has to think of it. */
const AMPLE = 3

/** The folder, or the nearest one above it that is there. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)))

const node: Check = {
  id: 'node',
  group: GROUP,
  title: "Node is the project's own",
  async run() {
    const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    if (process.versions.node === devDependencies.node) return pass(process.version)
    return warn(
      `${process.version} runs this, package.json says ${devDependencies.node}`,
      'Use npm run doctor; if it did: npm ci',
    )
  },
}

const programs: Check = {
  id: 'programs',
  group: GROUP,
  title: 'Nginx, Prometheus and PostgreSQL are found',
  async run({ mode, running }) {
    if (mode === 'stack') return skip('containers bring their own')
    if (running.length > 0) return pass('they run')
    const found: string[] = []
    for (const [name, find] of [
      ['nginx', findNginx],
      ['prometheus', findPrometheus],
    ] as const) {
      try {
        const { version, from } = await find({ fetch: false })
        found.push(`${name} ${version} (${from})`)
      } catch (error) {
        const [what, ...how] = messageOf(error).split('\n')
        if (/npm start would fetch/.test(what!))
          return warn(what!, 'Nothing, when this machine reaches a Debian mirror; else install it.')
        return fail(what!, how.join('\n'))
      }
    }
    try {
      found.push(findPrograms().postgres.includes('node_modules') ? 'PostgreSQL (npm package)' : 'PostgreSQL (PATH)')
    } catch (error) {
      return fail(
        messageOf(error),
        'npm ci brings it, where there is a package for this machine; else install PostgreSQL 15 or newer.',
      )
    }
    return pass(found.join(', '))
  },
}

const disk: Check = {
  id: 'disk',
  group: GROUP,
  title: 'the disk has room',
  async run({ settings, minFreeMegabytes }) {
    const { bavail, bsize } = await statfs(existing(settings.home))
    const free = Math.floor((bavail * bsize) / MEGABYTE)
    const seen = `${free} MB free where ${settings.home} lies`
    const remedy =
      'Free some space, keep less (TRACES_RETENTION, LOGS_RETENTION, METRICS_RETENTION), or move the state: SIGHTLINE_HOME=/path/on/another/disk npm start'
    if (free < minFreeMegabytes) return fail(`only ${seen}; ${minFreeMegabytes} are needed`, remedy)
    return free < AMPLE * minFreeMegabytes ? warn(seen, remedy) : pass(seen)
  },
}

const stateFolder: Check = {
  id: 'state-folder',
  group: GROUP,
  title: "the state folder is its owner's alone",
  async run({ mode, settings: { home } }) {
    if (mode === 'stack') return skip('the stack keeps its state in volumes')
    if (!existsSync(home)) return pass(`${home} is not there yet; npm start makes it`)
    const open = openToOthers(home)
    if (open.length > 0)
      return fail(
        `others may enter ${open.join(', ')}: passwords, keys and all logs lie there`,
        `chmod -R go= ${open.join(' ')}`,
      )
    try {
      readPasswords(home)
    } catch (error) {
      const [what, ...how] = messageOf(error).split('. ')
      return fail(what!, how.join('. '))
    }
    const { foreign } = inspectStateFolder(home)
    if (foreign.length > 0)
      return warn(
        `${home} also holds ${foreign.join(', ')}`,
        'Give Sightline a folder of its own: npm run reset refuses this one. SIGHTLINE_HOME names it.',
      )
    return pass(home)
  },
}

const parts: Check = {
  id: 'parts',
  group: GROUP,
  title: 'all parts run, under one npm start',
  without: 'nothing runs',
  async run({ mode, launcher, running, hasAlertmanager, settings: { home } }) {
    if (mode === 'stack') return skip('Docker watches over them')
    if (launcher === null && running.length === 0) return fail(`nothing runs in ${home}`, 'npm start')
    if (launcher === null)
      return fail(
        `${running.join(', ')} of an earlier start still run in ${home}, and nobody watches over them`,
        'npm start stops them first, then starts all.',
      )
    const missing = componentNames.filter(
      (name) => !running.includes(name) && (name !== 'alertmanager' || hasAlertmanager),
    )
    if (missing.length > 0)
      return fail(
        `not running: ${missing.join(', ')}`,
        `npm start (process ${launcher}) starts a part anew 10 s after its end. Why it ended: ${home}/logs/${missing[0]}/output.log`,
      )
    return pass(`${running.length} under process ${launcher}`)
  },
}

export const machineChecks: readonly Check[] = [node, programs, disk, stateFolder, parts]
