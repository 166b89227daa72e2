import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { entryPackage } from './entry-package.ts'
import { known, stopTelemetry } from './start.ts'
import { telemetry } from './state.ts'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-entry-'))
after(() => fs.rmSync(folder, { recursive: true, force: true }))

test('a process is called after the package its program is in', () => {
  const program = path.join(folder, 'some-service', 'deep', 'main.ts')
  fs.mkdirSync(path.dirname(program), { recursive: true })
  assert.deepEqual(entryPackage(program), { name: 'unknown_service', version: '0.0.0' })
  const file = path.join(folder, 'some-service', 'package.json')
  fs.writeFileSync(file, '{"name": "@scope/some-service", "version": "1.2.3"}')
  assert.deepEqual(entryPackage(program), { name: 'some-service', version: '1.2.3' })
  fs.writeFileSync(file, '{}')
  assert.deepEqual(entryPackage(program), { name: 'unknown_service', version: '0.0.0' })
})

test('what a detector does not find, as a host’s id in a container, is no attribute to complain of', async () => {
  const attributes = { 'host.name': 'h', 'host.id': Promise.resolve(undefined), 'host.arch': Promise.resolve('amd64') }
  const { detect } = await known({ detect: () => ({ attributes }) })
  assert.deepEqual(detect(), { attributes: { 'host.name': 'h', 'host.arch': 'amd64' } })
})

test('the end of telemetry takes no longer than it may, and a failure of it is nobody else’s', async () => {
  const { shutdown } = telemetry
  try {
    telemetry.shutdown = () => new Promise(() => {})
    const started = performance.now()
    // A timer counts from where the event loop last looked at the clock.
    await stopTelemetry(60)
    const took = performance.now() - started
    assert.ok(took >= 25 && took < 10_000, `${took} ms`)
    telemetry.shutdown = () => Promise.reject(new Error('no'))
    await stopTelemetry(60_000)
  } finally {
    telemetry.shutdown = shutdown
  }
})
