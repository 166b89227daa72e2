/** The backend as a process of its own, on free ports and in a folder of its own, for tests that kill it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { freePort } from '@sightline/service-kit/free-port'
import { until } from '@sightline/service-kit/poll'

export interface TestBackend {
  readonly otlp: string
  /** Host and port of OTLP over gRPC. */
  readonly grpc: string
  readonly tempo: string
  readonly loki: string
  readonly console: string
  readonly process: ChildProcess
  /** What it has written so far. */
  output(): string
  /** SIGTERM or another signal, and wait for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export async function startBackend(dir: string, env: Record<string, string> = {}): Promise<TestBackend> {
  for (let left = 3; ; left--) {
    try {
      return await startOnce(dir, env)
    } catch (error) {
      // A port that was free may be somebody else's by the time it is opened.
      if (left === 1 || !/Port \d+ is in use/.test(String(error))) throw error
    }
  }
}

async function startOnce(dir: string, env: Record<string, string>): Promise<TestBackend> {
  const { child, ended, output, ports } = await launchBackend(dir, env)
  const backend = {
    otlp: `http://127.0.0.1:${ports.OTLP_HTTP_PORT}`,
    grpc: `127.0.0.1:${ports.OTLP_GRPC_PORT}`,
    tempo: `http://127.0.0.1:${ports.TEMPO_PORT}`,
    loki: `http://127.0.0.1:${ports.LOKI_PORT}`,
    console: `http://127.0.0.1:${ports.CONSOLE_PORT}`,
    process: child,
    output,
    async stop(signal: NodeJS.Signals = 'SIGTERM') {
      child.kill(signal)
      await ended
    },
  }
  try {
    // Its own word: at a port that is somebody else's, /ready would be as well.
    await until('the backend is ready', 90, () => child.exitCode !== null || output().includes('Ready: OTLP on'))
    if (child.exitCode !== null) throw new Error(`the backend ended at its start:\n${output()}`)
  } catch (error) {
    await backend.stop('SIGKILL')
    throw error
  }
  return backend
}

export const PORTS = ['LOKI_PORT', 'OTLP_HTTP_PORT', 'OTLP_GRPC_PORT', 'TEMPO_PORT', 'CONSOLE_PORT'] as const

/** The process alone, on free ports unless `env` names others; `ended` resolves to its exit code. */
export async function launchBackend(dir: string, env: Record<string, string> = {}) {
  const free = await Promise.all(PORTS.map(async (name) => [name, String(await freePort())] as const))
  const ports = { ...(Object.fromEntries(free) as Record<(typeof PORTS)[number], string>), ...env }
  // As local mode runs it.
  const packages = import.meta.resolve('@sightline/service-kit/packages')
  const child = spawn(process.execPath, ['--import', packages, join(import.meta.dirname, '../main.ts')], {
    env: { ...process.env, HOST: '127.0.0.1', EMBEDDED_DATA_DIR: dir, ...ports },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended, output: () => output, ports }
}

export async function post(url: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': 'application/x-protobuf', ...headers },
  })
}
