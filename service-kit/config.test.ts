import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { allowedHosts } from './allowed-hosts.ts'
import { readConfig, serviceEnvironment, withFiles } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-config-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const least = { PORT: '5001', PGUSER: 'u', PGPASSWORD: 'p' }

test('three variables are enough; numbers and switches come typed', () => {
  const config = readConfig(serviceEnvironment, least)
  assert.deepEqual(config, {
    HOST: '127.0.0.1',
    PORT: 5001,
    LISTEN_FDS: 0,
    PGHOST: '127.0.0.1',
    PGPORT: 5432,
    PGDATABASE: 'sightline',
    PGUSER: 'u',
    PGPASSWORD: 'p',
    DB_POOL_MAX: 10,
    DB_ACQUIRE_TIMEOUT_MS: 2_000,
    DB_STATEMENT_TIMEOUT_MS: 5_000,
    LOG_LEVEL: 'info',
    LOG_FORMAT: 'auto',
    SIGHTLINE_ALLOWED_HOSTS: allowedHosts(),
    SIGHTLINE_PII: 'mask',
    SIGHTLINE_INSTRUMENTATION: 'own',
    SIGHTLINE_STATEMENT_CONTEXT: 'carry',
    REQUEST_BUDGET_MS: 10_000,
    HOP_TIMEOUT_MS: 8_000,
    SHED_DELAY_MS: 1_000,
  })
  const set = readConfig(serviceEnvironment, { ...least, LISTEN_FDS: '1', DB_POOL_MAX: '3', SHED_DELAY_MS: '0' })
  assert.deepEqual([set.LISTEN_FDS, set.DB_POOL_MAX, set.SHED_DELAY_MS], [1, 3, 0])
})

test('a host that could never fit is named, with what to write', () => {
  const wrong = { ...least, SIGHTLINE_ALLOWED_HOSTS: 'shop.example,https://x' }
  assert.throws(
    () => readConfig(serviceEnvironment, wrong),
    /SIGHTLINE_ALLOWED_HOSTS: https:\/\/x is no host; write names/,
  )
})

test('an optional variable that is set to nothing counts as not set', () => {
  const config = readConfig(serviceEnvironment, { ...least, NEXT_SERVICE_URL: '', NEXT_SERVICE_NAME: '', LOG_DIR: '' })
  assert.deepEqual(
    [config.NEXT_SERVICE_URL, config.NEXT_SERVICE_NAME, config.LOG_DIR],
    [undefined, undefined, undefined],
  )
})

test('every bad variable is named at once, and none with its value', () => {
  const bad = {
    PORT: '70000',
    PGPASSWORD: 'hunter2',
    NEXT_SERVICE_URL: 'ftp://secret-host',
    DB_POOL_MAX: '0',
    LOG_LEVEL: 'loud',
    SIGHTLINE_PII: 'yes',
    SIGHTLINE_INSTRUMENTATION: 'lean',
    SIGHTLINE_STATEMENT_CONTEXT: 'no',
    REQUEST_BUDGET_MS: '99',
  }
  assert.throws(
    () => readConfig(serviceEnvironment, bad),
    ({ message }: Error) => {
      const named = [...message.matchAll(/^ {2}(\w+): .+$/gm)].map(([, name]) => name)
      assert.deepEqual(named.toSorted(), [
        'DB_POOL_MAX',
        'LOG_LEVEL',
        'NEXT_SERVICE_URL',
        'PGUSER',
        'PORT',
        'REQUEST_BUDGET_MS',
        'SIGHTLINE_INSTRUMENTATION',
        'SIGHTLINE_PII',
        'SIGHTLINE_STATEMENT_CONTEXT',
      ])
      assert.doesNotMatch(message, /hunter2|secret-host|70000|loud/)
      return true
    },
  )
})

test('a service adds variables of its own', () => {
  const schema = serviceEnvironment.extend({ RELAY_MS: z.coerce.number().int().min(1) })
  assert.equal(readConfig(schema, { ...least, RELAY_MS: '250' }).RELAY_MS, 250)
  assert.throws(() => readConfig(schema, least), /^Error: The environment is not complete:\n {2}RELAY_MS: /)
})

test('a secret may come as a file, with or without an end of line, and its own blanks stay', () => {
  const file = join(folder, 'password')
  const { PGPASSWORD, ...rest } = least
  for (const [text, password] of [
    ['from a file', 'from a file'],
    ['from a file\n', 'from a file'],
    ['from a file\r\n', 'from a file'],
    [' blank \n\n', ' blank \n'],
  ] as const) {
    writeFileSync(file, text)
    assert.equal(readConfig(serviceEnvironment, { ...rest, PGPASSWORD_FILE: file }).PGPASSWORD, password)
  }
  assert.equal(readConfig(serviceEnvironment, { ...least, PGPASSWORD_FILE: '' }).PGPASSWORD, PGPASSWORD)
  assert.equal(withFiles({ OTHER_FILE: file }, ['PGPASSWORD']).OTHER, undefined, 'only what is asked for is read')
})

test('a secret given twice, and a file that is not there, are refused by the name of the variable', () => {
  const file = join(folder, 'twice')
  writeFileSync(file, 'hunter2')
  const refusal = (env: NodeJS.ProcessEnv) => {
    try {
      readConfig(serviceEnvironment, env)
    } catch (error) {
      return (error as Error).message
    }
    return 'accepted'
  }
  assert.match(refusal({ ...least, PGPASSWORD_FILE: file }), /^PGPASSWORD and PGPASSWORD_FILE are both set: leave one/)
  const { PGPASSWORD: _, ...rest } = least
  const missing = join(folder, 'missing')
  assert.match(refusal({ ...rest, PGPASSWORD_FILE: missing }), /^PGPASSWORD_FILE=.*missing can't be read: ENOENT/)
})
