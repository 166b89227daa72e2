/** `npm start` as a process among others: however it is ended, and whatever of it, all of it ends, in order. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { firstClosedFolder, plainUser } from '@sightline/db/plain-user'
import { freePorts, onPath } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'

interface Started {
  home: string
  npm: ChildProcess
  gateway: string
  output(): string
  /** Process ids by what is noted in the state folder, the launcher's among them. */
  noted(): Record<string, number>
}

/** `path`: a folder whose programs hide those of the same name. */
async function npmStart(t: TestContext, path = ''): Promise<Started> {
  const home = mkdtempSync(join(tmpdir(), 'sightline-launcher-'))
  const ports = await freePorts()
  const env = { ...process.env, ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `${port}`])) }
  const npm = spawn('npm', ['start', '--', '--restart', '0.5'], {
    cwd: root,
    env: { ...env, SIGHTLINE_HOME: home, PATH: `${path}${delimiter}${process.env.PATH}` },
    detached: true,
  })
  let text = ''
  for (const stream of [npm.stdout!, npm.stderr!]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  const started: Started = {
    home,
    npm,
    gateway: `http://127.0.0.1:${ports.GATEWAY_PORT}`,
    output: () => text,
    noted: () =>
      Object.fromEntries(
        readdirSync(join(home, 'run'))
          .filter((name) => /\.(pid|lock)$/.test(name))
          .map((name) => [name, Number.parseInt(readFileSync(join(home, 'run', name), 'utf8'), 10)]),
      ),
  }
  t.after(async () => {
    if (npm.exitCode === null && npm.signalCode === null) process.kill(-npm.pid!, 'SIGTERM')
    await until('it has ended', 60, () => runningIn(home).length === 0)
    rmSync(home, { recursive: true })
  })
  await until('it runs', 120, () => {
    assert.equal(npm.exitCode, null, text)
    return text.includes('Sightline runs')
  })
  return started
}

const runs = (pid: number) => {
  try {
    return !/^[^)]*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Whoever has the folder in its command line: parts that were started from it. */
function runningIn(home: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && runs(Number(pid)))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        return ''
      }
    })
    .filter((command) => command.includes(home))
}

interface ProcessStatus {
  pid: number
  parent: number
  /** Real, effective, saved and the file system's, as one text. */
  userIds: string
  groups: string
}

/** All there are at this moment, by /proc. */
function processes(): ProcessStatus[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && runs(Number(name)))
    .flatMap((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/status`, 'utf8')
        const field = (name: string) => new RegExp(`^${name}:[\\t ]*(.*?)[\\t ]*$`, 'm').exec(text)![1]!
        return [{ pid: Number(pid), parent: Number(field('PPid')), userIds: field('Uid'), groups: field('Groups') }]
      } catch {
        // It has ended since the listing.
        return []
      }
    })
}

/** Whom a process of these has started, and those again. */
function startedBy(all: ProcessStatus[], pid: number): ProcessStatus[] {
  return all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...startedBy(all, child.pid)])
}

const root = resolve(import.meta.dirname, '..')

/** Why none of this can be seen here, or false. */
function noPlainUser(): string | false {
  const user = plainUser()
  if (user === null) return 'not root: parts run as who starts them'
  const closed = [root, tmpdir()].map((at) => firstClosedFolder(join(at, 'any'), user)).find(Boolean)
  return closed === undefined ? false : `${closed} is closed to all but root`
}

/** Started by root: no process of a part is root, and the state folder says so too. */
function assertPartsArePlain({ home, noted, output }: Started): void {
  const { uid, gid } = plainUser()!
  const { 'launcher.lock': launcher, ...parts } = noted()
  const all = processes()
  for (const [name, pid] of Object.entries(parts)) {
    const own = all.filter((found) => found.pid === pid)
    const children = startedBy(all, pid)
    assert.equal(own.length, 1, name)
    // Nginx' workers, PostgreSQL's many.
    if (/^(gateway|postgres)/.test(name)) assert.ok(children.length > 0, `${name} has started nobody`)
    for (const { userIds, groups } of [...own, ...children]) {
      assert.equal(userIds, Array(4).fill(uid).join('\t'), name)
      assert.equal(groups, '', name)
    }
  }
  assert.equal(all.find(({ pid }) => pid === launcher)?.userIds, '0\t0\t0\t0')
  assert.match(output(), new RegExp(`the parts run as user ${uid};`))

  const rights = (name: string) => {
    const found = statSync(join(home, name))
    return `${(found.mode & 0o777).toString(8)} ${found.uid}:${found.gid}`
  }
  for (const name of ['', 'logs', 'gateway', 'prometheus']) assert.equal(rights(name), `710 0:${gid}`, name)
  const services = ['user-service', 'order-service', 'audit-service'].map((name) => `logs/${name}`)
  for (const name of [...services, 'logs/gateway', 'gateway/run', 'telemetry', 'prometheus/data', 'postgres'])
    assert.equal(rights(name), `700 ${uid}:${gid}`, name)
  assert.equal(rights('gateway/nginx.conf'), `600 ${uid}:${gid}`)
  assert.equal(rights('run'), '700 0:0')
  for (const name of ['passwords.json', 'run/launcher.lock']) assert.equal(rights(name), '600 0:0', name)
}

const only = { skip: process.platform !== 'linux' && 'reads /proc' }

test('Ctrl-C that reaches npm alone ends everything in order', only, async (t) => {
  const started = await npmStart(t)
  const { npm, noted, output } = started
  await t.test('started by root, only the launcher is root', { skip: noPlainUser() }, () =>
    assertPartsArePlain(started),
  )
  const pids = Object.values(noted())
  assert.ok(pids.length >= 8, JSON.stringify(noted()))
  npm.kill('SIGINT')
  await until('npm has ended', 60, () => npm.exitCode !== null || npm.signalCode !== null)
  assert.match(output(), /Stopped\. Nothing is left running; the data is kept\.\s*$/)
  assert.deepEqual(pids.filter(runs), [])
})

/** Where Debian's Alertmanager can't have a mount namespace, as on machines that allow none. */
function withoutNamespaces(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-path-'))
  t.after(() => rmSync(folder, { recursive: true }))
  // Whoever the parts run as finds it, too.
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'unshare'), '#!/bin/sh\necho unshare failed: Operation not permitted\nexit 1\n', {
    mode: 0o755,
  })
  return folder
}

test('kill -9: a part comes back with its ports, npm or the launcher takes all with it', only, async (t) => {
  const { npm, noted, gateway, output } = await npmStart(t, withoutNamespaces(t))
  const first = noted()
  if (!onPath('alertmanager') && !onPath('prometheus-alertmanager')) {
    assert.match(output(), /alertmanager is off.*unshare failed: Operation not permitted.*apt-get install/)
    assert.equal(first['alertmanager.pid'], undefined)
  }
  process.kill(first['gateway.pid']!, 'SIGKILL')
  await until('a new gateway is noted', 60, () => ![undefined, first['gateway.pid']].includes(noted()['gateway.pid']))
  await until('it answers', 60, async () => (await fetch(`${gateway}/health`)).ok)
  assert.match(output(), /gateway was ended by SIGKILL/)
  assert.doesNotMatch(output(), /Address already in use/)

  const pids = Object.values(noted())
  process.kill(first['launcher.lock']!, 'SIGKILL')
  await once(npm, 'exit')
  await until('all parts have ended', 60, () => pids.filter(runs).length === 0)
})
