/** Answers by key on a real database: two instances share it, as two processes of a service do. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster, type TestDatabase } from '@sightline/db/testing'
import log4js from 'log4js'
import type { Answer } from './http-server.ts'
import { createAnswerStore, type Idempotency } from './idempotency.ts'
import { createMetrics } from './metrics.ts'
import { until } from './poll.ts'
import { createDatabase, type Database } from './postgres.ts'
import { badGateway, ProblemError } from './problems.ts'
import { KIT_METRICS } from './test/catalogue.ts'

let cluster: TestCluster
let owner: TestDatabase
let database: Database
before(async () => {
  cluster = await startTestCluster()
  owner = await cluster.createDatabase()
  const metrics = createMetrics({ name: 'test', version: '1' }, KIT_METRICS)
  const logger = log4js.getLogger('test')
  const connection = owner.connection('order_service')
  database = createDatabase({ connection, applicationName: 'test', poolMax: 4, metrics, logger })
})
after(async () => {
  await database?.close()
  await owner?.drop()
  await cluster?.stop()
})

const store = (name = 'order-service') =>
  createAnswerStore({ database, service: { name }, logger: log4js.getLogger('test') })

/** Work that counts how often it was done and answers with the count. */
function counting() {
  const keys: Array<Idempotency | undefined> = []
  const work = async (idempotency: Idempotency | undefined): Promise<Answer> => {
    keys.push(idempotency)
    return { status: 201, body: { times: keys.length, text: 'Zoë\u2028' } }
  }
  return { keys, work }
}

const text = ({ body }: Answer) => (typeof body === 'string' ? body : JSON.stringify(body))
const stored = async () => (await owner.query<{ n: number }>('select count(*)::int as n from idempotent_answers'))[0]!.n

test('without a key the work is done each time and nothing is stored', async () => {
  const { work, keys } = counting()
  for (let i = 0; i < 2; i++) await store().once({}, { a: 1 }, work)
  assert.deepEqual(keys, [undefined, undefined])
  assert.equal(await stored(), 0)
})

test('with a key the first answer is given again, word for word and marked, by any instance', async () => {
  const { work, keys } = counting()
  const headers = { 'idempotency-key': 'again' }
  const first = await store().once(headers, { a: 1, b: [{ c: 2, d: 3 }] }, work)
  // The order in which a client writes its fields makes no other request.
  const second = await store().once(headers, { b: [{ d: 3, c: 2 }], a: 1 }, work)
  assert.equal(first.headers, undefined)
  assert.deepEqual(second, { status: 201, body: text(first), headers: { 'Idempotency-Replayed': 'true' } })
  assert.equal(keys.length, 1)
  assert.match(keys[0]!.requestHash, /^[0-9a-f]{64}$/)
  assert.equal(keys[0]!.key, 'again')
})

test('the same key with another body is 422, and the stored answer stays', async () => {
  const { work, keys } = counting()
  const headers = { 'idempotency-key': 'taken' }
  await store().once(headers, { list: [1, 2] }, work)
  for (const body of [{ list: [2, 1] }, { list: [1, 2], more: null }, null]) {
    await assert.rejects(store().once(headers, body, work), (error) => {
      assert.ok(error instanceof ProblemError)
      const { status, kind, errors } = error.details
      assert.deepEqual([status, kind, errors?.[0]?.parameter], [422, 'idempotency-key-reused', 'Idempotency-Key'])
      return true
    })
  }
  assert.equal(keys.length, 1)
  assert.equal((await store().once(headers, { list: [1, 2] }, work)).headers?.['Idempotency-Replayed'], 'true')
})

test('a key is 1 to 255 visible ASCII characters', async () => {
  const { work, keys } = counting()
  for (const key of ['', 'two words', 'ä', 'x'.repeat(256), ['a', 'b']]) {
    const asked = store().once({ 'idempotency-key': key as string }, {}, work)
    await assert.rejects(asked, (error) => error instanceof ProblemError && error.details.kind === 'invalid-request')
  }
  assert.equal(keys.length, 0)
  await store().once({ 'idempotency-key': 'x'.repeat(255) }, {}, work)
  await store().once({ 'idempotency-key': '!~' }, {}, work)
  assert.equal(keys.length, 2)
})

test('a key belongs to one service', async () => {
  const { work, keys } = counting()
  for (const name of ['order-service', 'user-service'])
    await store(name).once({ 'idempotency-key': 'shared' }, {}, work)
  assert.equal(keys.length, 2)
})

test('work that failed stores nothing: the key is free for the next try', async () => {
  const { work, keys } = counting()
  const headers = { 'idempotency-key': 'failed' }
  await assert.rejects(
    store().once(headers, {}, () => Promise.reject(badGateway('down'))),
    { name: 'bad-gateway' },
  )
  assert.equal((await store().once(headers, {}, work)).status, 201)
  assert.equal(keys.length, 1)
})

test('two at once both get the answer that was stored first', async () => {
  const headers = { 'idempotency-key': 'at-once' }
  const bothAtWork = Promise.withResolvers<void>()
  let atWork = 0
  const work = async (): Promise<Answer> => {
    const mine = ++atWork
    if (mine === 2) bothAtWork.resolve()
    await bothAtWork.promise
    return { status: 200, body: { by: mine } }
  }
  const answers = await Promise.all([store().once(headers, {}, work), store().once(headers, {}, work)])
  assert.equal(text(answers[0]), text(answers[1]))
  const replayed = answers.filter((answer) => answer.headers?.['Idempotency-Replayed'] === 'true')
  assert.equal(replayed.length, 1)
})

test('after 24 hours a key is new, and the cleaner takes only what is older', async () => {
  const { work, keys } = counting()
  const age = (key: string, hours: number) =>
    owner.query("update idempotent_answers set created_at = now() - $2::int * interval '1 hour' where key = $1", [
      key,
      hours,
    ])
  const has = async (key: string) =>
    (await owner.query('select 1 from idempotent_answers where key = $1', [key])).length
  const once = (key: string, body: object) => store().once({ 'idempotency-key': key }, body, work)
  await once('old', { a: 1 })
  await age('old', 24)
  assert.deepEqual(
    (await once('old', { a: 2 })).body,
    { times: 2, text: 'Zoë\u2028' },
    'another body, since nothing is remembered',
  )
  assert.equal((await once('old', { a: 2 })).headers?.['Idempotency-Replayed'], 'true')
  assert.equal(keys.length, 2)
  await once('young', {})
  await age('old', 25)
  await age('young', 23)
  const { cleaner } = store()
  await cleaner.start!()
  await until('the old answer is removed', 20, async () => (await has('old')) === 0)
  await cleaner.stop()
  assert.equal(await has('young'), 1)
})
