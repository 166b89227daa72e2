/** What a service's process is like before its first line. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { COMPILED } from './test/process.ts'

/** Instrumentations leave the original with the function that is in its place. */
const PROGRAM = `
import { trace } from '@opentelemetry/api'
import Koa from 'koa'
import pg from 'pg'
import { hasSubscribers } from 'node:diagnostics_channel'
const patched = { koa: Koa.prototype.use, pg: pg.Client.prototype.query }
const names = Object.keys(patched).filter((name) => '__original' in patched[name])
if (hasSubscribers('undici:request:create')) names.push('undici')
const recording = trace.getTracer('test').startSpan('work').isRecording()
console.log(JSON.stringify({ patched: names, recording }))
`

async function processWith(env: Record<string, string>): Promise<{ patched: string[]; recording: boolean }> {
  const args = ['--import', '@sightline/service-kit/register', '--input-type=module', '--eval', PROGRAM]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: import.meta.dirname,
    env: { PATH: process.env.PATH, ...COMPILED, OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none', ...env },
  })
  return JSON.parse(stdout)
}

test('Koa, pg and undici are instrumented before the service loads them; with OTEL_SDK_DISABLED nothing is', async () => {
  const { patched, recording } = await processWith({})
  assert.deepEqual([patched.sort(), recording], [['koa', 'pg', 'undici'], true])
  assert.deepEqual(await processWith({ OTEL_SDK_DISABLED: 'true' }), { patched: [], recording: false })
})

test('a file of settings that says what nobody knows ends the process: it says where, and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-register-'))
  const file = join(folder, 'otel.yaml')
  writeFileSync(file, 'file_format: "1.0"\ntracer_provder: {}\n')
  try {
    const failure = await processWith({ OTEL_CONFIG_FILE: file }).then(
      () => assert.fail('it went on'),
      (error: { code: number; stdout: string; stderr: string }) => error,
    )
    const told = `OTEL_CONFIG_FILE=${file} can't be obeyed:\n  line 2, tracer_provder is unknown; known are `
    assert.deepEqual([failure.code, failure.stdout, failure.stderr.slice(0, told.length)], [1, '', told])
    assert.equal(failure.stderr.trim().split('\n').length, 2)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
