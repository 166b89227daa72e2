/** What switches.sh gives to the template: the limits of connections by the limit of open files, and who is asked for names. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'sightline-switches-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function say(script: string, env: Record<string, string>, ...args: string[]): string {
  const all = ['-c', script, join(import.meta.dirname, 'switches.sh'), ...args]
  return execFileSync('/bin/sh', all, { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } })
}

function limits(files: string, env: Record<string, string> = {}): [worker: number, client: number] {
  const script = 'ulimit -n "$1"; . "$0"; echo "$GATEWAY_WORKER_CONNECTIONS $GATEWAY_MAX_CONNECTIONS"'
  const [worker, client] = say(script, env, files).split(' ').map(Number)
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

test('names of services are looked up once, or again and again by the first name server there is', () => {
  const script = '. "$0"; printf %s "$GATEWAY_RESOLVER|$GATEWAY_RESOLVE"'
  assert.equal(say(script, {}), '|')
  const of = (servers: string): string => {
    const RESOLV_CONF = join(folder, 'resolv.conf')
    writeFileSync(RESOLV_CONF, servers)
    return say(script, { GATEWAY_LOOK_UP: 'always', RESOLV_CONF })
  }
  const docker = '# made by Docker\nnameserver 127.0.0.11\noptions edns0 ndots:0\n'
  assert.equal(of(docker), 'resolver 127.0.0.11 valid=1s;| resolve')
  assert.equal(of('search a\nnameserver fd00::1\nnameserver 10.0.0.2\n'), 'resolver [fd00::1] valid=1s;| resolve')
})
