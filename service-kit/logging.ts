/**
 * log4js, set up once per process: JSON or coloured text on stdout, rotated files, OpenTelemetry. Every line carries
 * timestamp, level, logger, message, service, trace_id, span_id and request_id, lines of libraries included: their
 * console output and warnings are taken in, and the ids come from the context in which the line is written.
 */
import path from 'node:path'
import { format } from 'node:util'
import { isSpanContextValid, trace } from '@opentelemetry/api'
import log4js from 'log4js'
import { openTelemetryAppender, stdoutAppender } from './log-appenders.ts'
import { masked, maskText } from './masking.ts'
import { currentRequest } from './request-context.ts'

export type Logger = log4js.Logger

export interface LoggingOptions {
  service: { name: string; version: string }
  level: string
  format: 'json' | 'text' | 'auto'
  /** Folder for `<service>/<service>.log`; undefined writes no files. */
  dir?: string | undefined
  showPersonalData: boolean
}

/** One line, ready for any output. `fields` holds what was given besides the message. */
export interface LogEntry {
  timestamp: string
  level: string
  logger: string
  message: string
  service: string
  trace_id?: string
  span_id?: string
  request_id?: string
  fields: Record<string, unknown>
}

/** Configures all outputs and takes over console and process warnings. */
export function startLogging(options: LoggingOptions): void {
  const { service, dir } = options
  const text = options.format === 'text' || (options.format === 'auto' && process.stdout.isTTY === true)
  const entryOf = (event: log4js.LoggingEvent) => logEntry(event, service.name, options.showPersonalData)
  const line = text
    ? (event: log4js.LoggingEvent) => textLine(entryOf(event), process.stdout.isTTY === true)
    : (event: log4js.LoggingEvent) => jsonLine(entryOf(event))
  log4js.addLayout('sightline', () => (event) => jsonLine(entryOf(event)))
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
}

/** The named logger: `getLogger('order-service.outbox').info('text', {field: value})`. */
export function getLogger(name: string): Logger {
  return log4js.getLogger(name)
}

/** Writes what is buffered and closes the outputs. */
export function stopLogging(): Promise<void> {
  return new Promise((resolve) => log4js.shutdown(() => resolve()))
}

/** The last plain object given is the fields, an Error becomes `error`, everything else is the message. */
export function logEntry(event: log4js.LoggingEvent, service: string, showPersonalData: boolean): LogEntry {
  const parts: unknown[] = []
  let fields: Record<string, unknown> = {}
  for (const part of event.data as unknown[]) {
    if (part instanceof Error) fields = { ...fields, error: errorFields(part) }
    else if (isPlainObject(part)) fields = { ...fields, ...part }
    else parts.push(part)
  }
  const message = format(...parts)
  const span = trace.getActiveSpan()?.spanContext()
  const request = currentRequest()
  const traced = span !== undefined && isSpanContextValid(span)
  const traceId = traced ? span.traceId : request?.traceId
  return {
    timestamp: event.startTime.toISOString(),
    level: event.level.levelStr.toLowerCase(),
    logger: event.categoryName,
    message: showPersonalData ? message : maskText(message),
    service,
    ...(traceId ? { trace_id: traceId } : {}),
    ...(traced ? { span_id: span.spanId } : {}),
    ...(request ? { request_id: request.requestId } : {}),
    fields: showPersonalData ? fields : (masked('', fields) as Record<string, unknown>),
  }
}

function errorFields(error: Error, depth = 0): Record<string, unknown> {
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.stack ? { stack: error.stack } : {}),
    ...(error.cause instanceof Error && depth < 4 ? { cause: errorFields(error.cause, depth + 1) } : {}),
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** JSON escapes line breaks, so no text can forge a second line. Fields never replace the fixed keys. */
export function jsonLine({ fields, ...fixed }: LogEntry): string {
  try {
    return JSON.stringify({ ...fields, ...fixed })
  } catch {
    // A field that refers to itself must not cost the line.
    return JSON.stringify({ ...fixed, fields: 'not serialisable' })
  }
}

const COLOURS: Record<string, number> = { trace: 90, debug: 36, info: 32, warn: 33, error: 31, fatal: 35 }

/** For people: time, level, logger, message, fields, and the start of the trace id. */
export function textLine(entry: LogEntry, colour: boolean): string {
  const paint = (code: number, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const { error, ...others } = entry.fields as { error?: { stack?: unknown } }
  const stack = typeof error?.stack === 'string' ? error.stack : undefined
  const fields = stack ? others : entry.fields
  const extra = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const time = entry.timestamp.slice(11, 23)
  const level = paint(COLOURS[entry.level] ?? 0, entry.level.toUpperCase().padEnd(5))
  const ids = paint(90, [entry.trace_id, entry.request_id].filter(Boolean).join(' '))
  const head = [paint(90, time), level, paint(90, entry.logger), oneLine(entry.message), oneLine(extra.join(' ')), ids]
  return head.filter(Boolean).join(' ') + (stack ? `\n${stack.split('\n').map(oneLine).join('\n')}` : '')
}

/** Control characters as escapes: none of them may steer a terminal. JSON.stringify would leave U+007F to U+009F. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) =>
    character < ' ' ? JSON.stringify(character).slice(1, -1) : `\\u00${character.charCodeAt(0).toString(16)}`,
  )
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
