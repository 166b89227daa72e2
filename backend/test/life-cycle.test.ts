/**
 * How the backend starts, fails to start and stops: as a process, with what it leaves on disk and tells its clients.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { WebSocket } from 'ws'
import { openFolder } from '../store/folder.ts'
import { launchBackend, PORTS, post, startBackend, type TestBackend } from './backend.ts'
import { traceBytes } from './otlp.ts'

/** Local mode kills the backend after 15 s. */
const STOP_WITHIN_MS = 12_000

const folders: string[] = []
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'life-cycle-'))
  folders.push(dir)
  return dir
}

/** What SQLite and half-written blocks leave of a process that ended in the middle; nobody has the folder any more. */
function assertLeftInOrder(dir: string): void {
  const left = readdirSync(dir, { recursive: true }).filter((name) => /-(wal|shm|journal)$|\.tmp$/.test(String(name)))
  assert.deepEqual(left, [])
  openFolder(dir).release()
}

async function hasTrace(backend: TestBackend, id: string): Promise<boolean> {
  const response = await fetch(`${backend.tempo}/api/traces/${id}`)
  await response.arrayBuffer()
  return response.status === 200
}

describe('a port that is in use', { concurrency: false }, () => {
  const dir = newFolder()
  before(async () => {
    // What a crash leaves: a log that was not closed, with something in it.
    const crashed = await startBackend(dir)
    assert.equal((await post(`${crashed.otlp}/v1/traces`, traceBytes([{ trace: 'a1', id: '1' }]))).status, 200)
    await crashed.stop('SIGKILL')
    assert.ok(readdirSync(dir).includes('wal.db-wal'))
  })

  for (const variable of PORTS) {
    test(`${variable}: its number and variable are told, and all that was opened is closed`, async () => {
      const holder = createServer().listen(0, '127.0.0.1')
      await once(holder, 'listening')
      try {
        const { port } = holder.address() as { port: number }
        const { ended, output } = await launchBackend(dir, { [variable]: String(port) })
        assert.equal(await ended, 1)
        const lines = output().trim().split('\n')
        assert.equal(lines.length, 1, output())
        const { level, message } = JSON.parse(lines[0]!) as Record<string, string>
        const expected = `Port ${port} is in use. Stop what holds it, or choose another by ${variable}.`
        assert.deepEqual([level, message], ['error', expected])
      } finally {
        holder.close()
      }
      assertLeftInOrder(dir)
    })
  }

  test('once it is free, everything that was accepted is there', async () => {
    const backend = await startBackend(dir)
    assert.ok(await hasTrace(backend, 'a1'))
    await backend.stop()
    assertLeftInOrder(dir)
  })
})

/** A batch of one span, sent up to the middle of its body; `rest` sends what is missing and resolves to the status. */
async function halfSent(backend: TestBackend, trace: string) {
  const body = traceBytes([{ trace, id: '1' }])
  const headers = {
    'content-type': 'application/x-protobuf',
    'content-length': body.length,
    // The server's "go on" tells that it has the request.
    expect: '100-continue',
  }
  const sending = request(`${backend.otlp}/v1/traces`, { method: 'POST', headers })
  const answered = once(sending, 'response').then(([response]) => {
    response.resume()
    return (response as { statusCode: number }).statusCode
  })
  sending.flushHeaders()
  await once(sending, 'continue')
  sending.write(body.subarray(0, body.length / 2))
  return {
    answered,
    rest() {
      sending.end(body.subarray(body.length / 2))
      return answered
    },
  }
}

async function refused(url: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const refused = await once(socket, 'connect').then(
    () => false,
    () => true,
  )
  socket.destroy()
  return refused
}

describe('SIGTERM', { concurrency: false }, () => {
  test('a batch that is being sent is taken, answered and kept', async () => {
    const dir = newFolder()
    const backend = await startBackend(dir)
    const batch = await halfSent(backend, 'b1')
    const stopped = backend.stop()
    await until('the port closes', 20, () => refused(backend.otlp))
    assert.equal(await batch.rest(), 200)
    await stopped
    assert.equal(backend.process.exitCode, 0)
    assertLeftInOrder(dir)
    const again = await startBackend(dir)
    assert.ok(await hasTrace(again, 'b1'))
    await again.stop()
  })

  test('clients that stay and a request that never ends hold it up no longer than allowed', async () => {
    const dir = newFolder()
    const backend = await startBackend(dir)
    const tail = new WebSocket(`${backend.loki.replace('http', 'ws')}/loki/api/v1/tail?query={a="b"}`)
    await once(tail, 'open')
    const tailEnded = once(tail, 'close')
    const idle = connect(Number(new URL(backend.tempo).port), '127.0.0.1')
    await once(idle, 'connect')
    const endless = await halfSent(backend, 'c1')
    const cut = assert.rejects(endless.answered, /socket hang up|ECONNRESET/)
    const began = performance.now()
    await backend.stop()
    assert.ok(performance.now() - began < STOP_WITHIN_MS)
    assert.equal(backend.process.exitCode, 0)
    await Promise.all([cut, tailEnded])
    idle.destroy()
    assertLeftInOrder(dir)
  })
})
