import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { firstClosedFolder, giveFolder, plainUser } from './plain-user.ts'

const asRoot = { skip: process.getuid?.() !== 0 && 'only root can give a folder away' }
const user = { uid: 12_345, gid: 23_456 }

function folder(t: TestContext): string {
  const made = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'sightline-plain-user-')))
  t.after(() => fs.rmSync(made, { recursive: true }))
  return made
}

test('root hands over to the owner of the checkout, and to nobody where that is root or has no name', asRoot, (t) => {
  const checkout = folder(t)
  const nobody = { uid: 65534, gid: 65534 }
  assert.deepEqual(plainUser(checkout), nobody)
  // Every Linux and macOS has a user 1.
  fs.chownSync(checkout, 1, user.gid)
  assert.deepEqual(plainUser(checkout), { uid: 1, gid: user.gid })
  fs.chownSync(checkout, 1, 0)
  assert.deepEqual(plainUser(checkout), { uid: 1, gid: 65534 })
  fs.chownSync(checkout, user.uid, user.gid)
  assert.deepEqual(plainUser(checkout), nobody)
})

test('anybody else runs what it starts as itself', { skip: process.getuid?.() === 0 && 'this is root' }, () => {
  assert.equal(plainUser(), null)
})

test('a folder is closed to who may not pass it: as its owner, by its group, as anybody', asRoot, (t) => {
  const home = folder(t)
  fs.chmodSync(home, 0o755)
  const gate = path.join(home, 'gate')
  fs.mkdirSync(gate)
  const answers = (mode: number, uid: number, gid: number) => {
    fs.chownSync(gate, uid, gid)
    fs.chmodSync(gate, mode)
    return firstClosedFolder(path.join(gate, 'not/there/yet'), user)
  }
  assert.equal(answers(0o700, 0, 0), gate)
  assert.equal(answers(0o701, 0, 0), undefined)
  assert.equal(answers(0o710, 0, user.gid), undefined)
  assert.equal(answers(0o701, 0, user.gid), gate)
  assert.equal(answers(0o700, user.uid, 0), undefined)
  assert.equal(answers(0o077, user.uid, 0), gate)
})

test('a link is looked at from both ends', asRoot, (t) => {
  const home = folder(t)
  fs.chmodSync(home, 0o755)
  for (const name of ['open', 'closed', 'closed/inner']) fs.mkdirSync(path.join(home, name))
  fs.chmodSync(path.join(home, 'closed'), 0o700)
  fs.symlinkSync('../closed/inner', path.join(home, 'open/link'))
  fs.symlinkSync('../open', path.join(home, 'closed/link'))
  for (const target of ['open/link/file', 'closed/link/file'])
    assert.equal(firstClosedFolder(path.join(home, target), user), path.join(home, 'closed'))
  assert.equal(firstClosedFolder(path.join(home, 'open/file'), user), undefined)
})

test('a folder is given away with all in it, and nothing beyond it', asRoot, (t) => {
  const home = folder(t)
  const inside = path.join(home, 'inside')
  fs.mkdirSync(path.join(inside, 'deep'), { recursive: true })
  for (const file of ['outside', 'inside/deep/file', 'second-name']) fs.writeFileSync(path.join(home, file), '')
  fs.symlinkSync('../../outside', path.join(inside, 'deep/link'))
  fs.symlinkSync('..', path.join(inside, 'up'))
  fs.linkSync(path.join(home, 'second-name'), path.join(inside, 'linked'))
  giveFolder(inside, user)
  const owner = (name: string) => fs.lstatSync(path.join(home, name)).uid
  for (const name of ['inside', 'inside/deep', 'inside/deep/file', 'inside/deep/link', 'inside/up'])
    assert.equal(owner(name), user.uid, name)
  for (const name of ['', 'outside', 'second-name']) assert.equal(owner(name), 0, name)
  // What it is given as must be the folder, not a link to one.
  assert.throws(() => giveFolder(path.join(inside, 'up'), user), /ENOTDIR|ELOOP/)
})
