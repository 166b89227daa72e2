import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeWhole } from './whole-file.ts'

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'whole-file-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return dir
}

test('a file is replaced in one step, by another file, and nothing lies beside it', (t) => {
  const dir = folder(t)
  const file = join(dir, 'file')
  writeFileSync(file, 'before', { mode: 0o644 })
  const before = statSync(file).ino
  writeWhole(file, 'after\n')
  assert.equal(readFileSync(file, 'utf8'), 'after\n')
  assert.notEqual(statSync(file).ino, before)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(dir), ['file'])
})

test('what can not be put in its place leaves all as it was', (t) => {
  const dir = folder(t)
  mkdirSync(join(dir, 'file/inner'), { recursive: true })
  assert.throws(() => writeWhole(join(dir, 'file'), 'text'), /EISDIR|ENOTEMPTY|EEXIST/)
  assert.deepEqual(readdirSync(dir), ['file'])
})
