/** The chains that are compared: each three processes of its own on a database server of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import { freePorts } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'

const root = resolve(import.meta.dirname, '../..')
const cache = join(root, 'node_modules/.cache/sightline')
const HERE = import.meta.dirname

/** One that takes orders at `url`, or `why` it can't. */
export interface Chain {
  readonly name: string
  readonly url: string
  /** Process ids whose trees are the three services. */
  readonly pids: readonly number[]
  readonly database: TestDatabase
  /** Spans that the services have sent so far; undefined where nobody counts them. */
  spansSent(): Promise<number | undefined>
  stop(): Promise<void>
}

export interface NodeChain extends Chain {
  /** Of user, order and audit. */
  readonly urls: readonly string[]
}

interface NodeVariant {
  readonly name: string
  readonly about: string
  /** What is loaded before the service; undefined: nothing. */
  readonly register?: () => string
  readonly env?: Record<string, string>
}

const kit = () => '@sightline/service-kit/register'

export const nodeVariants: readonly NodeVariant[] = [
  { name: 'untraced', about: 'no SDK, no instrumentation, no import hook' },
  { name: 'disabled', about: 'OTEL_SDK_DISABLED=true', register: kit, env: { OTEL_SDK_DISABLED: 'true' } },
  { name: 'sdk defaults', about: 'NodeSDK with auto-instrumentations', register: sdkDefaults },
  { name: 'traced', about: 'as `npm start` has it', register: kit },
  {
    name: 'official',
    about: 'SIGHTLINE_INSTRUMENTATION=official',
    register: kit,
    env: { SIGHTLINE_INSTRUMENTATION: 'official' },
  },
  {
    name: 'sampled',
    about: 'OTEL_TRACES_SAMPLER_ARG=0.1',
    register: kit,
    env: { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
  },
  { name: 'logs off', about: 'OTEL_LOGS_EXPORTER=none', register: kit, env: { OTEL_LOGS_EXPORTER: 'none' } },
]

/** Where the services write, in place of a fresh database. */
export interface Place {
  readonly cluster: TestCluster
  readonly database: TestDatabase
}

/** `otlp` is the address that telemetry goes to; `profileOf` names the file of a service's CPU profile (record-profile.ts). */
export async function startNodeChain(
  variant: NodeVariant,
  otlp: string,
  profileOf?: (service: string) => string,
  place?: Place,
): Promise<NodeChain> {
  const cluster = place?.cluster ?? (await startTestCluster())
  const database = place?.database ?? (await cluster.createDatabase())
  const register = variant.register?.()
  const ports = await servicePorts()
  const services = [
    { name: 'audit-service', role: 'audit_service', port: ports[2] },
    { name: 'order-service', role: 'order_service', port: ports[1], next: ports[2] },
    { name: 'user-service', role: 'user_service', port: ports[0], next: ports[1] },
  ] as const
  const children = services.map((service) => {
    const { host, port, user, password, database: name } = database.connection(service.role)
    const preloads = [register, profileOf && join(HERE, 'record-profile.ts')].filter((one) => one !== undefined)
    return spawn(process.execPath, [...preloads.flatMap((one) => ['--import', one]), `${service.name}/main.ts`], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: join(cache, 'compiled'),
        PORT: String(service.port),
        LOG_FORMAT: 'json',
        PGHOST: host,
        PGPORT: String(port),
        PGUSER: user,
        PGPASSWORD: password,
        PGDATABASE: name,
        SHED_DELAY_MS: '0',
        OTEL_SERVICE_NAME: service.name,
        OTEL_EXPORTER_OTLP_ENDPOINT: otlp,
        OTEL_METRICS_EXPORTER: 'none',
        ...('next' in service && { NEXT_SERVICE_URL: `http://127.0.0.1:${service.next}` }),
        ...(profileOf && { BENCH_PROFILE: profileOf(service.name) }),
        ...variant.env,
      },
    })
  })
  for (const [n, { name, port }] of services.entries()) await ready(name, port, children[n]!)
  const spansSent = async () => (register === kit() ? total(ports) : undefined)
  const urls = ports.map((port) => `http://127.0.0.1:${port}`)
  return { ...chainOf(variant.name, ports[0], children, cluster), database, spansSent, urls }
}

