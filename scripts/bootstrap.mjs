// What every npm script runs first, on whatever Node >= 18 is there:
//
//   node scripts/bootstrap.mjs NAME [args]   ->   packages installed?  ->  the project's own Node runs scripts/NAME.ts
//
// Plain JavaScript with no dependency, because nothing is installed yet.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
// By its path, and not by its package's name: no package is installed yet.
import { backendMemory } from '../local/backend-memory.mjs'
import { takeLock } from '../local/process-identity.mjs'
import { npmCommand } from './bootstrap/npm-command.mjs'
import { whenNpmEnds } from './bootstrap/when-npm-ends.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const stampFile = join(modules, '.sightline-installed')
const cache = join(modules, '.cache/sightline')
const pinnedNode = join(modules, 'node/bin', process.platform === 'win32' ? 'node.exe' : 'node')

const ROOM_NEEDED_MB = 800

const [name, ...args] = process.argv.slice(2)
// What these write is read by programs.
const say = ['mcp', 'ask', 'capture', 'capacity', 'bill', 'telemetry-check'].includes(name)
  ? console.error
  : console.log
if (Number(process.versions.node.split('.')[0]) < 18) {
  fail(`Node ${process.versions.node} is too old: 18 or newer is needed to begin (https://nodejs.org).`)
}
if (!name || !existsSync(join(root, 'scripts', `${name}.ts`))) fail(`There is no scripts/${name}.ts.`)
try {
  await installWhenNeeded()
} catch (error) {
  if (error.code === 'ENOSPC') fail('The disk is full. Free about 1 GB, then run the same command again.')
  if (error.code === 'EACCES' || error.code === 'EROFS') fail(`No permission to write here: ${error.message}`)
  throw error
}
runScript()

// --- packages

/** Installs unless a finished installation of this very package-lock.json is there. Two at once: the second waits. */
async function installWhenNeeded() {
  if (isInstalled()) return
  const lockPath = join(root, '.sightline/bootstrap.lock')
  let lock = takeLock(lockPath)
  if (lock.holder !== null) say(`Waiting for process ${lock.holder}, which is installing the packages ...`)
  while (lock.holder !== null) {
    await new Promise((later) => setTimeout(later, 200))
    lock = takeLock(lockPath)
  }
  process.once('exit', lock.release)
  try {
    if (!isInstalled()) await install()
  } finally {
    lock.release()
  }
}

/** The stamp is written last, so an interrupted installation has none. */
function isInstalled() {
  const wanted = fingerprint()
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return existsSync(pinnedNode)
  if (!matchesOwnInstall() || !pinnedNodeRuns()) return false
  writeFileSync(stampFile, wanted)
  return true
}

function fingerprint() {
  const lock = readFileSync(join(root, 'package-lock.json'))
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}\n`
}

/**
 * True after someone's own finished `npm install`: npm writes node_modules/.package-lock.json last, and removes it first.
 * Packages for other platforms are optional and missing there.
 */
function matchesOwnInstall() {
  const hidden = join(modules, '.package-lock.json')
  if (!existsSync(hidden)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const present = JSON.parse(readFileSync(hidden, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return true
    const found = present[path]
    if (!found) return entry.optional === true || entry.devOptional === true
    return entry.link ? existsSync(join(root, path)) : found.version === entry.version
  })
}

function pinnedNodeRuns() {
  return existsSync(pinnedNode) && spawnSync(pinnedNode, ['--version']).status === 0
}

async function install() {
  assertRoom()
  const began = Date.now()
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(0)} s`
  // `npm ci` begins by removing everything, under the feet of a system that may be running: a finished installation that is
  // only out of date is brought up to date in place.
  const update = existsSync(join(modules, '.package-lock.json')) && pinnedNodeRuns()
  say(update ? 'Updating the packages (npm install) ...' : 'Installing the packages (npm ci) ...')
  const progress = process.stdout.isTTY ? setInterval(() => process.stdout.write(`\r  ${seconds()}`), 500) : null
  const { status, signal, output } = await npm(update ? ['install', '--no-save'] : ['ci'])
  if (progress) {
    clearInterval(progress)
    process.stdout.write('\r')
  }
  if (signal) process.exit(128 + constants.signals[signal])
  if (status !== 0) fail(explainNpm(output, status))
  if (!pinnedNodeRuns())
    fail(`The project's own Node (${pinnedNode}) was installed but does not run here.\n${indented(output)}`)
  writeFileSync(stampFile, fingerprint())
  say(`  packages are there (${seconds()})`)
}

/** npm on a full disk fails in many ways, few of which say why. */
function assertRoom() {
  // Not before Node 18.15.
  if (!fs.statfsSync) return
  const { bavail, bsize } = fs.statfsSync(root)
  const free = Math.floor((bavail * bsize) / 2 ** 20)
  if (free < ROOM_NEEDED_MB) fail(`Only ${free} MB are free in ${root}; the packages need about ${ROOM_NEEDED_MB} MB.`)
}

