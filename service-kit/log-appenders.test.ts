/** Lines on stdout as another program reads them, and lines as OpenTelemetry gets them. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { SeverityNumber } from '@opentelemetry/api'
import type log4js from 'log4js'
import { openTelemetryAppender } from './log-appenders.ts'
import type { LogEntry } from './log-entry.ts'
import { until } from './poll.ts'
import { inSpan } from './spans.ts'
import { telemetry } from './telemetry/state.ts'
import { startMemoryTelemetry } from './test/memory-telemetry.ts'

/** A process that writes lines by the stdout appender; each command comes over its IPC channel. */
function startWriter(): { child: ChildProcess; got: () => string } {
  const program = `
    const { default: log4js } = await import('log4js')
    const { stdoutAppender } = await import('./log-appenders.ts')
    const write = stdoutAppender((event) => event.data[0])
    const line = (text, level = log4js.levels.INFO) => write({ data: [text], level })
    process.on('message', (command) => {
      new Function('line', 'levels', 'write', command)(line, log4js.levels, write)
      process.send('done')
    })
    process.send('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  return { child, got: () => text }
}

async function tell(child: ChildProcess, command: string): Promise<void> {
  const done = once(child, 'message')
  child.send(command)
  await done
}

test('stdout: lines wait for company, an error and a lot of text do not, and the end of the process loses none', async () => {
  const { child, got } = startWriter()
  await once(child, 'message')
  // Both in one turn, so that what was written is seen before the time is over.
  await tell(child, `line('one'); line('two'); if (process.stdout.bytesWritten > 0) line('too early')`)
  await until('the lines', 15, () => got() === 'one\ntwo\n')
  await tell(child, `line('quiet'); line('loud', levels.ERROR); if (process.stdout.bytesWritten < 17) line('too late')`)
  await until('both at once', 15, () => got().endsWith('quiet\nloud\n'))
  await tell(child, `line('x'.repeat(70_000)); if (process.stdout.bytesWritten < 70_000) line('too late')`)
  await until('all of it', 15, () => got().length > 70_000)
  child.send(`line('last words'); process.exit(0)`)
  await once(child, 'close')
  assert.match(got(), /x\nlast words\n$/)
  assert.doesNotMatch(got(), /too/)
})

test('stdout: a reader that goes away does not end the process', async () => {
  const { child } = startWriter()
  await once(child, 'message')
  child.stdout!.destroy()
  await tell(child, `line('into the void', levels.ERROR)`)
  await tell(child, `line('x'.repeat(200_000), levels.ERROR)`)
  child.send(`line('buffered'); process.exit(7)`)
  assert.deepEqual(await once(child, 'exit'), [7, null])
})

test('OpenTelemetry gets severity, text, flat attributes and the span in which the line was written', async () => {
  await using memory = startMemoryTelemetry()
  const base = { timestamp: '', level: 'warn', logger: 'orders', message: 'no stock', service: 's' }
  let entry: LogEntry = { ...base, fields: {} }
  const append = openTelemetryAppender(() => entry)
  const emit = (one: Partial<LogEntry>) => {
    entry = { ...base, fields: {}, ...one }
    append({ startTime: new Date(5) } as log4js.LoggingEvent)
  }
  emit({})
  assert.equal(memory.logs().length, 0, 'not before somebody wants them')
  telemetry.logsWanted = true
  try {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const error = { type: 'RangeError', message: 'too far', stack: 'RangeError: too far\n at x' }
    const fields = { order_id: 7, big: 12n, ok: true, none: null, items: [{ id: 1 }], circle, error }
    await inSpan('work', {}, () => emit({ request_id: 'r-1', fields }))
    emit({ level: 'fatal' })
    emit({ level: 'unheard of' })
  } finally {
    telemetry.logsWanted = false
  }
  const [record, fatal, unknown] = memory.logs()
  assert.deepEqual(record!.attributes, {
    logger: 'orders',
    request_id: 'r-1',
    order_id: 7,
    big: 12,
    ok: true,
    items: '[{"id":1}]',
    circle: 'not serialisable',
    'exception.type': 'RangeError',
    'exception.message': 'too far',
    'exception.stacktrace': 'RangeError: too far\n at x',
  })
  assert.deepEqual(
    [record!.body, record!.severityText, record!.severityNumber],
    ['no stock', 'warn', SeverityNumber.WARN],
  )
  assert.deepEqual(record!.hrTime, [0, 5_000_000])
  assert.equal(record!.spanContext?.spanId, memory.span('work').spanContext().spanId)
  assert.deepEqual([fatal!.severityNumber, unknown!.severityNumber], [SeverityNumber.FATAL, SeverityNumber.UNSPECIFIED])
})
