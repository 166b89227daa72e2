import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { buildConsole, SHOP } from './build.ts'
import { TEMPLATE } from './src/data/trace-file.ts'

const LIMIT = 300 * 1024
const SHOP_LIMIT = 30 * 1024

test('the console builds, into no more than 300 KB to download in all, and nothing inline', async () => {
  const { dist } = await buildConsole()
  assertSmall(dist, ['index.html', 'favicon.svg', 'assets/*'], LIMIT)
})

test('the page of the gateway is three files of 30 KB to download in all, and nothing inline', async () => {
  const { dist } = await buildConsole()
  assertSmall(join(dist, SHOP), ['**/*'], SHOP_LIMIT)
  assert.deepEqual(readdirSync(join(dist, SHOP)).sort(), ['index.html', 'shop.css', 'shop.js'])
})

function assertSmall(folder: string, patterns: string[], limit: number): void {
  const files = globSync(patterns, { cwd: folder })
  const sizes = files.map((file) => [file, gzipSync(readFileSync(join(folder, file))).length] as const)
  const total = sizes.reduce((sum, [, size]) => sum + size, 0)
  assert.ok(total <= limit, `${total} bytes: ${JSON.stringify(sizes)}`)
  assert.doesNotMatch(readFileSync(join(folder, 'index.html'), 'utf8'), /<style|<script(?![^>]*\bsrc=)|\son\w+=/)
}

test('a file with one trace weighs less than the pages, and a policy lets only its own script and style run', async () => {
  const { dist } = await buildConsole()
  const template = readFileSync(join(dist, TEMPLATE), 'utf8')
  const size = gzipSync(template).length
  assert.ok(size <= 60 * 1024, `${size} bytes`)
  const script = [...template.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, code]) => code!)
  const style = [...template.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, css]) => css!)
  assert.equal(script.length + style.length, 2)
  for (const text of [...script, ...style])
    assert.ok(template.includes(`'sha256-${createHash('sha256').update(text).digest('base64')}'`))
  assert.doesNotMatch(template, /\s(src|href)=|@import|url\(|\son\w+=/)
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
