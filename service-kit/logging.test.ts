/** Where lines go. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { getLogger, startLogging, stopLogging } from './logging.ts'
import { runInRequest } from './request-context.ts'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-logs-'))
after(() => fs.rmSync(folder, { recursive: true, force: true }))

test('a line is made once for all outputs', async () => {
  startLogging({
    service: { name: 'once', version: '1' },
    level: 'info',
    format: 'json',
    dir: folder,
    showPersonalData: false,
  })
  let read = 0
  const fields = {
    get n() {
      return ++read
    },
  }
  getLogger('own').info('first', fields)
  getLogger('own').info('second', fields)
  await stopLogging()
  const lines = fs
    .readFileSync(path.join(folder, 'once', 'once.log'), 'utf8')
    .trim()
    .split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).n),
    [1, 2],
  )
})

test('files: JSON lines with the request id, also of libraries that only know console', async () => {
  const service = { name: 'a-service', version: '1' }
  startLogging({ service, level: 'info', format: 'json', dir: folder, showPersonalData: false })
  const request = { requestId: 'r-1', traceId: 'f'.repeat(32), startedAt: 0, deadlineAt: 0 }
  runInRequest(request, () => {
    getLogger('own').info('hello', { n: 1 })
    console.warn('from %s', 'a library')
  })
  getLogger('own').debug('too fine')
  await stopLogging()
  const lines = fs
    .readFileSync(path.join(folder, 'a-service', 'a-service.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map(({ level, logger, message, request_id, trace_id }) => [level, logger, message, request_id, trace_id]),
    [
      ['info', 'own', 'hello', 'r-1', 'f'.repeat(32)],
      ['warn', 'console', 'from a library', 'r-1', 'f'.repeat(32)],
    ],
  )
})
