/**
 * The telemetry backend and its console alone, for any program that speaks OTLP, until Ctrl-C (docs/backend.md): what `npm run
 * backend` and the npm package `sightline-backend` do alike.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Config, readConfig } from '@sightline/backend/config'
import { type ConsolePages, runBackend } from '@sightline/backend/run'
import { readFlags } from '@sightline/local/flags'
import { colour, explain } from '@sightline/local/terminal'

export interface Alone {
  /** How it is called, with its flags: `npm run backend [-- --data DIR]`. */
  readonly command: string
  /** The state folder, unless SIGHTLINE_HOME says another, is in here. */
  readonly root: string
  readonly pages: ConsolePages
}

const usageOf = (command: string) => `${command}

Takes OTLP from any program, and answers Tempo's API and Loki's; with a console to look at it. Nothing else is started. Until Ctrl-C.
  --data DIR    where traces and logs lie; .sightline/backend unless said, or EMBEDDED_DATA_DIR

Variables, each with what it is without:
  OTLP_HTTP_PORT=4318  OTLP_GRPC_PORT=4317  TEMPO_PORT=3200  LOKI_PORT=3100  CONSOLE_PORT=3000
  HOST=127.0.0.1                               where it listens
  TRACES_RETENTION=7d  LOGS_RETENTION=7d       how long it keeps; TRACES_MAX_BYTES=10GB and LOGS_MAX_BYTES=10GB, how much
  TRACES_SAMPLE=1                              the share of traces it keeps, besides all that failed, were slow, are rare or asked for
  OTLP_MAX_BODY_BYTES=16MB                     the largest request
  OTLP_CORS_ORIGINS                            pages that may send besides those of this machine, https://shop.example
  SIGHTLINE_ALLOWED_HOSTS                      names it may be asked by besides localhost and IP addresses
  PROMETHEUS_REMOTE_WRITE_URL                  where metrics go, http://localhost:9090/api/v1/write; without it they are refused
  PROMETHEUS_URL=none                          an URL: the console has metrics, alerts, services and the map from there`

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs in this process, and ends it. Exit code 0: it was told to end. 1: it could not start, or failed. 2: asked for wrongly. */
export async function runAlone({ command, root, pages }: Alone): Promise<never> {
  const { values: flags } = readFlags(usageOf(command), { options: { data: { type: 'string' } } })
  if (flags.data === '') {
    console.error('--data needs a folder: --data /path/to/folder')
    process.exit(2)
  }
  // A closed terminal or pipe must not keep it from stopping in order.
  process.stdout.on('error', () => undefined)
  let stopping = false
  for (const signal of SIGNALS)
    process.on(signal, () => {
      if (!stopping) console.log('\nStopping ...')
      stopping = true
    })

  const failure = await run(dataFolder(flags.data, root), pages).catch((error: unknown) => {
    log('error', sayOf(error))
    return error ?? true
  })
  if (failure !== undefined) process.exit(1)
  console.log('Stopped. The data is kept.')
  process.exit(0)
}

async function run(data: string, pages: ConsolePages): Promise<unknown> {
  const config = readConfig({ PROMETHEUS_URL: 'none', AUDIT_SERVICE_URL: 'none', ...given(), EMBEDDED_DATA_DIR: data })
  // What programs tell of their users lies in it.
  mkdirSync(data, { recursive: true, mode: 0o700 })
  return runBackend(config, pages, {
    log,
    signals: SIGNALS,
    thrifty: true,
    onReady: () => console.log(welcome(config)),
  })
}

/** The environment, but for a password that somebody has set for other work: no board is to ask that database. */
function given(): NodeJS.ProcessEnv {
  const { PGPASSWORD: _, ...env } = process.env
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

/** Never that of a running `npm start`. A command of npm runs in the project's folder, and means a folder where it was typed. */
function dataFolder(flag: string | undefined, root: string): string {
  if (flag !== undefined) return resolve(process.env.INIT_CWD ?? '.', flag)
  if (process.env.EMBEDDED_DATA_DIR) return resolve(process.env.EMBEDDED_DATA_DIR)
  return join(resolve(root, process.env.SIGHTLINE_HOME || '.sightline'), 'backend')
}

function log(level: 'info' | 'warn' | 'error', message: string): void {
  if (level === 'info') console.log(`  ${colour.dim(message)}`)
  else console.error(`${level === 'warn' ? colour.yellow('!') : colour.red('✘')} ${message}`)
}

/** What the system refuses is explained; else the message says what to do. */
function sayOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? explain(error) : error.message
}

function welcome(config: Config): string {
  const host = ['127.0.0.1', '0.0.0.0', '::'].includes(config.HOST) ? 'localhost' : bracketed(config.HOST)
  const at = (port: number) => `http://${host}:${port}`
  return `
${colour.bold('Sightline’s backend runs')}

  OTLP in      ${at(config.OTLP_HTTP_PORT)}   over HTTP, JSON or protobuf
               ${at(config.OTLP_GRPC_PORT)}   over gRPC
  Console      ${at(config.CONSOLE_PORT)}
  Traces       ${at(config.TEMPO_PORT)}   Tempo's API
  Logs         ${at(config.LOKI_PORT)}   Loki's API
  Data         ${config.EMBEDDED_DATA_DIR}

Start your program with:
  export OTEL_EXPORTER_OTLP_ENDPOINT=${at(config.OTLP_HTTP_PORT)} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_SERVICE_NAME=my-app

Ctrl-C stops it; the data stays.
`
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
