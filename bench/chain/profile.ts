/**
 * Where the CPU time of the three services goes per POST /process: `node bench/chain/profile.ts [VARIANT...]`. V8's CPU profiles
 * of warm services under load, by layer.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { readFlags } from '@sightline/local/flags'
import { until } from '@sightline/service-kit/poll'
import { nodeVariants, startNodeChain } from './chains.ts'
import { cpuOfMainThreads } from './cpu.ts'
import { addSamples, type Samples } from './profile-layers.ts'
import { runSlice, warmUp } from './slices.ts'

const usage = `node bench/chain/profile.ts [--requests N] [--seconds N] [--places N] [VARIANT...]

Microseconds of CPU by layer and POST /process, for each variant (untraced and traced; see chains.ts for others). --requests: how
many warm the services up (4000). --seconds of load, once without and once with the profiler (10). --places: so many functions, the largest first (0).`
const { values, positionals } = readFlags(usage, {
  allowPositionals: true,
  options: {
    requests: { type: 'string', default: '4000' },
    seconds: { type: 'string', default: '10' },
    places: { type: 'string', default: '0' },
  },
})
const names = positionals.length > 0 ? positionals : ['untraced', 'traced']
/** What is less has no row of its own. */
const SMALLEST_US = 10
const SERVICES = ['user-service', 'order-service', 'audit-service']
const root = resolve(import.meta.dirname, '../..')
const folder = join(root, 'node_modules/.cache/sightline/bench-profiles')

interface Profiled extends Samples {
  /** Microseconds of CPU per request of the three services, from /proc: of all threads, and of those that run JavaScript. */
  cpu: number
  main: number
}

const sink = spawn(process.execPath, [join(import.meta.dirname, 'sink.ts')], { stdio: ['ignore', 'pipe', 'inherit'] })
try {
  const [port] = await once(createInterface(sink.stdout), 'line')
  const profiled = new Map<string, Profiled>()
  for (const name of names) profiled.set(name, await profile(name, `http://127.0.0.1:${port}`))
  report(profiled)
} finally {
  sink.kill()
}

async function profile(name: string, otlp: string): Promise<Profiled> {
  const variant = nodeVariants.find((one) => one.name === name)
  if (!variant) throw new Error(`${name} is no variant; there are ${nodeVariants.map((one) => one.name).join(', ')}`)
  mkdirSync(folder, { recursive: true })
  const fileOf = (service: string) => join(folder, `${name.replace(' ', '-')}-${service}.cpuprofile`)
  const files = SERVICES.map(fileOf)
  for (const file of files) rmSync(file, { force: true })
  const chain = await startNodeChain(variant, otlp, fileOf)
  try {
    await warmUp(chain, Number(values.requests))
    const before = cpuOfMainThreads(chain.pids)
    const { requests, cpu } = await runSlice(chain, Number(values.seconds), [process.pid])
    const main = ((cpuOfMainThreads(chain.pids) - before) * 1000) / requests
    // The profiler costs time itself: it says the shares, and the load before it how much they are shares of.
    for (const pid of chain.pids) process.kill(pid, 'SIGUSR2')
    await pause(500)
    await runSlice(chain, Number(values.seconds), [process.pid])
    for (const pid of chain.pids) process.kill(pid, 'SIGUSR2')
    await until('the profiles are written', 60, async () => files.every((file) => existsSync(file)))
    const sums = { layers: new Map<string, number>(), places: new Map<string, number>() }
    for (const file of files) addSamples(JSON.parse(readFileSync(file, 'utf8')), root, sums)
    return { ...sums, cpu, main }
  } finally {
    await chain.stop()
  }
}

function report(profiled: ReadonlyMap<string, Profiled>): void {
  const all = [...profiled.values()]
  const keys = [...new Set(all.flatMap(({ layers }) => [...layers.keys()]))]
  const total = ({ layers }: Profiled) => [...layers.values()].reduce((sum, count) => sum + count, 0)
  /** Samples as microseconds per POST: together they are what the main threads have used unobserved. */
  const per = (one: Profiled, count = 0) => (count / total(one)) * one.main
  const most = (key: string) => Math.max(...all.map((one) => per(one, one.layers.get(key))))
  console.log(`| us per POST | ${[...profiled.keys()].join(' | ')} |\n|---|${'---|'.repeat(all.length)}`)
  const large = keys.filter((key) => most(key) >= SMALLEST_US).toSorted((a, b) => most(b) - most(a))
  const small = keys.filter((key) => !large.includes(key))
  const row = (name: string, of: readonly string[]) => {
    const cells = all.map((one) => of.reduce((sum, key) => sum + per(one, one.layers.get(key)), 0).toFixed(0))
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
  for (const key of large) row(key, [key])
  row(`${small.length} more, each below ${SMALLEST_US}`, small)
  const others = all.map(({ cpu, main }) => (cpu - main).toFixed(0))
  console.log(`| other threads: garbage collection, compiler | ${others.join(' | ')} |`)
  console.log(`| all | ${all.map(({ cpu }) => cpu.toFixed(0)).join(' | ')} |`)
  for (const [name, one] of profiled) {
    const places = [...one.places].toSorted(([, a], [, b]) => b - a).slice(0, Number(values.places))
    for (const [place, count] of places) console.log(`${name}\t${per(one, count).toFixed(1)}\t${place}`)
  }
}
