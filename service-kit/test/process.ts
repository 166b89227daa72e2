/** A service as users start it: its own process, with telemetry registered. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { SharedSocket } from '../shared-socket.ts'
import { call, type TestAnswer, UNHURRIED } from './service.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
/**
 * For the environment of what a test starts: most of a start is finding, reading and compiling packages, and `npm test` has kept
 * them put together and compiled.
 */
export const COMPILED: Record<string, string> = Object.fromEntries(
  ['NODE_COMPILE_CACHE', 'SIGHTLINE_PACKAGES'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }),
)

/** Room for what is new from the start: with little, most of what is made in a start is collected several times. */
const SHORT_LIFE = '--min-semi-space-size=16'

/** What makes use of them in a program that does not register telemetry. */
export const QUICK_START = ['--import', import.meta.resolve('../packages.ts')]

/** A service that runs. */
export interface TestProcess extends AsyncDisposable {
  url: string
  pid: number
  /** Log lines so far, parsed. */
  lines: Array<Record<string, unknown>>
  /** What was written that is no JSON line: nothing, when all is well. */
  stray: string[]
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>
  /** Sends the signal (default SIGTERM) and resolves to exit code and seconds it took. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; seconds: number }>
}

/** Starts `<service>/main.ts` on a free port, or on a socket that it shares, and resolves when it listens. */
export async function startProcess(
  service: string,
  connection: { host: string; port: number; user: string; password: string; database: string },
  env: Record<string, string> = {},
  socket?: SharedSocket,
): Promise<TestProcess> {
  const register = ['--import', '@sightline/service-kit/register']
  const child = spawn(process.execPath, [SHORT_LIFE, ...register, `${service}/main.ts`], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe', ...(socket ? [socket.fd] : [])],
    env: {
      PATH: process.env.PATH,
      ...COMPILED,
      PORT: '0',
      LOG_FORMAT: 'json',
      ...UNHURRIED,
      PGHOST: connection.host,
      PGPORT: String(connection.port),
      PGUSER: connection.user,
      PGPASSWORD: connection.password,
      PGDATABASE: connection.database,
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_BLRP_SCHEDULE_DELAY: '100',
      ...(socket && { LISTEN_FDS: '1' }),
      ...env,
    },
  })
  const lines: TestProcess['lines'] = []
  const stray: string[] = []
  createInterface(child.stderr!).on('line', (line) => stray.push(line))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout!).on('line', (line) => {
      const entry = parse(line)
      if (entry === undefined) stray.push(line)
      else lines.push(entry)
      const listening = / listens on (http:\S+)$/.exec(String(entry?.message))
      if (listening) resolve(listening[1]!)
    })
    child.once('exit', (code) => reject(new Error(`${service} ended with ${code}:\n${stray.join('\n')}`)))
  })
  return {
    url,
    pid: child.pid!,
    lines,
    stray,
    call: (method, target, body, headers) => call(url, method, target, body, headers),
    stop: (signal = 'SIGTERM') => stop(child, signal),
    [Symbol.asyncDispose]: async () => {
      await stop(child, 'SIGTERM')
    },
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<{ code: number | null; seconds: number }> {
  const started = performance.now()
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return { code: child.exitCode, seconds: (performance.now() - started) / 1000 }
}
