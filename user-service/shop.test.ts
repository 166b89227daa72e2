import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Answer, ProblemError, Routes } from '@sightline/service-kit'
import { addShop } from './shop.ts'

test('the files of the page are read when they are asked for, and a page that is not built yet is a 503', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-shop-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const handlers = new Map<string, () => Promise<Answer> | Answer>()
  const routes: Routes = { add: ({ path }, handler) => handlers.set(path, handler as never) }
  addShop(routes, folder)
  const ask = async (path: string) => handlers.get(path)!()
  await assert.rejects(
    ask('/shop'),
    ({ details }: ProblemError) => details.kind === 'page-not-built' && details.status === 503,
  )
  for (const [path, file, type] of [
    ['/shop', 'index.html', 'text/html'],
    ['/shop/shop.css', 'shop.css', 'text/css'],
    ['/shop/shop.js', 'shop.js', 'text/javascript'],
  ] as const) {
    writeFileSync(join(folder, file), `the ${file}`)
    const { status, body, headers } = await ask(path)
    assert.deepEqual(
      [status, String(body), headers],
      [200, `the ${file}`, { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-cache' }],
    )
  }
  assert.equal(handlers.size, 3)
})
