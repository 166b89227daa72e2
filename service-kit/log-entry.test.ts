/** Lines: their fields, their masking, and that nobody can forge one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import log4js from 'log4js'
import { anyCharacter } from '../test/any-text.ts'
import { jsonLine, logEntry, textLine } from './log-entry.ts'
import { masked } from './masking.ts'

function entry(data: unknown[], show = false) {
  const event = {
    startTime: new Date('2026-01-02T03:04:05.678Z'),
    level: log4js.levels.INFO,
    categoryName: 'test',
    data,
  }
  return logEntry(event as unknown as log4js.LoggingEvent, 'a-service', show)
}

test('message, fields and error of one line', () => {
  const { fields, ...fixed } = entry(['order %d placed', 7, { order_id: 7 }, new RangeError('too far')])
  assert.deepEqual(fixed, {
    timestamp: '2026-01-02T03:04:05.678Z',
    level: 'info',
    logger: 'test',
    message: 'order 7 placed',
    service: 'a-service',
  })
  assert.equal(fields.order_id, 7)
  const error = fields.error as { type: string; message: string; stack: string }
  assert.deepEqual([error.type, error.message], ['RangeError', 'too far'])
  assert.match(error.stack, /log-entry\.test/)
})

test('personal data and secrets are masked by key and by shape, at any depth', () => {
  const { message, fields } = entry([
    'mail from john.doe@example.com came',
    {
      user_email: 'jane@example.org',
      user: { email: 'x@y.example', customer_name: 'Jane Mary Roe' },
      password: 'hunter2',
      product: 'Phone',
    },
  ])
  assert.equal(message, 'mail from j***@example.com came')
  assert.deepEqual(fields, {
    user_email: 'j***@example.org',
    user: { email: 'x***@y.example', customer_name: 'J*** M*** R***' },
    password: '***',
    product: 'Phone',
  })
  assert.equal(entry(['john.doe@example.com'], true).message, 'john.doe@example.com')
  assert.deepEqual(masked('', { 'user.name': 'José' }), { 'user.name': 'J***' })
})

test('every text stays one line, in JSON and as text, and reads back', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (text) => {
      const one = entry(['%s', text, { text }], true)
      const json = jsonLine(one)
      assert.equal(json.includes('\n'), false)
      assert.equal(JSON.parse(json).message, one.message)
      assert.doesNotMatch(textLine(one, false), /\p{Cc}/u)
    }),
  )
  const thrown = textLine(entry(['x', new Error('a\u001b[2Jb\u007fc\u009b1m')], true), false)
  assert.match(thrown, /a\\u001b\[2Jb\\u007fc\\u009b1m/)
  assert.doesNotMatch(thrown.replaceAll('\n', ''), /\p{Cc}/u)
  const forged = jsonLine(entry(['x', { message: 'y', level: 'fatal', trace_id: 'z' }]))
  assert.deepEqual([JSON.parse(forged).message, JSON.parse(forged).level], ['x', 'info'])
  const circle: Record<string, unknown> = {}
  circle.self = circle
  assert.match(jsonLine(entry(['round', circle], true)), /"message":"round".*not serialisable/)
})
