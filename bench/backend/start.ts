/**
 * Prints how soon the backend alone answers, what CPU time that takes, and what it keeps in memory: as the npm package, beside `npm run
 * backend`, taking turns. `node bench/backend/start.ts [ROUNDS]`; Linux only, where a process tells of itself.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePorts } from '@sightline/local'
import { backendMemory } from '@sightline/local/backend-memory'
import { readFlags } from '@sightline/local/flags'
import { root } from '@sightline/local/settings'
import { buildPackage } from '../../scripts/package-backend/build.ts'

const { positionals } = readFlags('node bench/backend/start.ts [ROUNDS]', { allowPositionals: true, options: {} })
const ROUNDS = Number(positionals[0] ?? 15)
/** When what the start needed has been given back. */
const IDLE_AFTER_MS = 3_000
const TICK_MS = 10

const folder = mkdtempSync(join(tmpdir(), 'sightline-start-'))
const ports = await freePorts()
const env = {
  ...process.env,
  ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
  PATH: `${join(process.execPath, '..')}:${process.env.PATH}`,
}
const sources = {
  // What scripts/bootstrap.mjs runs it with.
  NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/sightline/compiled'),
  ...backendMemory.env,
}
try {
  await buildPackage(folder)
  const ways = {
    package: { command: [join(folder, 'sightline-backend/bin.cjs')], env },
    sources: {
      command: [process.execPath, ...backendMemory.flags, join(root, 'scripts/backend.ts')],
      env: { ...env, ...sources },
    },
  }
  const found: Record<string, Start[]> = { package: [], sources: [] }
  // The first of each compiles.
  for (let round = 0; round <= ROUNDS; round++)
    for (const [name, way] of Object.entries(ways)) {
      const start = await startOnce(way, join(folder, name))
      if (round > 0) found[name]!.push(start)
    }
  for (const [name, starts] of Object.entries(found)) {
    const of = (figure: keyof Start) => starts.map((start) => start[figure]).sort((a, b) => a - b)
    const told = (figure: keyof Start, digits: number) => {
      const all = of(figure)
      return `${all[all.length >> 1]!.toFixed(digits)} (${all[0]!.toFixed(digits)}-${all.at(-1)!.toFixed(digits)})`
    }
    console.log(
      `${name}: first answer after ${told('seconds', 2)} s, CPU until then ${told('cpu', 2)} s, idle ${told('mb', 0)} MB`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

interface Start {
  readonly seconds: number
  readonly cpu: number
  readonly mb: number
}

async function startOnce(way: { command: string[]; env: NodeJS.ProcessEnv }, data: string): Promise<Start> {
  const [command, ...args] = way.command
  const began = performance.now()
  const child = spawn(command!, [...args, '--data', data], { env: way.env, stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  try {
    while (!(await answers())) {
      if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`)
      await delay(5)
    }
    const seconds = (performance.now() - began) / 1000
    const cpu = cpuSeconds(child.pid!)
    await delay(IDLE_AFTER_MS)
    return { seconds, cpu, mb: residentMb(child.pid!) }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

function answers(): Promise<boolean> {
  return fetch(`http://127.0.0.1:${ports.TEMPO_PORT}/api/search?q=%7B%7D&limit=1`).then(
    (response) => response.ok,
    () => false,
  )
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * TICK_MS) / 1000
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}
