import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { holderOf } from './port-holder.ts'
import { assertPortsFree, freePorts } from './ports.ts'

test('free ports pass', async () => {
  await assertPortsFree(await freePorts())
})

test('no port is given twice, though nobody listens on it yet', async () => {
  const ports: number[] = []
  for (let n = 0; n < 40; n++) ports.push(...Object.values(await freePorts()))
  assert.equal(new Set(ports).size, ports.length)
})

test('nor to two processes', async () => {
  const program = `import { freePorts } from ${JSON.stringify(import.meta.resolve('./ports.ts'))}
    const ports = []
    for (let n = 0; n < 40; n++) ports.push(...Object.values(await freePorts()))
    console.log(JSON.stringify(ports))
    process.stdin.resume()`
  const start = () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const both = [start(), start()]
  try {
    const given = await Promise.all(both.map(async ({ stdout }) => JSON.parse(String((await once(stdout, 'data'))[0]))))
    const ports = given.flat()
    assert.equal(new Set(ports).size, ports.length)
  } finally {
    for (const child of both) child.kill()
    await Promise.all(both.map((child) => once(child, 'exit')))
  }
})

test('every busy port is named with its variable and, on Linux, its holder', async () => {
  const ports = await freePorts()
  const mine = createServer().listen(ports.TEMPO_PORT, '127.0.0.1')
  await once(mine, 'listening')
  // On all addresses: as a service of the system would be.
  const program = `require('net').createServer().listen(${ports.GATEWAY_PORT}, () => console.log('listening'))`
  const other = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(other.stdout, 'data')
    await assert.rejects(assertPortsFree(ports), (error: Error) => {
      assert.equal(error.name, 'StartError')
      assert.match(error.message, new RegExp(`GATEWAY_PORT=${ports.GATEWAY_PORT} is in use`))
      assert.match(error.message, new RegExp(`TEMPO_PORT=${ports.TEMPO_PORT} is in use`))
      assert.match(error.message, /GATEWAY_PORT=\d+ npm start/)
      if (process.platform === 'linux') assert.match(error.message, new RegExp(`by .*node.*\\(process ${other.pid}\\)`))
      return true
    })
    if (process.platform === 'linux') assert.equal((await holderOf(ports.TEMPO_PORT))!.pid, process.pid)
  } finally {
    mine.close()
    other.kill()
    await once(other, 'exit')
  }
})
