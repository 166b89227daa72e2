import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asJsonLines, asText, lineCount } from './log-text.ts'

const LINE = {
  timeNs: '1769860800123456789',
  line: 'said "this"',
  labels: { service_name: 'orders', level: 'WARN' },
  metadata: { trace_id: 'ab' },
}

test('a file of lines has every digit of their times, and says when it is not all of them', () => {
  const bare = { ...LINE, labels: {}, line: 'two\nlines', timeNs: '1769860800000000001' }
  assert.equal(
    asText([LINE, bare], 'the newest 2'),
    '# the newest 2\n2026-01-31T12:00:00.123456789Z warn orders said "this"\n2026-01-31T12:00:00.000000001Z unknown - two\nlines\n',
  )
  assert.equal(asText([]), '')
  const [first, second, end] = asJsonLines([LINE, bare]).split('\n')
  assert.deepEqual(JSON.parse(first!), {
    time: '2026-01-31T12:00:00.123456789Z',
    line: 'said "this"',
    service_name: 'orders',
    level: 'WARN',
    trace_id: 'ab',
  })
  assert.equal(JSON.parse(second!).line, 'two\nlines')
  assert.equal(end, '')
})

test('a list that was cut says which lines it has, and of how many once that is known', () => {
  assert.equal(lineCount(1), '1 line')
  assert.equal(lineCount(1000), '1,000 lines')
  assert.equal(lineCount(1000, { order: 'newest' }), 'The newest 1,000 lines; older ones exist')
  assert.equal(lineCount(1000, { order: 'oldest', total: 1000 }), 'The oldest 1,000 lines; newer ones exist')
  assert.equal(lineCount(2000, { order: 'newest', total: 15_564 }), 'The newest 2,000 of 15,564 lines')
})
