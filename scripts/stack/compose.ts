/** `docker compose` of this project and what its containers know, and what to say when it isn't there. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, startError } from '@sightline/local/settings'

const GET_DOCKER = `Docker 25 or newer with Compose 2.20.2 or newer runs the stack: https://docs.docker.com/engine/install
Without Docker the same system runs on this machine's own programs: npm start`

/** Of Docker 25. With an older one Compose refuses `start_interval` of health checks, after it has made half of the stack. */
const OLDEST_API = 44

/** Throws a startError that names what is missing or too old: the program, its Compose plugin, or a daemon that answers. */
export function assertDocker(env: NodeJS.ProcessEnv, purpose: 'start' | 'use' = 'use'): void {
  const ask = (...args: string[]) => spawnSync('docker', args, { encoding: 'utf8', timeout: 15_000, env })
  const compose = ask('compose', 'version', '--short')
  if (compose.error && (compose.error as NodeJS.ErrnoException).code === 'ENOENT') {
    throw startError(`Docker was not found on PATH.\n${GET_DOCKER}`)
  }
  const version = /(\d+)\.(\d+)/.exec(compose.stdout ?? '')
  if (compose.status !== 0 || !version) {
    throw startError(`Docker is here, but its Compose plugin is not (docker compose version fails).\n${GET_DOCKER}`)
  }
  const [major, minor] = [Number(version[1]), Number(version[2])]
  if (major < 2 || (major === 2 && minor < 20)) {
    throw startError(`Docker Compose ${version[0]} is too old.\n${GET_DOCKER}`)
  }
  const daemon = ask('version', '--format', '{{.Server.APIVersion}} {{.Server.Version}}')
  if (daemon.status === 0) {
    const [, minor, engine] = /^1\.(\d+) (.+)/.exec(daemon.stdout.trim()) ?? []
    // What is there already may be stopped all the same.
    if (purpose === 'start' && Number(minor) < OLDEST_API) {
      throw startError(`Docker Engine ${engine} is too old.\n${GET_DOCKER}`)
    }
    return
  }
  const reason = (daemon.stderr || daemon.error?.message || 'no answer').trim().split('\n').at(-1)
  throw startError(
    `The Docker daemon does not answer: ${reason}\n` +
      'Start it (Docker Desktop, or: sudo systemctl start docker), and check that you may use it: docker info',
  )
}

/** Names of the services of this project that have a running container. */
export function runningServices(env: NodeJS.ProcessEnv): string[] {
  const answer = spawnSync('docker', ['compose', 'ps', '--services', '--status', 'running'], {
    cwd: root,
    encoding: 'utf8',
    env,
  })
  return answer.status === 0 ? answer.stdout.split('\n').filter(Boolean) : []
}

/** Runs `docker compose ...` in the terminal; resolves to its exit code. */
export function compose(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn('docker', ['compose', ...args], { cwd: root, stdio: 'inherit', env })
  // Ctrl-C reaches docker compose by itself; this process waits for what it makes of it.
  const ignore = () => undefined
  process.on('SIGINT', ignore)
  return new Promise((done, failed) => {
    child.once('error', failed)
    child.once('exit', (code) => {
      process.off('SIGINT', ignore)
      done(code ?? 1)
    })
  })
}

/** What people log in with; docker-compose.yaml makes it at the first start and mounts it there. */
export const passwordFiles = {
  postgres: '/run/secrets/postgres/password',
  grafana: '/run/secrets/grafana/password',
} as const

/** Asks the running container of `service` for its password; undefined when there is no such container, or no Docker. */
export function readPassword(service: keyof typeof passwordFiles, env: NodeJS.ProcessEnv): string | undefined {
  const answer = spawnSync('docker', ['compose', 'exec', '-T', service, 'cat', passwordFiles[service]], {
    cwd: root,
    encoding: 'utf8',
    env,
  })
  return answer.status === 0 ? answer.stdout : undefined
}

/** The KEY=value lines of an env file; anything else is passed over. */
export function parseEnv(text: string): Record<string, string> {
  const pairs = text.split('\n').map((line) => /^([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line.trim()))
  return Object.fromEntries(pairs.filter((pair) => pair !== null).map((pair) => [pair[1]!, pair[2]!]))
}

/** The settings that Compose takes from the file `.env` beside docker-compose.yaml, where there is one. */
export function readDotEnv(): Record<string, string> {
  const path = join(root, '.env')
  return existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {}
}
