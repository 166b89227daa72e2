import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { buildConsole } from './build.ts'

const LIMIT = 300 * 1024

test('the console builds, into no more than 300 KB to download in all, and nothing inline', async () => {
  const { dist } = await buildConsole()
  const files = globSync('**/*.{js,css,html,svg}', { cwd: dist })
  const sizes = files.map((file) => [file, gzipSync(readFileSync(join(dist, file))).length] as const)
  const total = sizes.reduce((sum, [, size]) => sum + size, 0)
  assert.ok(total <= LIMIT, `${total} bytes: ${JSON.stringify(sizes)}`)
  const page = readFileSync(join(dist, 'index.html'), 'utf8')
  assert.doesNotMatch(page, /<style|<script(?![^>]*\bsrc=)|\son\w+=/)
})

test('a second build has nothing to do', async () => {
  await buildConsole()
  assert.equal((await buildConsole()).built, false)
})

test('two builds at once leave one whole folder', async (t) => {
  const builds = mkdtempSync(join(tmpdir(), 'sightline-console-'))
  t.after(() => rmSync(builds, { recursive: true }))
  const [one, other] = await Promise.all([buildConsole(builds), buildConsole(builds)])
  assert.deepEqual(readdirSync(builds), [basename(one.dist)])
  assert.equal(other.dist, one.dist)
  assert.deepEqual(
    readdirSync(one.dist, { recursive: true }).sort(),
    readdirSync((await buildConsole()).dist, { recursive: true }).sort(),
  )
})
