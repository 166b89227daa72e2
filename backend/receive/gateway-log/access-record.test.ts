import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAccessRecord } from './access-record.ts'
import { recordLine } from './test/access-records.ts'

test('a line becomes values: times exact to the millisecond, path apart from query, host apart from port', () => {
  const record = parseAccessRecord(recordLine({ path: '/api/v1/users/5?x=1', host: 'localhost:8080' }))!
  assert.equal(record.startNs, 1_795_241_396_798_000_000n)
  assert.equal(record.endNs, 1_795_241_396_809_000_000n)
  assert.equal(record.path, '/api/v1/users/5')
  assert.equal(record.query, 'x=1')
  assert.equal(record.host, 'localhost')
  assert.equal(record.protocolVersion, '1.1')
  assert.deepEqual(record.upstream, {
    address: '127.0.0.1:5001',
    status: 200,
    connectSeconds: 0.001,
    headerSeconds: 0.01,
    responseSeconds: 0.011,
  })
})

test('what Nginx answered by itself has no upstream; a phase that was not reached has no time', () => {
  assert.equal(parseAccessRecord(recordLine({ upstream_address: '' }))!.upstream, null)
  const refused = parseAccessRecord(recordLine({ upstream_connect_time: '-', upstream_status: '502' }))!
  assert.equal(refused.upstream!.connectSeconds, null)
  assert.equal(refused.upstream!.status, 502)
})

test('of several servers tried the last one counts', () => {
  const record = parseAccessRecord(
    recordLine({
      upstream_address: '10.0.0.1:1, 10.0.0.2:1',
      upstream_status: '502, 200',
      upstream_response_time: '0.001, 0.2',
    }),
  )!
  assert.deepEqual([record.upstream!.address, record.upstream!.status], ['10.0.0.2:1', 200])
  assert.equal(record.upstream!.responseSeconds, 0.2)
})

test('anything but a complete record is null', () => {
  const whole = recordLine()
  const bad = [
    '',
    'hello',
    '[]',
    '"text"',
    whole.slice(0, -10),
    recordLine({ trace_id: 'A'.repeat(32) }),
    recordLine({ parent_span_id: '12' }),
    recordLine({ time: '-' }),
    recordLine({ status: '' }).replace('"status":""', '"status":"abc"'),
  ]
  for (const line of bad) assert.equal(parseAccessRecord(line), null, line)
  assert.notEqual(parseAccessRecord(whole), null)
})
