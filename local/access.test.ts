import assert from 'node:assert/strict'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { plainUser } from '@sightline/db/plain-user'
import { closeToOthers, handOver, letPass, letRead } from './access.ts'
import { whoRunsParts } from './run-as.ts'
import { readSettings } from './settings.ts'

const asRoot = { skip: process.getuid?.() !== 0 && 'only root can give a folder away' }

function folder(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'sightline-access-'))
  t.after(() => rmSync(home, { recursive: true }))
  return home
}

function write(home: string, path: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true, mode: 0o755 })
  writeFileSync(join(home, path), '', { mode: 0o644 })
}

/** `0710 0:65534` */
function rights(path: string): string {
  const { mode, uid, gid } = lstatSync(path)
  return `${(mode & 0o7777).toString(8).padStart(4, '0')} ${uid}:${gid}`
}

test('a state folder of an earlier start as root is taken over: what parts write in, and no more', asRoot, (t) => {
  const home = folder(t)
  const outside = join(folder(t), 'outside')
  writeFileSync(outside, '')
  for (const path of ['telemetry/blocks/one', 'logs/gateway/access.log', 'logs/guard/output.log', 'passwords.json'])
    write(home, path)
  write(home, 'prometheus/config/targets/local.json')
  symlinkSync(outside, join(home, 'telemetry/blocks/link'))
  const user = plainUser()!
  const { uid, gid } = user
  // Twice, the second time as a start finds it that follows one as this user.
  for (let start = 0; start < 2; start++) {
    closeToOthers(home)
    letPass(home, user)
    const written = ['telemetry', 'logs/gateway', 'prometheus/data'].map((name) => join(home, name))
    handOver(home, written, user)
    letRead(join(home, 'prometheus/config'), user)
    for (const name of ['', 'logs', 'prometheus']) assert.equal(rights(join(home, name)), `0710 0:${gid}`, name)
    for (const path of written) assert.equal(rights(path), `0700 ${uid}:${gid}`)
    for (const name of ['telemetry/blocks/one', 'logs/gateway/access.log'])
      assert.equal(rights(join(home, name)), `0600 ${uid}:${gid}`)
    assert.equal(lstatSync(join(home, 'telemetry/blocks/link')).uid, uid)
    assert.equal(rights(join(home, 'prometheus/config/targets')), `0750 0:${gid}`)
    assert.equal(rights(join(home, 'prometheus/config/targets/local.json')), `0640 0:${gid}`)
    for (const name of ['passwords.json', 'logs/guard/output.log']) assert.equal(rights(join(home, name)), '0600 0:0')
  }
  assert.equal(lstatSync(outside).uid, 0)
})

test('what runs stays able to work while somebody else tries to start on the same folder', asRoot, (t) => {
  const home = folder(t)
  const user = plainUser()!
  handOver(home, [join(home, 'logs/gateway')], user)
  letPass(home, user)
  closeToOthers(home)
  for (const name of ['', 'logs']) assert.equal(rights(join(home, name)), `0710 0:${user.gid}`)
})

test('parts stay root, and it is said why, where another user could not come in or listen', asRoot, (t) => {
  const parent = folder(t)
  const asked = (home: string, ports = {}) => whoRunsParts(readSettings({ home, ports, env: {} }), [process.execPath])
  const home = join(parent, 'home')
  mkdirSync(home, { mode: 0o700 })
  chmodSync(parent, 0o700)
  const closed = asked(home)
  assert.equal(closed.user, null)
  assert.match(closed.asRoot!, new RegExp(`^${parent} is closed to uid \\d+ .*chmod o\\+x ${parent}`))
  assert.equal(rights(home), '0700 0:0')

  chmodSync(parent, 0o755)
  const low = asked(home, { GATEWAY_PORT: 80 })
  const open = asked(home)
  assert.deepEqual(open, { user: plainUser(), asRoot: null })
  assert.equal(rights(home), `0710 0:${plainUser()!.gid}`)
  // A container may let anybody listen there.
  if (low.asRoot !== null) assert.match(low.asRoot, /^GATEWAY_PORT=80 is for root alone/)
  else assert.deepEqual(low, open)

  // One that holds other things is not ours to open.
  write(home, 'holiday/photo')
  chmodSync(home, 0o700)
  assert.match(asked(home).asRoot!, new RegExp(`^${home} is closed to uid`))
})
