/**
 * A system that shows a capture: the telemetry backend with its console, and Prometheus, on the ports of `npm start`. No services, no
 * gateway, no database, and nothing is scraped.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { letRead } from './access.ts'
import { type ComponentSpec, logFileOf, startComponent } from './component.ts'
import { followFiles } from './follow.ts'
import { type LocalSystem, urlsOf } from './local-system.ts'
import { buildPagesFor } from './pages.ts'
import { assertPortsFree, freePort, placesClosedToBrowsers } from './ports.ts'
import { findPrometheus, promtoolOf } from './programs.ts'
import { prometheusProgram } from './prometheus.ts'
import { type ExemplarSeries, writeExemplars } from './remote-write.ts'
import { whoRunsParts } from './run-as.ts'
import { asUser, backendProgram } from './services.ts'
import { type Ports, readSettings, type Settings, startError } from './settings.ts'
import { takeStateFolder } from './state-folder.ts'
import { createSupervisor, type Supervisor } from './supervisor.ts'

const names = ['prometheus', 'telemetry-backend'] as const
type Name = (typeof names)[number]

/** The ports that it listens on: those of what it has. */
const PORTS = ['CONSOLE_PORT', 'TEMPO_PORT', 'LOKI_PORT', 'PROMETHEUS_PORT'] as const

export interface OpenedOptions {
  /** A state folder of its own. In it lie `capture`, what the console reads (console/captured.ts), and the files of `metrics`. */
  home: string
  ports?: Partial<Ports>
  env?: NodeJS.ProcessEnv
  /** OpenMetrics text, each file after the one before in time. They are removed when they are read. */
  metrics: readonly string[]
  /** Milliseconds since 1970: what queries that don't say when take for now. */
  nowMs: number
  onProgress(line: string): void
  onWarning(text: string): void
  onComponentEnded?(name: string, description: string): void
  signal?: AbortSignal
}

export interface OpenedSystem extends Pick<LocalSystem, 'follow' | 'stop' | 'stopped' | 'home'> {
  urls: Pick<LocalSystem['urls'], 'console' | 'tempo' | 'loki' | 'prometheus'>
  logFiles: Record<Name, string>
  /** Rejects with a startError when Prometheus refuses. */
  addExemplars(series: readonly ExemplarSeries[]): Promise<void>
  /** Where traces and logs are to be sent: a port of its own, which no service's telemetry finds by itself. */
  otlp: string
}

/** Rejects with a readable error when it can't, and then has left nothing running. The folder is the caller's to remove. */
export async function startOpened(options: OpenedOptions): Promise<OpenedSystem> {
  const { home, signal, onProgress: say } = options
  const asked = readSettings(options)
  const otlpPort = await freePort(asked.ports)
  const grpcPort = await freePort({ ...asked.ports, OTLP_HTTP_PORT: otlpPort })
  const ports = { ...options.ports, OTLP_HTTP_PORT: otlpPort, OTLP_GRPC_PORT: grpcPort }
  const settings = readSettings({ ...options, ports })
  const release = await takeStateFolder(home)
  let supervisor: Supervisor<Name> | null = null
  try {
    await assertPortsFree(
      Object.fromEntries(PORTS.map((name) => [name, settings.ports[name]])),
      'npm start -- --open FILE.zip',
    )
    const specs = await prepare(settings, options)
    supervisor = createSupervisor<Name>({
      names,
      starters: {
        prometheus: () => startComponent(specs.prometheus, home, signal),
        'telemetry-backend': () => startComponent(specs.backend, home, signal),
      },
      onEnd: 'stop',
      say,
      onComponentEnded: (name, description) => options.onComponentEnded?.(name, description),
      release,
    })
    // One after the other: none is still starting when the other fails.
    for (const name of names) await supervisor.start(name)
    const failed = supervisor.firstEnd()
    if (failed !== null) throw startError(failed)
    // Not by its own place: fetch refuses the ports that browsers refuse.
    const urls = urlsOf(settings.ports, false)
    const logFiles = Object.fromEntries(names.map((name) => [name, logFileOf(home, name)])) as Record<Name, string>
    return {
      home,
      urls,
      logFiles,
      addExemplars: (series) => writeExemplars(urls.prometheus, series, options.nowMs, signal),
      otlp: `http://127.0.0.1:${otlpPort}`,
      follow: (print, stop) => followFiles(logFiles, print, stop),
      stop: supervisor.stop,
      stopped: supervisor.stopped,
    }
  } catch (error) {
    if (supervisor) await supervisor.stop()
    else release()
    throw error
  }
}

/** Makes Prometheus' blocks and writes its configuration; nothing is started yet. */
async function prepare(
  settings: Settings,
  { metrics, nowMs, onProgress, onWarning, signal }: OpenedOptions,
): Promise<{ prometheus: ComponentSpec; backend: ComponentSpec }> {
  const { home, ports } = settings
  const program = await findPrometheus({ signal, fetching: (what) => onProgress(`fetching ${what} ...`) })
  const { user, asRoot } = whoRunsParts(settings, [program.path])
  if (asRoot) onWarning(`All parts run as root: ${asRoot}.`)
  const folder = join(home, 'prometheus')
  const data = join(folder, 'data')
  mkdirSync(join(folder, 'config'), { recursive: true, mode: 0o700 })
  mkdirSync(data, { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, 'config/prometheus.yml'), CONFIGURATION)
  for (const file of metrics) {
    await makeBlocks(promtoolOf(program), file, data, { ...program.env, PATH: process.env.PATH }, signal)
    rmSync(file)
  }
  const place = (await placesClosedToBrowsers(ports)).prometheus
  const prometheus = prometheusProgram(
    settings,
    program,
    place,
    ['--storage.tsdb.retention.time=100y', '--web.enable-remote-write-receiver'],
    user,
  )
  if (user) buildPagesFor(user, onWarning)
  const capture = join(home, 'capture')
  if (user) letRead(capture, user)
  const backend = backendProgram(
    settings,
    {
      PROMETHEUS_URL: prometheus.url,
      CAPTURE_DIR: capture,
      QUERY_NOW_MS: String(nowMs),
      // However old it is, all of it is shown.
      TRACES_RETENTION: '36500d',
      LOGS_RETENTION: '36500d',
      OTLP_MAX_BODY_BYTES: '256MB',
      PGPASSWORD: undefined,
    },
    [],
  )
  return { prometheus: prometheus.spec, backend: asUser(backend, user) }
}

/** Nothing is scraped and no rule is evaluated: what they made lies in the capture. */
const CONFIGURATION = `# Made by npm start -- --open.
scrape_configs: []
storage:
  exemplars:
    max_exemplars: 200000
`

const run = promisify(execFile)

async function makeBlocks(
  promtool: string,
  file: string,
  data: string,
  env: Record<string, string | undefined>,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await run(promtool, ['tsdb', 'create-blocks-from', 'openmetrics', file, data], { env, signal, maxBuffer: 2 ** 26 })
  } catch (error) {
    signal?.throwIfAborted()
    const { stderr, message } = error as Error & { stderr?: string }
    throw startError(`promtool can't read the capture's metrics: ${(stderr || message).trim().slice(-500)}`, error)
  }
}
