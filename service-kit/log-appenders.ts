/** Outputs for log4js that it does not bring itself. */
import { writeSync } from 'node:fs'
import { logs, SeverityNumber } from '@opentelemetry/api'
import type log4js from 'log4js'
import type { LogEntry } from './log-entry.ts'
import { telemetry } from './telemetry/state.ts'

const FLUSH_MS = 100
const FLUSH_CHARS = 64 * 1024
type Appender = ((event: log4js.LoggingEvent) => void) & { shutdown?: (done: () => void) => void }

/** Lines are written together, 100 ms or 64 kB at a time; at once from level error on, and when the process ends. */
export function stdoutAppender(line: (event: log4js.LoggingEvent) => string): Appender {
  let buffer = ''
  let timer: NodeJS.Timeout | undefined

  function flush() {
    clearTimeout(timer)
    timer = undefined
    if (buffer === '') return
    const text = buffer
    buffer = ''
    process.stdout.write(text)
  }

  function flushAtExit() {
    if (buffer === '') return
    const text = buffer
    buffer = ''
    try {
      writeSync(1, text)
    } catch {
      // The reader has gone (a closed pipe): nobody is left to tell.
    }
  }

  const appender: Appender = (event) => {
    buffer += `${line(event)}\n`
    if (event.level.level >= 40_000 || buffer.length >= FLUSH_CHARS) flush()
    else timer ??= setTimeout(flush, FLUSH_MS).unref()
  }
  // A reader that goes away (`| head`) must not end the service.
  process.stdout.on('error', () => {})
  process.on('exit', flushAtExit)
  appender.shutdown = (done) => {
    flush()
    process.off('exit', flushAtExit)
    if (process.stdout.writableLength === 0) done()
    else process.stdout.write('', () => done())
  }
  return appender
}

const SEVERITY: Record<string, SeverityNumber> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
}

/** Hands each line to the OpenTelemetry Logs API; trace and span id come from the active context. */
export function openTelemetryAppender(entryOf: (event: log4js.LoggingEvent) => LogEntry): Appender {
  const logger = logs.getLogger('@sightline/service-kit')
  return (event) => {
    if (!telemetry.logsWanted) return
    const entry = entryOf(event)
    const attributes: Record<string, string | number | boolean> = { logger: entry.logger }
    if (entry.request_id) attributes.request_id = entry.request_id
    for (const [key, value] of Object.entries(entry.fields)) flatten(attributes, key, value)
    logger.emit({
      timestamp: event.startTime,
      severityNumber: SEVERITY[entry.level] ?? SeverityNumber.UNSPECIFIED,
      severityText: entry.level,
      body: entry.message,
      attributes,
    })
  }
}

/** Errors by the names of the semantic conventions; other objects as JSON, since backends index flat values. */
function flatten(attributes: Record<string, string | number | boolean>, key: string, value: unknown): void {
  if (value === undefined || value === null) return
  if (key === 'error' && typeof value === 'object') {
    const { type, message, stack } = value as { type?: string; message?: string; stack?: string }
    if (type) attributes['exception.type'] = type
    if (message) attributes['exception.message'] = message
    if (stack) attributes['exception.stacktrace'] = stack
  } else if (typeof value === 'object') {
    try {
      attributes[key] = JSON.stringify(value)
    } catch {
      attributes[key] = 'not serialisable'
    }
  } else {
    attributes[key] = typeof value === 'bigint' ? Number(value) : (value as string | number | boolean)
  }
}
