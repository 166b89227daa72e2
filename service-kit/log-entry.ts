/** One log line: from what was given to a logger to JSON for machines or text for people. */
import { format } from 'node:util'
import { isSpanContextValid, trace } from '@opentelemetry/api'
import type log4js from 'log4js'
import { masked, maskText } from './masking.ts'
import { currentRequest } from './request-context.ts'

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
