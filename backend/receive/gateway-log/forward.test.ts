import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import { until } from '@sightline/service-kit/poll'
import { recordLine } from './test/access-records.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-forward-'))
const accessLog = join(folder, 'access.log')
const received: string[] = []
let answer = 503
let refused = 0
const collector = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    if (answer === 200) {
      const { resourceSpans } = fromBinary(ExportTraceServiceRequestSchema, Buffer.concat(chunks))
      const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
      received.push(...spans.map(({ spanId }) => Buffer.from(spanId).toString('hex')))
    }
    if (answer !== 200) refused++
    response.writeHead(answer).end()
  })
})
collector.listen(0, '127.0.0.1')
await once(collector, 'listening')
const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
let program: ChildProcess | null = null
after(() => {
  program?.kill('SIGKILL')
  collector.close()
  rmSync(folder, { recursive: true, force: true })
})

function start(): ChildProcess {
  program = spawn(process.execPath, [join(import.meta.dirname, 'forward.ts')], {
    stdio: 'ignore',
    env: { PATH: process.env.PATH, GATEWAY_ACCESS_LOG: accessLog, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
  })
  return program
}

test('each record reaches the Collector as a span, also when it was away, and once over restarts', async () => {
  appendFileSync(accessLog, `${recordLine({ span_id: 'a'.repeat(16) })}\n`)
  const first = start()
  await until('a first refusal', 15, () => refused > 0)
  answer = 200
  await until('the first span', 15, () => received.length === 1)
  first.kill('SIGTERM')
  await once(first, 'exit')

  appendFileSync(accessLog, `${recordLine({ span_id: 'b'.repeat(16) })}\n`)
  const second = start()
  await until('the second span', 15, () => received.length === 2)
  assert.deepEqual(received, ['a'.repeat(16), 'b'.repeat(16)])
  second.kill('SIGTERM')
  await once(second, 'exit')
})

test('positions that a power cut has emptied do not block: what is there is sent again', async () => {
  writeFileSync(`${accessLog}.forwarded`, '')
  const sent = received.length
  const again = start()
  await until('both spans once more', 15, () => received.length === sent + 2)
  again.kill('SIGTERM')
  await once(again, 'exit')
})
