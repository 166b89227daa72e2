/** The npm package `sightline-backend`, as somebody uses it who has nothing else of Sightline: by npx, in an empty folder. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePorts } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'
import { buildPackage } from '../scripts/package-backend/build.ts'

/** What it has when it has nothing to do is 80-95 MB; a test leaves room for other machines. */
const MOST_RESIDENT_MB = 120

/** npx, by the Node that npm was started with where it was: Debian's npm needs Debian's. */
const { npm_execpath: npm, npm_node_execpath: node = process.execPath } = process.env
const NPX = npm?.endsWith('npm-cli.js') ? [node, npm, 'exec'] : ['npx']

describe('the package of the backend', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sightline-package-')))
  const empty = join(folder, 'empty')
  let file: string
  before(async () => {
    mkdirSync(empty)
    file = await buildPackage(folder)
    copyFileSync(file, join(empty, basename(file)))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('starts by npx without a network, takes a span, finds it, shows the console, and keeps what it has taken', async (t) => {
    const ports = await freePorts()
    // Of npm's settings and folders none but its own; of Nodes the one that the project is tested with.
    const env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^INIT_CWD$|^NODE_/i.test(name))),
      ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
      npm_config_cache: join(folder, 'npm'),
      npm_config_offline: 'true',
    }
    const [command, ...args] = NPX
    const child = spawn(command!, [...args, '--yes', `./${basename(file)}`], { cwd: empty, env, detached: true })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const ended = once(child, 'close')
    t.after(async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL')
      await ended
    })
    await until('it runs', 60, () => {
      assert.equal(child.exitCode, null, output)
      return output.includes('Ctrl-C stops it')
    })
    const at = (name: 'OTLP_HTTP_PORT' | 'TEMPO_PORT' | 'CONSOLE_PORT') => `http://127.0.0.1:${ports[name]}`
    const now = BigInt(Date.now()) * 1_000_000n
    const times = { startTimeUnixNano: String(now - 1_000_000n), endTimeUnixNano: String(now) }
    const span = { traceId: '5b8efff798038103d269b633813fc60c', spanId: 'eee19b7ec3c1b174', name: 'packed', ...times }
    const sent = await fetch(`${at('OTLP_HTTP_PORT')}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
    })
    assert.equal(sent.status, 200)
    const query = new URLSearchParams({ q: '{ name = "packed" }' })
    const found = await fetch(`${at('TEMPO_PORT')}/api/search?${query}`)
    assert.match(await found.text(), /5b8efff798038103d269b633813fc60c/)
    const page = await (await fetch(at('CONSOLE_PORT'))).text()
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(page)![1]!
    assert.equal((await fetch(at('CONSOLE_PORT') + script)).status, 200)
    assert.match(await (await fetch(`${at('CONSOLE_PORT')}/dashboards.json`)).text(), /sightline-spans/)
    assert.ok(existsSync(join(empty, '.sightline/backend/blocks')))
    if (process.platform === 'linux') {
      const pid = ownerOf(child.pid!)
      const residentMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
      await until('it gives back what the start needed', 20, () => residentMb() < MOST_RESIDENT_MB)
    }
    process.kill(-child.pid!, 'SIGINT')
    await ended
    assert.match(output, /Stopped\. The data is kept\.\n$/)
  })

  test('has the licences of what is in it, and no dependency', () => {
    const notices = readFileSync(join(folder, 'sightline-backend/THIRD-PARTY-NOTICES.txt'), 'utf8')
    for (const name of ['zod', '@grpc/grpc-js', 're2js', 'preact', '@codemirror/view'])
      assert.match(notices, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'))
    assert.match(notices, /Permission is hereby granted/)
    const manifest = JSON.parse(readFileSync(join(folder, 'sightline-backend/package.json'), 'utf8'))
    assert.equal(manifest.dependencies, undefined)
    assert.ok(existsSync(join(folder, 'sightline-backend/LICENSE')))
    assert.equal(
      existsSync(join(folder, 'sightline-backend/pages/shop')),
      false,
      'a page that its notices do not cover',
    )
  })

  test('says which Node it needs to one that is too old', () => {
    const old = "Object.defineProperty(process, 'versions', { value: { node: '20.1.0' } })"
    const preload = `data:text/javascript,${encodeURIComponent(old)}`
    const { status, stderr } = spawnSync(process.execPath, [
      '--import',
      preload,
      join(folder, 'sightline-backend/bin.cjs'),
    ])
    assert.equal(status, 1)
    assert.match(String(stderr), /^sightline-backend needs Node 24 or newer, and .* is 20\.1\.0\.\n/)
  })
})

/** The process that serves: npx is above it. */
function ownerOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  return children.length === 0 ? pid : ownerOf(Number(children[0]))
}
