import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

test('a flag that a command does not know is named, and nothing is done', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-flags-'))
  t.after(() => rmSync(home, { recursive: true }))
  mkdirSync(join(home, 'run'))
  for (const command of ['reset', 'start', 'drill', 'audit']) {
    const env = { ...process.env, SIGHTLINE_HOME: home }
    const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, `${command}.ts`), '--dry-run'], {
      env,
      encoding: 'utf8',
    })
    assert.equal(status, 2, stderr)
    assert.match(stderr, /^Unknown option '--dry-run'.*\nUsage: npm /)
  }
  assert.ok(existsSync(join(home, 'run')))
})

test('--help says how a command is used, does nothing, and is no error', () => {
  const commands = readdirSync(import.meta.dirname).filter((name) => /^(?!.*\.test\.ts$).*\.ts$/.test(name))
  assert.ok(commands.length >= 12)
  const ask = (command: string, args: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, command), ...args, '--help'], { encoding: 'utf8' })
  for (const command of commands) {
    const uses = command === 'audit-chain.ts' ? ['verify', 'checkpoint', 'keys', 'replay'] : ['']
    for (const use of uses) {
      const { status, stdout, stderr } = ask(command, use ? [use] : [])
      assert.equal(status, 0, `${command} ${use}: ${stderr}`)
      assert.match(stdout, /^(Usage: (npm|node) |Use: )/, `${command} ${use}`)
    }
  }
})

test('reset removes a state folder, and nothing that holds anything else', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-reset-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const reset = () => {
    const env = { ...process.env, SIGHTLINE_HOME: home }
    return spawnSync(process.execPath, [join(import.meta.dirname, 'reset.ts')], { env, encoding: 'utf8' })
  }
  for (const name of ['run', 'logs', 'my photos']) mkdirSync(join(home, name))
  const refused = reset()
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /also holds my photos/)
  assert.ok(existsSync(join(home, 'run')))
  rmSync(join(home, 'my photos'), { recursive: true })
  assert.equal(reset().status, 0)
  assert.equal(existsSync(home), false)
})
