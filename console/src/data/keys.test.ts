import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as tables from './keys.ts'

const { follow, GLOBAL_KEYS, LINE_KEYS, meaningOf, ROW_KEYS, strokesOf } = tables

test('no key means two things in one place, or two things at once on a page', () => {
  for (const table of Object.values(tables).filter((one) => typeof one === 'object')) {
    const keys = table.keys.flatMap((meaning) => meaning.keys)
    assert.deepEqual(keys, [...new Set(keys)], table.title)
  }
  const wide = [...GLOBAL_KEYS.keys, ...LINE_KEYS.keys].flatMap(({ keys }) => keys)
  assert.equal(new Set(wide).size, wide.length)
  // What begins a row of keys would never get to mean something itself.
  assert.equal(meaningOf(GLOBAL_KEYS, 'g'), undefined)
})

test('a key means something at once, begins something, or nothing; what was begun ends with the next', () => {
  const all = [GLOBAL_KEYS, LINE_KEYS]
  assert.deepEqual(follow(all, '', 't'), { table: GLOBAL_KEYS, does: 'time' })
  assert.deepEqual(follow(all, '', 'p'), { table: LINE_KEYS, does: 'pause' })
  assert.deepEqual(follow(all, '', 'g'), { begun: 'g' })
  assert.deepEqual(follow(all, 'g', 'a'), { table: GLOBAL_KEYS, does: '/alerts' })
  assert.equal(follow(all, 'g', 'p'), undefined)
  assert.equal(follow([GLOBAL_KEYS], '', 'p'), undefined)
  assert.equal(meaningOf(ROW_KEYS, 'j'), 'next')
})

test('keys read as they are written on keyboards', () => {
  assert.deepEqual(strokesOf('g e'), [['g'], ['e']])
  assert.deepEqual(strokesOf('Mod-Enter'), [['Ctrl', 'Enter']])
  assert.deepEqual(strokesOf(' '), [['Space']])
  assert.deepEqual(strokesOf('-'), [['-']])
  assert.deepEqual(strokesOf('ArrowUp'), [['↑']])
})
