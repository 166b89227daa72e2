import assert from 'node:assert/strict'
import { test } from 'node:test'
import { panned, readWindow, windowKey, windowText, zoomed } from './window.ts'

test('looking closer keeps the time under the pointer in its place, and stays on the axis', () => {
  assert.deepEqual(zoomed({ from: 0, to: 1000 }, 1000, 0.5, 0.25), { from: 125, to: 625 })
  assert.deepEqual(zoomed({ from: 0, to: 1000 }, 1000, 0.5, 0), { from: 0, to: 500 })
  assert.deepEqual(zoomed({ from: 600, to: 1000 }, 1000, 2, 0.5), { from: 200, to: 1000 })
  assert.deepEqual(zoomed({ from: 100, to: 900 }, 1000, 4), { from: 0, to: 1000 })
  assert.deepEqual(zoomed({ from: 400, to: 520 }, 1000, 0.1, 0), { from: 400, to: 500 })
  assert.deepEqual(zoomed({ from: 0, to: 40 }, 40, 0.5), { from: 0, to: 40 })
})

test('moving ends at the ends of the axis', () => {
  assert.deepEqual(panned({ from: 100, to: 300 }, 1000, 0.5), { from: 200, to: 400 })
  assert.deepEqual(panned({ from: 100, to: 300 }, 1000, -4), { from: 0, to: 200 })
  assert.deepEqual(panned({ from: 700, to: 900 }, 1000, 4), { from: 800, to: 1000 })
})

test('an address holds what was chosen; what it can’t mean is the whole axis', () => {
  assert.equal(windowText({ from: 0, to: 1000 }, 1000), undefined)
  assert.equal(windowText({ from: 10.4, to: 99.2 }, 1000), '10-100')
  assert.deepEqual(readWindow('10-100', 1000), { from: 10, to: 100 })
  assert.deepEqual(readWindow('10-5000', 1000), { from: 10, to: 1000 })
  for (const text of [null, '', '5', '100-10', '-5-10', '2000-3000', 'a-b', '1e3-1e4'])
    assert.deepEqual(readWindow(text, 1000), { from: 0, to: 1000 }, String(text))
})

test('keys look closer, wider, at all, and move', () => {
  const window = { from: 400, to: 800 }
  assert.deepEqual(windowKey('+', window, 1000), { from: 500, to: 700 })
  assert.deepEqual(windowKey('-', window, 1000), { from: 200, to: 1000 })
  assert.deepEqual(windowKey('0', window, 1000), { from: 0, to: 1000 })
  assert.deepEqual(windowKey('<', window, 1000), { from: 300, to: 700 })
  assert.deepEqual(windowKey('>', window, 1000), { from: 500, to: 900 })
  assert.equal(windowKey('a', window, 1000), undefined)
})
