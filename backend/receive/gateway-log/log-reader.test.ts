import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LogReader } from './log-reader.ts'

test('a file is known again by the beginning of its first line, however long that is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'log-reader-'))
  const path = join(folder, 'access.log')
  for (const length of [1, 4095, 4096, 4097, 17_000, 300_000]) {
    writeFileSync(path, `${'a'.repeat(length)}\nsecond\n`)
    const first = new LogReader(path)
    first.seek([null])
    const last = [1, 2, 3].flatMap(() => first.read(0)).at(-1)!
    assert.equal(last.text, 'second')
    first.close()
    const again = new LogReader(path)
    again.seek([last.next])
    assert.deepEqual(again.read(0), [], `${length} characters`)
    again.close()
  }
  rmSync(folder, { recursive: true })
})
