import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema, type LogRecordSchema } from '@sightline/otlp-messages'
import { openWal } from '../store/wal.ts'
import { openWalReader } from '../store/wal-reader.ts'
import { anyValue, traceBytes } from '../test/otlp.ts'
import { createIngest } from './ingest.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** How many batches are stored after `send`. */
async function stored(send: (ingest: ReturnType<typeof createIngest>) => Promise<unknown>): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'ingest-'))
  folders.push(dir)
  const wal = openWal(dir, assert.fail)
  const ingest = createIngest({
    wal,
    maxBacklogBytes: 1e9,
    stage: () => undefined,
    spanAttributes: new Set(),
    onSpans() {},
    onAccepted() {},
  })
  await send(ingest)
  const reader = openWalReader(dir, assert.fail)
  const count = reader.read('logs', 0, 100).length + reader.read('traces', 0, 100).length
  reader.close()
  await wal.close()
  return count
}

const records = (...logRecords: MessageInitShape<typeof LogRecordSchema>[]) =>
  toBinary(
    ExportLogsServiceRequestSchema,
    create(ExportLogsServiceRequestSchema, { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  )

const sent = (bytes: Uint8Array) =>
  stored(async ({ ingestLogs }) => {
    await ingestLogs(bytes)
    await Promise.all([ingestLogs(bytes), ingestLogs(bytes)])
  })

test('equal batches of lines without a time are news, each of them', async () => {
  assert.equal(await sent(records({ body: anyValue('tick') })), 3)
  assert.equal(await sent(records({ body: anyValue('a'), timeUnixNano: 1n }, { body: anyValue('tick') })), 3)
})

test('equal batches of lines with a time, or that of their observation, are one that was sent again', async () => {
  assert.equal(await sent(records({ body: anyValue('tick'), timeUnixNano: 1_700_000_000_000_000_000n })), 1)
  assert.equal(await sent(records({ body: anyValue('tick'), observedTimeUnixNano: 1_700_000_000_000_000_000n })), 1)
})

test('equal batches of spans are one that was sent again', async () => {
  const bytes = traceBytes([{ trace: 'a', id: '1' }])
  const twice = stored(async ({ ingestTraces }) => {
    await ingestTraces(bytes)
    await ingestTraces(bytes)
  })
  assert.equal(await twice, 1)
})
