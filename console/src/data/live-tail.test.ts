import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleared, EMPTY_TAIL, paused, received, resumed, TAIL_KEEPS, type Tail, tailAddress } from './live-tail.ts'

const message = (times: number[], dropped = 0): string =>
  JSON.stringify({
    streams: [{ stream: { app: 'a' }, values: times.map((time) => [`${1e18 + time * 1e6}`, `line ${time}`, {}]) }],
    ...(dropped && { dropped_entries: Array.from({ length: dropped }, () => ({ labels: {}, timestamp: '1' })) }),
  })
const texts = (lines: Tail['lines']) => lines.map(({ line }) => line.replace('line ', '')).join(' ')
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

test('new lines come first, a late one where it belongs, and a list that stands still counts them', () => {
  let tail = received(EMPTY_TAIL, message([1, 2, 5]))
  tail = received(tail, message([4]))
  assert.equal(texts(tail.lines), '5 4 2 1')
  tail = received(paused(tail), message([6, 7]))
  assert.equal(texts(tail.lines), '5 4 2 1')
  assert.equal(texts(tail.held), '7 6')
  tail = resumed(tail)
  assert.equal(texts(tail.lines), '7 6 5 4 2 1')
  assert.deepEqual([tail.held.length, tail.letGo, tail.dropped], [0, 0, 0])
})

test('the list is bounded, standing still too, and says what it let go and what was dropped', () => {
  let tail = received(EMPTY_TAIL, message(upTo(TAIL_KEEPS)))
  tail = received(tail, message([TAIL_KEEPS, TAIL_KEEPS + 1], 3))
  assert.equal(tail.lines.length, TAIL_KEEPS)
  assert.equal(tail.lines.at(-1)!.line, 'line 2')
  assert.deepEqual([tail.letGo, tail.dropped], [2, 3])
  tail = received(paused(tail), message(upTo(TAIL_KEEPS + 5, 2000)))
  assert.deepEqual([tail.held.length, tail.letGo], [TAIL_KEEPS, 7])
  tail = resumed(tail)
  assert.deepEqual([tail.lines.length, tail.letGo], [TAIL_KEEPS, 7 + TAIL_KEEPS])
  assert.deepEqual(cleared(tail), EMPTY_TAIL)
  assert.deepEqual(received(tail, '{"streams":null,"dropped_entries":null}').lines, tail.lines)
})

test('the tail is asked for at the page’s own origin', () => {
  const { protocol, host, pathname, searchParams } = new URL(
    tailAddress('{a="b"} |= "c&d"', 'https://console.example:3000'),
  )
  assert.equal(`${protocol}//${host}${pathname}`, 'wss://console.example:3000/api/loki/loki/api/v1/tail')
  assert.equal(searchParams.get('query'), '{a="b"} |= "c&d"')
})
