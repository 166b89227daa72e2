import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { blockPath, writeBlock } from './block-file.ts'

test('a file that was given up half-way does not stay', () => {
  const dir = mkdtempSync(join(tmpdir(), 'block-'))
  const header = { rows: 1, groups: 1, minNs: '0', maxNs: '0', sealedMs: 0, epoch: 'e', walMax: 0, replaces: [] }
  const sections = new Map([['whole', Buffer.from('x')]])
  Object.defineProperty(sections, Symbol.iterator, {
    *value() {
      yield ['whole', Buffer.from('x')]
      throw new Error('no space left')
    },
  })
  assert.throws(() => writeBlock(blockPath(dir, 'spans', 1), header, sections), /no space left/)
  assert.deepEqual(readdirSync(dir), [])
  rmSync(dir, { recursive: true })
})
