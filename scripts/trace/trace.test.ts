import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '@sightline/local/settings'
import { duration, renderLogs, renderWaterfall } from './render.ts'
import { layOut, readTrace, type Span } from './spans.ts'

const plain = { bold: String, dim: String, red: String, cyan: String, yellow: String }
const span = (id: string, parentId: string, start: number, end: number, more: Partial<Span> = {}): Span => ({
  id,
  parentId,
  service: 'order-service',
  name: `span ${id}`,
  start: BigInt(start),
  end: BigInt(end),
  error: false,
  statusMessage: '',
  kind: 'INTERNAL',
  attributes: {},
  events: [],
  ...more,
})

test('spans stand below their parent, by start, and an orphan is marked', () => {
  const rows = layOut([span('c', 'a', 30, 40), span('b', 'a', 10, 20), span('a', '', 0, 100), span('x', 'lost', 5, 6)])
  assert.deepEqual(
    rows.map(({ id, depth, orphan }) => [id, depth, orphan]),
    [
      ['a', 0, false],
      ['b', 1, false],
      ['c', 1, false],
      ['x', 0, true],
    ],
  )
})

test('parents in a circle hide no span', () => {
  const rows = layOut([span('a', '', 0, 9), span('b', 'c', 1, 2), span('c', 'b', 2, 3), span('d', 'd', 4, 5)])
  assert.deepEqual(
    rows.map(({ id, depth, orphan }) => [id, depth, orphan]),
    [
      ['a', 0, false],
      ['b', 0, true],
      ['c', 1, false],
      ['d', 0, true],
    ],
  )
})

test('what telemetry says does not steer the terminal', () => {
  const evil = 'x\u001b[2J\u009b1m\u007f\ny'
  const one = span('a', '', 0, 1, { name: evil, service: evil, error: true, statusMessage: evil })
  const text = [
    renderWaterfall('t1', layOut([one]), 80, plain),
    renderLogs([{ time: 0n, service: evil, level: evil, message: evil }], [one], plain),
  ].join('\n')
  assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u)
  assert.equal(text.split(String.raw`x\u001b[2J\u009b1m\u007f\u000ay`).length - 1, 6)
})

test('a waterfall shows time, errors and their reason', () => {
  const rows = layOut([
    span('a', '', 0, 100_000_000),
    span('b', 'a', 50_000_000, 100_000_000, { error: true, statusMessage: 'out of stock' }),
  ])
  const [header, first, second, reason] = renderWaterfall('t1', rows, 80, plain).split('\n')
  assert.match(header!, /^t1 {2}2 spans, 1 service, 100.0 ms, 1 error$/)
  const bar = (line: string) => [line.indexOf('━'), line.lastIndexOf('━')]
  assert.equal(bar(first!)[1], bar(second!)[1])
  assert.ok(Math.abs(bar(second!)[0]! - (bar(first!)[0]! + bar(first!)[1]!) / 2) <= 1)
  assert.match(reason!, /✘ out of stock/)
})

test('log lines carry their distance from the start', () => {
  const text = renderLogs(
    [{ time: 12_000_000n, service: 's', level: 'info', message: 'hello' }],
    [span('a', '', 0, 1)],
    plain,
  )
  assert.match(text, / 12 ms {2}s {2}info {3}hello/)
})

test('durations are read by people', () => {
  assert.deepEqual([900_000, 1_500_000, 2e9].map(duration), ['900 µs', '1.5 ms', '2.00 s'])
})

test('ids are taken in hex and in base64', async (t) => {
  const span = { name: 'n', startTimeUnixNano: '1', endTimeUnixNano: '2' }
  const spans = [
    { ...span, spanId: '00f067aa0ba902b7' },
    { ...span, spanId: Buffer.from('00f067aa0ba902b8', 'hex').toString('base64'), parentSpanId: '00f067aa0ba902b7' },
  ]
  const server = createServer((_, response) => response.end(JSON.stringify({ batches: [{ scopeSpans: [{ spans }] }] })))
  t.after(() => server.close())
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const found = await readTrace(`http://127.0.0.1:${(server.address() as { port: number }).port}`, 'ab')
  assert.deepEqual(
    found?.map(({ id, parentId }) => [id, parentId]),
    [
      ['00f067aa0ba902b7', ''],
      ['00f067aa0ba902b8', '00f067aa0ba902b7'],
    ],
  )
})

test('what is no trace id is asked for wrongly, and nobody is asked', () => {
  for (const id of ['', '0000', 'zz']) {
    const command = [join(root, 'scripts/trace.ts'), id]
    const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
    assert.equal(status, 2, stderr)
    assert.match(stderr, /^".*" is no trace id: that is 32 hexadecimal digits/)
  }
})
