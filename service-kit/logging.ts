/**
 * log4js, set up once per process: JSON or coloured text on stdout, rotated files, OpenTelemetry. Every line carries
 * timestamp, level, logger, message, service, trace_id, span_id and request_id, lines of libraries included: their
 * console output and warnings are taken in, and the ids come from the context in which the line is written.
 */
import path from 'node:path'
import { format } from 'node:util'
import log4js from 'log4js'
import { openTelemetryAppender, stdoutAppender } from './log-appenders.ts'
import { jsonLine, logEntry, textLine } from './log-entry.ts'
import { telemetry } from './telemetry/state.ts'

/** log4js' logger: `info('text', {field: value}, error)`; see log-entry.ts for what becomes of each argument. */
export type Logger = log4js.Logger

/** Where lines go, and how. */
export interface LoggingOptions {
  service: { name: string; version: string }
  level: string
  format: 'json' | 'text' | 'auto'
  /** Folder for `<service>/<service>.log`; undefined writes no files. */
  dir?: string | undefined
  showPersonalData: boolean
}

/**
 * Configures all outputs of the process and takes over its console and its warnings; `stopLogging` closes them. A file is
 * cut at 10 MB, and five older ones are kept, compressed.
 */
export function startLogging(options: LoggingOptions): void {
  const { service, dir } = options
  const text = options.format === 'text' || (options.format === 'auto' && process.stdout.isTTY === true)
  const entryOf = forAllOutputs((event) => logEntry(event, service.name, options.showPersonalData))
  const jsonOf = forAllOutputs((event) => jsonLine(entryOf(event)))
  const line = text ? (event: log4js.LoggingEvent) => textLine(entryOf(event), process.stdout.isTTY === true) : jsonOf
  log4js.addLayout('sightline', () => jsonOf)
  const appenders: Record<string, unknown> = {
    stdout: { type: { configure: () => stdoutAppender(line) } },
    opentelemetry: { type: { configure: () => openTelemetryAppender(entryOf) } },
  }
  if (dir) {
    const filename = path.join(dir, service.name, `${service.name}.log`)
    appenders.file = {
      type: 'file',
      filename,
      maxLogSize: 10_000_000,
      backups: 5,
      compress: true,
      layout: { type: 'sightline' },
    }
  }
  log4js.configure({
    appenders: appenders as Record<string, log4js.Appender>,
    categories: { default: { appenders: Object.keys(appenders), level: options.level } },
    disableClustering: true,
  })
  captureLibraries()
  for (const say of telemetry.untold.splice(0)) say()
}

/** log4js hands an event to all outputs before the next one comes: what the first makes of it is good for the others. */
function forAllOutputs<Made>(make: (event: log4js.LoggingEvent) => Made): (event: log4js.LoggingEvent) => Made {
  let last: { event: log4js.LoggingEvent; made: Made } | undefined
  return (event) => {
    if (last?.event !== event) last = { event, made: make(event) }
    return last.made
  }
}

/** The named logger: `getLogger('order-service.outbox').info('text', {field: value})`. */
export function getLogger(name: string): Logger {
  return log4js.getLogger(name)
}

/** Writes what is buffered and closes the outputs. */
export function stopLogging(): Promise<void> {
  return new Promise((resolve) => log4js.shutdown(() => resolve()))
}

let captured = false

/** Output of libraries that know only console and warnings gets the same shape and the same ids. */
function captureLibraries(): void {
  if (captured) return
  captured = true
  const logger = log4js.getLogger('console')
  const levels = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error', trace: 'debug' } as const
  for (const [method, level] of Object.entries(levels) as Array<
    [keyof typeof levels, 'debug' | 'info' | 'warn' | 'error']
  >) {
    console[method] = (...args: unknown[]) => logger[level](format(...args))
  }
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log4js.getLogger('node').warn(`${warning.name}: ${warning.message}`))
}
