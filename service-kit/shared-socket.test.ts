import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { bindSocket } from './shared-socket.ts'

/** A process that listens on what it is handed, and answers with its name. */
const PROGRAM = `
  import { listenOnHanded } from './listen.ts'
  await listenOnHanded((_, response) => response.end(process.argv[1]))
  process.send('ready')`

async function startListener(name: string, fd: number) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, name], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'ignore', 'inherit', fd, 'ipc'],
  })
  assert.deepEqual(await once(child, 'message'), ['ready', undefined])
  return child
}

test('what waits for a process that ends is answered by its successor', async () => {
  const socket = bindSocket('127.0.0.1', 0)
  const first = await startListener('first', socket.fd)
  first.kill('SIGSTOP')
  const client = connect(socket.port, '127.0.0.1')
  await once(client, 'connect')
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  first.kill('SIGKILL')
  await once(first, 'exit')
  const second = await startListener('second', socket.fd)
  try {
    const answer = (await client.setEncoding('utf8').toArray()).join('')
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*second/s)
  } finally {
    socket.close()
    second.kill('SIGKILL')
    await once(second, 'exit')
  }
  await assert.rejects(once(connect(socket.port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
})

test('a port that another process has is named', async () => {
  const socket = bindSocket('127.0.0.1', 0)
  const listener = await startListener('one', socket.fd)
  try {
    assert.throws(() => bindSocket('127.0.0.1', socket.port), {
      message: `can't bind 127.0.0.1:${socket.port}: another process has this port`,
    })
  } finally {
    listener.kill('SIGKILL')
    await once(listener, 'exit')
    socket.close()
  }
})