function chainOf(name: string, port: number, children: readonly ChildProcess[], cluster: TestCluster) {
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    pids: children.map(({ pid }) => pid!),
    async stop() {
      await Promise.all(children.map(ended))
      await cluster.stop()
    },
  }
}

async function total(ports: readonly number[]): Promise<number> {
  const texts = await Promise.all(ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()))
  return texts.reduce(
    (sum, text) => sum + Number(/^telemetry_exported_total\{.*signal="traces".*\} (\d+)/m.exec(text)?.[1] ?? 0),
    0,
  )
}

/** In a folder of its own: the product has no use for these packages. */
function sdkDefaults(): string {
  const folder = join(cache, 'bench-sdk-defaults')
  mkdirSync(folder, { recursive: true })
  cpSync(join(HERE, 'sdk-defaults'), folder, { recursive: true })
  if (!existsSync(join(folder, 'node_modules')))
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], { cwd: folder, stdio: 'inherit' })
  return join(folder, 'register.mjs')
}

/** As many threads for requests as a service of ours has connections. */
const THREADS = 10

/** Throws an error that says what is missing on a machine without Python. */
export async function startFlaskChain(otlp: string): Promise<Chain> {
  const environment = join(cache, 'bench-flask')
  if (!existsSync(join(environment, 'bin/gunicorn'))) {
    execFileSync('python3', ['-m', 'venv', environment], { stdio: 'inherit' })
    const requirements = join(HERE, 'flask/requirements.txt')
    execFileSync(join(environment, 'bin/pip'), ['install', '--quiet', '--requirement', requirements], {
      stdio: 'inherit',
    })
  }
  const cluster = await startTestCluster()
  const database = await cluster.createDatabase()
  const { host, port, user, password, database: name } = database.connection()
  const ports = await servicePorts()
  const roles = [
    { role: 'audit', port: ports[2] },
    { role: 'order', port: ports[1], next: ports[2] },
    { role: 'user', port: ports[0], next: ports[1] },
  ]
  const children = roles.map(({ role, port: own, next }) =>
    spawn(
      join(environment, 'bin/gunicorn'),
      ['--workers', '1', '--threads', `${THREADS}`, '--keep-alive', '60', '--bind', `127.0.0.1:${own}`, 'app:app'],
      {
        cwd: join(HERE, 'flask'),
        stdio: ['ignore', 'ignore', 'ignore'],
        env: {
          PATH: process.env.PATH,
          PYTHONDONTWRITEBYTECODE: '1',
          ROLE: role,
          THREADS: `${THREADS}`,
          DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/${name}`,
          OTEL_EXPORTER_OTLP_ENDPOINT: otlp,
          ...(next && { NEXT_SERVICE_URL: `http://127.0.0.1:${next}` }),
        },
      },
    ),
  )
  for (const [n, { role, port: own }] of roles.entries()) await ready(`flask ${role}`, own, children[n]!)
  return { ...chainOf('flask', ports[0], children, cluster), database, spansSent: async () => undefined }
}

/** Of user, order and audit. */
async function servicePorts(): Promise<[number, number, number]> {
  const { USER_SERVICE_PORT, ORDER_SERVICE_PORT, AUDIT_SERVICE_PORT } = await freePorts()
  return [USER_SERVICE_PORT, ORDER_SERVICE_PORT, AUDIT_SERVICE_PORT]
}

/** For pgbench: a database, and nobody in front of it. */
export async function startDatabase(): Promise<{ database: TestDatabase; stop(): Promise<void> }> {
  const cluster = await startTestCluster()
  return { database: await cluster.createDatabase(), stop: () => cluster.stop() }
}

function ready(name: string, port: number, child: ChildProcess): Promise<unknown> {
  return until(`${name} is ready`, 120, async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended with exit code ${child.exitCode}`)
    const answer = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined)
    return answer?.ok
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
