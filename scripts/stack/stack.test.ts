import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { root } from '@sightline/local/settings'
import { forgetSecrets, parseEnv, readOrMakeSecrets, secretNames } from './secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-stack-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** `npm run stack:COMMAND` where `docker` on PATH is a shell script with this body. */
function stack(command: string, docker: string | null): { status: number | null; output: string } {
  const bin = mkdtempSync(join(folder, 'bin-'))
  if (docker !== null) {
    writeFileSync(join(bin, 'docker'), `#!/bin/sh\n${docker}\n`)
    chmodSync(join(bin, 'docker'), 0o755)
  }
  const run = spawnSync(process.execPath, [join(root, 'scripts/stack.ts'), command], {
    encoding: 'utf8',
    env: { PATH: docker === null ? bin : `${bin}:/usr/bin:/bin` },
  })
  return { status: run.status, output: run.stdout + run.stderr }
}

test('without Docker, without Compose, with an old one and without a daemon: each is said, with the next step', () => {
  const cases: [string | null, RegExp][] = [
    [null, /Docker was not found[\s\S]*npm start/],
    ['exit 1', /its Compose plugin is not/],
    ['echo 2.17.3', /2\.17 is too old/],
    [
      '[ "$1" = compose ] && echo 5.1.0 && exit 0; echo "Cannot connect to the daemon" >&2; exit 1',
      /Cannot connect to the daemon[\s\S]*docker info/,
    ],
  ]
  for (const [docker, message] of cases) {
    const { status, output } = stack('logs', docker)
    assert.equal(status, 1)
    assert.match(output, message)
    assert.doesNotMatch(output, /at .*\.ts:\d+/, 'a message, not a stack')
  }
})

test('an unknown command says which there are', () => {
  assert.match(stack('start', null).output, /stack:up \| stack:down/)
})

test('passwords are made once, are hard to guess, are for the owner only, and leave other settings alone', () => {
  const file = join(folder, '.env')
  writeFileSync(file, 'GATEWAY_PORT=9000\n')
  const made = readOrMakeSecrets(file)
  for (const name of secretNames) assert.match(made[name]!, /^[0-9a-f]{36}$/, name)
  assert.equal(new Set(secretNames.map((name) => made[name])).size, secretNames.length)
  assert.equal(made.GATEWAY_PORT, '9000')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(readOrMakeSecrets(file), made)
  assert.deepEqual(parseEnv(readFileSync(file, 'utf8')), made)

  forgetSecrets(file)
  assert.deepEqual(parseEnv(readFileSync(file, 'utf8')), { GATEWAY_PORT: '9000' })
  const empty = join(folder, 'only-secrets')
  readOrMakeSecrets(empty)
  forgetSecrets(empty)
  assert.equal(existsSync(empty), false)
})

test('the file with the passwords is ignored by git and stays out of images', () => {
  assert.match(readFileSync(join(root, '.gitignore'), 'utf8'), /^\.env$/m)
  const patterns = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n')
  assert.ok(
    patterns.includes('*') && !patterns.some((pattern) => /^!.*\.env/.test(pattern) && !pattern.startsWith('!env/')),
  )
})
