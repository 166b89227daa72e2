import assert from 'node:assert/strict'
import { test } from 'node:test'
import { httpError, text } from '../http.ts'
import { QueryError } from './language/errors.ts'
import { createRouter } from './routes.ts'

const route = createRouter(
  {
    '/plain': (context: string) => text(200, context),
    '/of/{name}/values': (_, __, name) => text(200, name),
    '/query': () => {
      throw new QueryError('limit', 'too much')
    },
    '/refused': () => {
      throw httpError(409, 'not now', { 'retry-after': '1' })
    },
    '/broken': () => {
      throw new TypeError('a bug')
    },
  },
  'context',
  { methods: ['GET'], refused: { '/absent': 'it is elsewhere' } },
)
const ask = async (path: string, method = 'GET') => {
  const { status, body, headers } = await route({ method, path, query: new URLSearchParams(), headers: {} })
  return { status, body, headers }
}

test('a path leads to its route, a part of it decoded', async () => {
  assert.equal((await ask('/plain')).body, 'context')
  assert.equal((await ask('/of/a%2Fb/values')).body, 'a/b')
  for (const path of ['/of//values', '/of/a/b/values', '/of/a', '/plain/', '/constructor']) {
    assert.equal((await ask(path)).status, 404, path)
  }
  assert.equal((await ask('/of/{name}/values')).body, '{name}')
  const { status, headers } = await ask('/plain', 'POST')
  assert.deepEqual([status, headers.allow], [405, 'GET'])
})

test('what is refused by name says why, with all below it', async () => {
  for (const path of ['/absent', '/absent/a/b']) {
    const { status, body } = await ask(path, 'POST')
    assert.deepEqual([status, body], [404, '404 page not found: it is elsewhere.\n'])
  }
  for (const path of ['/absently', '/constructor']) assert.equal((await ask(path)).body, '404 page not found\n')
})

test("the client's faults are answered, all others thrown on", async () => {
  const query = await ask('/query')
  assert.deepEqual([query.status, query.body], [400, 'too much\n'])
  const refused = await ask('/refused')
  assert.deepEqual([refused.status, refused.body, refused.headers['retry-after']], [409, 'not now\n', '1'])
  assert.equal((await ask('/of/%/values')).status, 400)
  await assert.rejects(ask('/broken'), TypeError)
})
