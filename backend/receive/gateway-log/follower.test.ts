import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema, ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import { until } from '@sightline/service-kit/poll'
import type { Follower } from './follow-file.ts'
import { followAccessLog, type GatewayLogSink } from './follower.ts'
import { recordLine } from './test/access-records.ts'

let folder: string
let log: string
let follower: Follower | null = null
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gateway-log-'))
  log = join(folder, 'access.log')
})
afterEach(async () => {
  await follower?.stop()
  follower = null
  rmSync(folder, { recursive: true })
})

/** A store in memory with the real one's promise: batch and cursor together, or neither. */
function memoryStore() {
  const cursors = new Map<string, string>()
  const spans: string[] = []
  const lines: string[] = []
  const refuse = { traces: 0, logs: 0 }
  const sink: GatewayLogSink = {
    cursor: (name) => cursors.get(name),
    async ingestTraces(bytes, { name, value }) {
      if (refuse.traces-- > 0) throw new Error('traces refused')
      const request = fromBinary(ExportTraceServiceRequestSchema, bytes)
      for (const { scopeSpans } of request.resourceSpans)
        for (const span of scopeSpans[0]!.spans) spans.push(Buffer.from(span.spanId).toString('hex'))
      cursors.set(name, value)
    },
    async ingestLogs(bytes, { name, value }) {
      if (refuse.logs-- > 0) throw new Error('logs refused')
      const request = fromBinary(ExportLogsServiceRequestSchema, bytes)
      for (const { scopeLogs } of request.resourceLogs)
        for (const record of scopeLogs[0]!.logRecords) lines.push(Buffer.from(record.spanId).toString('hex'))
      cursors.set(name, value)
    },
  }
  return { sink, spans, lines, refuse, cursors }
}

const resource = { version: '1', instanceId: 'i', environment: 'test' }
const follow = (sink: GatewayLogSink, more: Partial<Parameters<typeof followAccessLog>[0]> = {}) =>
  followAccessLog({ accessLog: log, sink, resource, pollMs: 5, onError: () => undefined, ...more })
const id = (n: number) => n.toString(16).padStart(16, '0')
const line = (n: number, fields: Record<string, string> = {}) => `${recordLine({ span_id: id(n), ...fields })}\n`
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => id(from + i))

/** Until the store holds exactly that many. */
const holds = (what: string[], count: number) => until(`${count} records`, 10, () => what.length === count)

test('a file that appears later, lines in pieces, and lines that are none', async () => {
  const store = memoryStore()
  let malformed = 0
  follower = follow(store.sink, {
    onMalformed: (count) => {
      malformed += count
    },
  })
  const second = line(2)
  writeFileSync(log, line(1) + second.slice(0, 50))
  await holds(store.spans, 1)
  appendFileSync(log, `${second.slice(50)}not a record\n${line(3)}`)
  await holds(store.spans, 3)
  assert.deepEqual(store.spans, ids(1, 3))
  assert.deepEqual(store.lines, ids(1, 3))
  assert.equal(malformed, 1)
})

test('restarted, it goes on behind the last record taken', async () => {
  const store = memoryStore()
  writeFileSync(log, line(1) + line(2))
  follower = follow(store.sink)
  await holds(store.lines, 2)
  await follower.stop()
  appendFileSync(log, line(3))
  follower = follow(store.sink)
  await holds(store.lines, 3)
  assert.deepEqual(store.spans, ids(1, 3))
})

test('stop takes what has been written before it', async () => {
  const store = memoryStore()
  writeFileSync(
    log,
    ids(1, 500)
      .map((_, i) => line(i + 1))
      .join(''),
  )
  await follow(store.sink).stop()
  assert.deepEqual(store.lines, ids(1, 500))
})

test('a renamed file is read to its end, its successor from the beginning, also across a restart', async () => {
  const store = memoryStore()
  writeFileSync(log, line(1))
  follower = follow(store.sink)
  await holds(store.lines, 1)
  renameSync(log, `${log}.1`)
  appendFileSync(`${log}.1`, line(2))
  await holds(store.lines, 2)
  await follower.stop()
  appendFileSync(`${log}.1`, line(3))
  writeFileSync(log, line(4))
  follower = follow(store.sink)
  await holds(store.lines, 4)
  assert.deepEqual(store.spans, ids(1, 4))
  assert.deepEqual(store.lines, ids(1, 4))
  assert.equal(existsSync(`${log}.1`), false)
})

test('a file that was cut, or replaced by another, is read from its beginning', async () => {
  const store = memoryStore()
  writeFileSync(log, line(1) + line(2))
  follower = follow(store.sink)
  await holds(store.lines, 2)
  writeFileSync(log, line(3))
  await holds(store.lines, 3)
  await follower.stop()
  rmSync(log)
  writeFileSync(log, line(4) + line(5) + line(6))
  follower = follow(store.sink)
  await holds(store.lines, 6)
  assert.deepEqual(store.spans, ids(1, 6))
})

for (const signal of ['traces', 'logs'] as const) {
  test(`when the store refuses ${signal}, neither signal misses or repeats a record`, async () => {
    const store = memoryStore()
    store.refuse[signal] = 2
    const errors: unknown[] = []
    writeFileSync(log, line(1) + line(2, { sampled: '0' }))
    follower = follow(store.sink, { onError: (error) => errors.push(error) })
    await Promise.all([holds(store.spans, 1), holds(store.lines, 2)])
    appendFileSync(log, line(3))
    await Promise.all([holds(store.spans, 2), holds(store.lines, 3)])
    assert.equal(errors.length, 2)
    assert.deepEqual(store.spans, [id(1), id(3)])
    assert.deepEqual(store.lines, ids(1, 3))
  })
}

test('one signal ahead in the new file, the other still in the renamed one', async () => {
  const store = memoryStore()
  writeFileSync(log, line(1) + line(2))
  follower = follow(store.sink)
  await holds(store.lines, 2)
  const early = store.cursors.get('gateway-log/traces')!
  appendFileSync(log, line(3))
  await holds(store.lines, 3)
  await follower.stop()
  renameSync(log, `${log}.1`)
  writeFileSync(log, line(4))
  const copy = memoryStore()
  copy.cursors.set('gateway-log/traces', early)
  copy.cursors.set('gateway-log/logs', store.cursors.get('gateway-log/logs')!)
  follower = follow(copy.sink)
  await holds(copy.lines, 1)
  assert.deepEqual(copy.spans, ids(3, 4))
  assert.deepEqual(copy.lines, ids(4, 4))
})

test('a large log is renamed and its writer told by USR1', async () => {
  const store = memoryStore()
  const pidFile = join(folder, 'nginx.pid')
  writeFileSync(pidFile, String(process.pid))
  let told = 0
  const onSignal = () => {
    told++
    writeFileSync(log, line(3))
  }
  process.on('SIGUSR1', onSignal)
  try {
    writeFileSync(log, line(1) + line(2))
    follower = follow(store.sink, { pidFile, rotateAtBytes: 1000 })
    await holds(store.lines, 3)
    assert.equal(told, 1)
    assert.deepEqual(store.lines, ids(1, 3))
    assert.equal(readFileSync(log, 'utf8'), line(3))
  } finally {
    process.off('SIGUSR1', onSignal)
  }
})