function npm(command) {
  const program = npmCommand(command)
  return new Promise((done) => {
    const env = { ...process.env }
    // npm hands its settings to its children in these; a `npm start --silent` must not change the installation.
    for (const key of Object.keys(env)) if (key.startsWith('npm_config_') && isFlagOfOuterNpm(key)) delete env[key]
    const child = spawn(program.command, program.args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (chunk) => {
      output += chunk
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', (error) => done({ status: 127, signal: null, output: `${error.code} ${error.message}` }))
    child.once('close', (status, signal) => done({ status, signal: signal ?? stoppedBy, output }))
    let stoppedBy = null
    for (const sent of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.once(sent, () => {
        stoppedBy = sent
        child.kill(sent)
      })
    }
  })
}

function isFlagOfOuterNpm(key) {
  return ['npm_config_loglevel', 'npm_config_silent', 'npm_config_ignore_scripts', 'npm_config_omit'].includes(key)
}

function explainNpm(output, status) {
  const last = indented(output)
  if (/\bENOSPC\b/.test(output)) return `The disk is full. Free about 1 GB, then run the same command again.\n${last}`
  if (status === 127 && /\bENOENT\b/.test(output)) {
    return 'npm was not found. It comes with Node (https://nodejs.org); Debian and Ubuntu have it apart: apt-get install npm'
  }
  if (/\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b/.test(output)) {
    return `The package registry can't be reached. Check the network (and HTTPS_PROXY), then run the same command again.\n${last}`
  }
  if (/\b(EACCES|EPERM|EROFS)\b/.test(output)) return `No permission to install into ${modules}.\n${last}`
  return `npm failed (exit code ${status}); removing node_modules may help. What it said:\n${last}`
}

function indented(text) {
  const telling = text.split('\n').filter((line) => line.trim() && !/^npm error\s*$|^npm error\s+at /.test(line))
  return telling
    .slice(-12)
    .map((line) => `  | ${line}`)
    .join('\n')
}

function fail(message) {
  console.error(`\n${message}`)
  process.exit(1)
}

/**
 * The folder with the packages of the services in few files, made once for each installation: half of a service's start.
 * undefined where it can't be made; the services then read them where npm has put them.
 */
function bundledPackages() {
  const script = join(root, 'scripts/bootstrap/bundle-packages.ts')
  const of = createHash('sha256')
    .update(readFileSync(stampFile))
    .update(readFileSync(script))
    .digest('hex')
    .slice(0, 16)
  const folder = join(cache, `packages-${of}`)
  if (existsSync(folder)) return folder
  const { status, stderr } = spawnSync(pinnedNode, [script, folder], { cwd: root, encoding: 'utf8' })
  if (status === 0) return folder
  say(`The packages could not be put together, which makes starts slower:\n${indented(stderr)}`)
  return undefined
}

// --- the script

/**
 * The script takes over the terminal; its exit code or signal becomes ours. It ends when we do, and we end when npm does:
 * otherwise a `kill` of npm alone would leave a system running that nobody sees. Where Node can, this process becomes the
 * script: one less that only waits.
 */
function runScript() {
  const follow = pathToFileURL(join(root, 'scripts/bootstrap/end-with-parent.mjs')).href
  const packages = pathToFileURL(join(root, 'service-kit/packages.ts')).href
  const preloads = [packages, follow]
  const { flags, env: memory } = memorySettings()
  const imports = preloads.flatMap((file) => ['--import', file])
  const command = [...flags, ...imports, join(root, 'scripts', `${name}.ts`), ...args]
  const bundled = bundledPackages()
  const env = {
    // What Node has compiled once it need not compile again, in this program and in those it starts: half of a test file's
    // CPU time, a third of a service's start.
    NODE_COMPILE_CACHE: join(cache, 'compiled'),
    ...(bundled && { SIGHTLINE_PACKAGES: bundled }),
    ...memory,
    ...process.env,
  }
  if (process.execve) process.execve(pinnedNode, [pinnedNode, ...command], env)
  const child = spawn(pinnedNode, command, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends Ctrl-C to everyone in front of it, the script too, and npm passes it on: scripts take it twice for once.
    process.on(signal, () => child.kill(signal))
  }
  whenNpmEnds(() => child.kill('SIGTERM'))
  child.once('error', (error) =>
    fail(`${pinnedNode} can't be run: ${error.message}. Remove node_modules and try again.`),
  )
  child.once('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    } else process.exit(code ?? 1)
  })
}

function memorySettings() {
  // It waits for hours: what it needed to start is not to be held by room for more of it.
  if (name === 'start') return { flags: ['--max-semi-space-size=1'], env: {} }
  return name === 'backend' ? backendMemory : { flags: [], env: {} }
}
