/** The limits of connections by the limit of open files, as switches.sh gives them to the template. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

function limits(files: string, env: Record<string, string> = {}): [worker: number, client: number] {
  const script = 'ulimit -n "$1"; . "$0"; echo "$GATEWAY_WORKER_CONNECTIONS $GATEWAY_MAX_CONNECTIONS"'
  const args = ['-c', script, join(import.meta.dirname, 'switches.sh'), files]
  const text = execFileSync('/bin/sh', args, { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } })
  const [worker, client] = text.split(' ').map(Number)
  return [worker!, client!]
}

test('a worker has as many connections as files can be open, and where those are few, one client a quarter of them', () => {
  assert.deepEqual(limits('8192'), [4096, 1000])
  assert.deepEqual(limits('4160'), [4096, 1000])
  assert.deepEqual(limits('4159'), [4095, 1000])
  assert.deepEqual(limits('512'), [448, 112])
  assert.deepEqual(limits('512', { GATEWAY_MAX_CONNECTIONS: '100' }), [448, 100])
  assert.deepEqual(limits('8192', { GATEWAY_MAX_CONNECTIONS: '9000' }), [4096, 9000])
})
