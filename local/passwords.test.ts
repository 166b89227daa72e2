import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readOrMakePasswords } from './passwords.ts'

test('passwords are made once, for the owner only; a role that came later gets its own', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-passwords-'))
  t.after(() => rmSync(home, { recursive: true }))
  const path = join(home, 'passwords.json')
  const made = readOrMakePasswords(home)
  assert.equal(new Set(Object.values(made)).size, 5)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readOrMakePasswords(home), made)

  const { dashboards, ...older } = made
  writeFileSync(path, JSON.stringify(older))
  const { dashboards: own, ...kept } = readOrMakePasswords(home)
  assert.deepEqual(kept, older)
  assert.ok(own.length > 20 && own !== dashboards)
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { ...older, dashboards: own })
})

test('a file that a power cut has emptied is made anew as long as no database knows what stood in it', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-passwords-'))
  t.after(() => rmSync(home, { recursive: true }))
  const path = join(home, 'passwords.json')
  writeFileSync(path, '')
  assert.equal(new Set(Object.values(readOrMakePasswords(home))).size, 5)
  mkdirSync(join(home, 'postgres'))
  writeFileSync(path, '')
  assert.throws(() => readOrMakePasswords(home), /passwords\.json is damaged\. Restore it, or start empty/)
})

test('a damaged file is refused, and stays', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-passwords-'))
  t.after(() => rmSync(home, { recursive: true }))
  for (const text of ['{"sightline": "a', '{}', 'null', '{"sightline": 1}', '{"sightline": "a", "dashboards": 1}']) {
    writeFileSync(join(home, 'passwords.json'), text)
    assert.throws(() => readOrMakePasswords(home), /passwords\.json is damaged\. Restore it, or start empty/)
    assert.equal(readFileSync(join(home, 'passwords.json'), 'utf8'), text)
  }
})
