/**
 * Our backend, Tempo and Loki as processes of their own, each with a folder of its own and ports that were free, and what each costs
 * (Linux only). Tempo and Loki are whatever programs `TEMPO_BIN` and `LOKI_BIN` name.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { backendMemory } from '@sightline/local/backend-memory'
import { freePort } from '@sightline/service-kit/free-port'
import { until } from '@sightline/service-kit/poll'
import { cpuOfTrees } from '../../chain/cpu.ts'

export interface Engine {
  readonly name: 'backend' | 'tempo' | 'loki'
  readonly version: string
  /** Where OTLP over HTTP is taken; undefined when it takes none of that signal. */
  readonly traces: string | undefined
  readonly logs: string | undefined
  /** Base address of its query API. */
  readonly tempo: string
  readonly loki: string
  readonly dir: string
  /** Seconds of CPU so far, of all its threads. */
  cpu(): number
  /** Megabytes resident now, and at most so far. */
  resident(): { now: number; most: number }
  /** Bytes of the files below its folder; of Tempo only its finished blocks, which the live store has once more. */
  disk(): number
  /** Resolves when its process is gone. */
  readonly ended: Promise<unknown>
  /** After a minute it is killed. */
  stop(): Promise<void>
}

const READY_SECONDS = 120
const HOST = '127.0.0.1'

/** The program as users run it: with what scripts/bootstrap.mjs sets. `before` are words to run it by, such as taskset's. */
export async function startBackend(dir: string, before: readonly string[] = []): Promise<Engine> {
  const names = ['OTLP_HTTP_PORT', 'OTLP_GRPC_PORT', 'TEMPO_PORT', 'LOKI_PORT', 'CONSOLE_PORT'] as const
  const ports = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, String(await freePort())] as const)),
  )
  const packages = import.meta.resolve('@sightline/service-kit/packages')
  const main = join(import.meta.dirname, '../../../backend/main.ts')
  const [program, ...args] = [...before, process.execPath, ...backendMemory.flags, '--import', packages, main]
  const child = launch(program!, args, dir, {
    ...backendMemory.env,
    HOST,
    EMBEDDED_DATA_DIR: dir,
    ...ports,
  })
  const [tempo, loki] = [`http://${HOST}:${ports.TEMPO_PORT}`, `http://${HOST}:${ports.LOKI_PORT}`]
  await ready(child, `${tempo}/ready`)
  const otlp = `http://${HOST}:${ports.OTLP_HTTP_PORT}`
  return engine('backend', '', child, dir, { traces: `${otlp}/v1/traces`, logs: `${otlp}/v1/logs`, tempo, loki })
}

/** How far back a query asks the process that took the spans in: all the benches send. */
const LIVE = '24h'

export async function startTempo(program: string, dir: string): Promise<Engine> {
  const [http, grpc, otlp] = await Promise.all([freePort(), freePort(), freePort()])
  const config = {
    server: { ...listen(http, grpc), log_level: 'warn' },
    usage_report: { reporting_enabled: false },
    memberlist: { bind_addr: [HOST], bind_port: await freePort() },
    distributor: { receivers: { otlp: { protocols: { http: { endpoint: `${HOST}:${otlp}` } } } } },
    live_store: {
      // Spans of the past two hours are found over the time they belong to: a test sends them all at once.
      wal: { path: join(dir, 'live-store/wal'), ingestion_time_range_slack: LIVE },
      complete_block_timeout: LIVE,
      shutdown_marker_dir: join(dir, 'live-store/shutdown-marker'),
    },
    query_frontend: {
      query_end_cutoff: '0s',
      search: { query_backend_after: LIVE, max_duration: '48h', max_spans_per_span_set: 0, max_result_limit: 0 },
      metrics: { query_backend_after: LIVE, max_duration: '48h' },
    },
    storage: {
      trace: {
        backend: 'local',
        local: { path: join(dir, 'blocks') },
        wal: { path: join(dir, 'wal'), ingestion_time_range_slack: LIVE },
      },
    },
    backend_scheduler: { local_work_path: join(dir, 'scheduler') },
    metrics_generator: { storage: { path: join(dir, 'generator') } },
    overrides: {
      defaults: {
        ingestion: { rate_limit_bytes: 1e9, burst_size_bytes: 1e9, max_traces_per_user: 0 },
        global: { max_bytes_per_trace: 0 },
      },
    },
  }
  const child = launch(program, [`-config.file=${written(dir, config)}`], dir)
  const url = `http://${HOST}:${http}`
  await ready(child, `${url}/ready`)
  const version = await versionOf(`${url}/api/status/buildinfo`)
  const traces = `http://${HOST}:${otlp}/v1/traces`
  return engine('tempo', version, child, dir, { traces, logs: undefined, tempo: url, loki: url })
}

