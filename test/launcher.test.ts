/** `npm start` as a process among others: however it is ended, and whatever of it, all of it ends, in order. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePorts, onPath } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'

interface Started {
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
    cwd: resolve(import.meta.dirname, '..'),
    env: { ...env, SIGHTLINE_HOME: home, PATH: `${path}${delimiter}${process.env.PATH}` },
    detached: true,
  })
  let text = ''
  for (const stream of [npm.stdout!, npm.stderr!]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  const started: Started = {
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

const only = { skip: process.platform !== 'linux' && 'reads /proc' }

test('Ctrl-C that reaches npm alone ends everything in order', only, async (t) => {
  const { npm, noted, output } = await npmStart(t)
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
