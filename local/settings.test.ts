import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { readSettings, root } from './settings.ts'

test('defaults come from env/local.env, the environment wins, the caller wins over both', () => {
  const plain = readSettings({ env: {} })
  assert.equal(plain.ports.GATEWAY_PORT, 8080)
  assert.equal(plain.home, resolve(root, '.sightline'))
  const set = readSettings({ env: { GATEWAY_PORT: '9000', SIGHTLINE_HOME: '/var/x', TEMPO_PORT: '' } })
  assert.deepEqual([set.ports.GATEWAY_PORT, set.ports.TEMPO_PORT, set.home], [9000, 3200, '/var/x'])
  assert.deepEqual([set.env.GATEWAY_PORT, set.env.SIGHTLINE_HOME], ['9000', '/var/x'])
  assert.equal(readSettings({ env: { GATEWAY_PORT: '9000' }, ports: { GATEWAY_PORT: 9001 } }).ports.GATEWAY_PORT, 9001)
})

test('a port that is none, two that are one, a folder no configuration file could name and a host that is none are refused by name', () => {
  assert.throws(() => readSettings({ env: { LOKI_PORT: 'abc' } }), /LOKI_PORT=abc is no port/)
  assert.throws(() => readSettings({ env: { LOKI_PORT: '70000' } }), /LOKI_PORT=70000/)
  assert.throws(
    () => readSettings({ env: { LOKI_PORT: '3200' } }),
    /LOKI_PORT and TEMPO_PORT are both 3200|TEMPO_PORT and LOKI_PORT/,
  )
  assert.throws(() => readSettings({ env: { SIGHTLINE_HOME: '/tmp/a"b' } }), /SIGHTLINE_HOME/)
  assert.throws(
    () => readSettings({ env: { SIGHTLINE_ALLOWED_HOSTS: 'a:80' } }),
    /SIGHTLINE_ALLOWED_HOSTS: a:80 is no host/,
  )
})