/** With the configuration that the stack runs it with; only what limits a sender's rate is lifted, which a bench is above. */
export async function startLoki(program: string, dir: string): Promise<Engine> {
  const [http, grpc] = await Promise.all([freePort(), freePort()])
  const args = [
    `-config.file=${join(import.meta.dirname, '../../../observability/loki.yaml')}`,
    '-config.expand-env=true',
    '-distributor.ingestion-rate-limit-mb=1000',
    '-distributor.ingestion-burst-size-mb=1000',
    '-ingester.per-stream-rate-limit=1GB',
    '-ingester.per-stream-rate-limit-burst=1GB',
  ]
  const child = launch(program, args, dir, {
    LISTEN_HOST: HOST,
    LOKI_PORT: String(http),
    LOKI_GRPC_PORT: String(grpc),
    LOKI_DATA_DIR: dir,
  })
  const url = `http://${HOST}:${http}`
  await ready(child, `${url}/ready`)
  const version = await versionOf(`${url}/loki/api/v1/status/buildinfo`)
  return engine('loki', version, child, dir, {
    traces: undefined,
    logs: `${url}/otlp/v1/logs`,
    tempo: url,
    loki: url,
  })
}

function listen(http: number, grpc: number) {
  return {
    http_listen_address: HOST,
    http_listen_port: http,
    grpc_listen_address: HOST,
    grpc_listen_port: grpc,
  }
}

/** JSON is YAML. */
function written(dir: string, config: object): string {
  mkdirSync(dir, { recursive: true })
  const file = join(dir, 'config.yaml')
  writeFileSync(file, JSON.stringify(config, undefined, 2))
  return file
}

const running = new Set<ChildProcess>()

/** Whoever ends us, by a signal or an error that nobody catches, ends what was started here: at once, as nothing of it is kept. */
function endTogether(): void {
  process.prependListener('exit', () => {
    for (const child of running) child.kill('SIGKILL')
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
  }
}

function launch(program: string, args: string[], dir: string, env: Record<string, string> = {}): ChildProcess {
  mkdirSync(dir, { recursive: true })
  const log = openSync(`${dir}.log`, 'w')
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', log, log] })
  if (running.size === 0) endTogether()
  running.add(child)
  return child
}

async function ready(child: ChildProcess, url: string): Promise<void> {
  const ended = () => child.exitCode !== null || child.signalCode !== null
  const gone = new Error(`${child.spawnfile} ended at its start; it wrote into the file beside its folder`)
  try {
    await until(`${child.spawnfile} is ready`, READY_SECONDS, async () => ended() || (await fetch(url)).ok)
    if (ended()) throw gone
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

async function versionOf(url: string): Promise<string> {
  return ((await (await fetch(url)).json()) as { version: string }).version
}

type Addresses = Pick<Engine, 'traces' | 'logs' | 'tempo' | 'loki'>

function engine(name: Engine['name'], version: string, child: ChildProcess, dir: string, urls: Addresses): Engine {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return {
    name,
    version,
    ...urls,
    dir,
    ended,
    cpu: () => cpuOfTrees([child.pid!]) / 1000,
    resident() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      const megabytes = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)![1]) / 1024)
      return { now: megabytes('VmRSS'), most: megabytes('VmHWM') }
    },
    disk: () => bytesBelow(name === 'tempo' ? join(dir, 'blocks') : dir),
    async stop() {
      child.kill('SIGTERM')
      const kill = setTimeout(() => child.kill('SIGKILL'), 60_000)
      await ended
      clearTimeout(kill)
    },
  }
}

function bytesBelow(dir: string): number {
  let sum = 0
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).size
  }
  return sum
}
