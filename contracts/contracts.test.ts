import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { z } from 'zod'
import { anyCharacter } from '../test/any-text.ts'
import {
  ATTRIBUTES,
  auditEndpoints,
  type Endpoint,
  email,
  METRICS,
  openApiDocument,
  orderEndpoints,
  orderIdText,
  orderProcessRequest,
  orderQuery,
  orderRequest,
  pageQuery,
  personName,
  preferReceipt,
  processRequest,
  quantityQuery,
  quantityText,
  receiptWait,
  userEndpoints,
  userIdText,
  verifyQuery,
} from './index.ts'

const services: Record<string, Record<string, Endpoint>> = {
  'user-service': userEndpoints as never,
  'order-service': orderEndpoints as never,
  'audit-service': auditEndpoints as never,
}

test('OpenAPI documents: every route, every status, every reference resolved', () => {
  for (const [name, endpoints] of Object.entries(services)) {
    const document = openApiDocument({ name, version: '1.2.3' }, endpoints) as {
      openapi: string
      paths: Record<string, Record<string, { responses: object; parameters?: Array<{ in: string; name: string }> }>>
      components: { schemas: Record<string, unknown> }
    }
    assert.match(document.openapi, /^3\.1/)
    for (const { method, path: template, answers, problems } of Object.values(endpoints)) {
      const path = template.replace('{+', '{')
      const operation = document.paths[path]?.[method]
      assert.ok(operation, `${name} ${method} ${path}`)
      assert.deepEqual(
        Object.keys(operation.responses).map(Number),
        [...Object.keys(answers).map(Number), ...problems].sort((a, b) => a - b),
      )
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
      assert.deepEqual(operation.parameters?.filter((one) => one.in === 'path').map((one) => one.name) ?? [], inPath)
    }
    for (const [, reference] of JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
      assert.ok(document.components.schemas[reference!], reference)
    }
  }
})

test('telemetry names follow their conventions', () => {
  for (const [name, { type, labels, help }] of Object.entries(METRICS)) {
    assert.match(name, /^[a-z][a-z0-9_]*$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    for (const label of labels) assert.match(label, /^[a-z][a-z0-9_]*$/)
    assert.match(help, /\.$/, name)
  }
  for (const name of Object.keys(ATTRIBUTES)) assert.match(name, /^[a-z]+(\.[a-z]+(_[a-z]+)*)+$/)
})

test('what a schema lets through can be logged, stored and hashed: no control characters, no lone surrogates', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 30 }), (text) => {
      const accepted = personName.safeParse(text).success
      const fit = /^[^\s\p{Cc}]/u.test(text) && text.length <= 200 && !/\p{Cc}|\p{Cs}/u.test(text)
      assert.equal(accepted, fit, JSON.stringify(text))
    }),
  )
})

test('Prefer: receipt is read as RFC 7240 writes preferences, and what is malformed is left out', () => {
  const waits: Array<[string | undefined, number | undefined]> = [
    [undefined, undefined],
    ['', undefined],
    ['wait=5', undefined],
    ['return=minimal', undefined],
    ['receipts', undefined],
    ['"receipt"', undefined],
    ['receipt=full', undefined],
    ['receipt wait=5', undefined],
    ['foo="receipt, wait=5', undefined],
    ['receipt', 2],
    ['Receipt', 2],
    ['receipt=""', 2],
    ['receipt=', 2],
    // A parameter of receipt, and no preference.
    ['receipt; wait=5', 2],
    ['receipt, wait=soon', 2],
    ['receipt, wait=-1', 2],
    ['receipt, wait="1', 2],
    [', receipt ,', 2],
    ['receipt, wait=5', 5],
    ['wait = "5" ; for=sure,return=minimal, RECEIPT', 5],
    ['foo="a, \\", wait=9", receipt, WAIT=5', 5],
    // The first of a name counts.
    ['wait=5, receipt, wait=9, receipt=full', 5],
    ['receipt, wait=0', 0],
    [`receipt, wait=${'9'.repeat(400)}`, 3_600],
  ]
  for (const [header, seconds] of waits) assert.equal(receiptWait(header), seconds, header)
  assert.equal(receiptWait(preferReceipt(7).prefer), 7)
  assert.deepEqual(preferReceipt(undefined), {})
  assert.equal(receiptWait(`receipt, ${'"\\'.repeat(20_000)}`), 2)
})

test('between services a key is what it is in a header: PostgreSQL refuses U+0000', () => {
  const keyed = (key: string) => {
    const idempotency = { key, request_hash: '0'.repeat(64) }
    return orderProcessRequest.safeParse({ user_id: 1, action: 'a', idempotency }).success
  }
  for (const key of ['k', '!~', 'k'.repeat(255)]) assert.ok(keyed(key), key)
  for (const key of ['', 'k k', '\u0000', 'k\n', '\ud800', 'é', 'k'.repeat(256)]) assert.ok(!keyed(key), key)
})

test('hostile text is refused quickly', () => {
  for (const text of ['a'.repeat(64_000), 'a.'.repeat(32_000), `a@${'a-'.repeat(32_000)}`, ' '.repeat(64_000)]) {
    const before = process.cpuUsage()
    email.safeParse(text)
    personName.safeParse(text)
    // Of its own time, whatever else the machine does: a pattern that tries every split needs minutes.
    assert.ok(process.cpuUsage(before).user < 5_000_000)
  }
})

test('fields nobody asked for are refused by name', () => {
  const result = processRequest.safeParse({ user_id: 1, action: 'a', itmes: [] })
  assert.equal(result.success, false)
  assert.match(result.error!.issues[0]!.message, /itmes/)
})

/** Places and texts of what is wrong with a value. */
const faultsOf = (schema: z.ZodType, value: unknown) =>
  (schema.safeParse(value).error?.issues ?? []).map(({ path, message }) => [path.join('/'), message])

test('a number in a path or query is written as JSON writes an integer, and what is not is told what it should be', () => {
  const digits = 'a whole number from 1 to 1000000, in decimal digits'
  for (const text of [
    '0x2',
    '1e1',
    '+2',
    ' 2',
    '2 ',
    '02',
    '2.0',
    '-2',
    '-0',
    '0',
    '1000001',
    '٢',
    'x',
    '1_0',
    '9'.repeat(400),
  ])
    assert.deepEqual(faultsOf(quantityQuery, { quantity: text }), [['quantity', `must be ${digits}`]], text)
  assert.deepEqual(faultsOf(quantityQuery, {}), [['quantity', `is missing; give ${digits}`]])
  assert.deepEqual(faultsOf(quantityQuery, { quantity: '' }), [['quantity', `is empty; give ${digits}`]])
  for (const number of [userIdText, orderIdText, quantityText, pageQuery.shape.limit, verifyQuery.shape.from]) {
    assert.equal(number.parse('100'), 100)
    for (const text of ['0x2', '1e1', '+2', ' 2', '02', '0', '', '9007199254740992'])
      assert.match(faultsOf(number, text).join(), /a whole number from 1 to \d+, in decimal digits/, text)
  }
  assert.deepEqual(pageQuery.parse({}), { limit: 20 })
  const written = fc.oneof(fc.integer(), fc.double(), fc.maxSafeInteger()).map(String)
  fc.assert(
    fc.property(fc.oneof(written, fc.string()), (text) => {
      const number = Number(text)
      const plain = Number.isSafeInteger(number) && number >= 1 && text === String(number)
      assert.deepEqual(orderIdText.safeParse(text).data, plain ? number : undefined, text)
    }),
  )
})

test('what clients POST may stand in the query, all but lists, and means the same there', () => {
  const routes = [...Object.values(userEndpoints), ...Object.values(orderEndpoints)] as Endpoint[]
  // From service to service: it has more than flat fields, and no client writes it.
  const hops: unknown[] = [orderEndpoints.process]
  const asked = routes.filter((one) => one.method === 'post' && !hops.includes(one))
  const item = { product_id: 'demo-product', quantity: 2 }
  const stockChange = { quantity: 2 }
  const said: Record<string, Record<string, string | number>> = {
    '/process': { user_id: 1, action: 'buy', user_name: 'Jane Roe' },
    '/orders': { ...item, user_id: 1 },
    '/inventory/check': item,
    '/inventory/{product_id}/reserve': stockChange,
    '/inventory/{product_id}/release': stockChange,
    '/inventory/{product_id}/add': stockChange,
  }
  assert.deepEqual(asked.map(({ path }) => path).sort(), Object.keys(said).sort())
  for (const { path, body, fieldsInQuery } of asked) {
    const text = Object.fromEntries(Object.entries(said[path]!).map(([name, value]) => [name, String(value)]))
    assert.deepEqual(fieldsInQuery!.parse(text), body!.parse(said[path]), path)
    assert.equal(fieldsInQuery!.safeParse({ ...text, items: '1' }).success, false, path)
  }
})

test("an order by a product's number needs no customer, one by its id does, and a bad number is what is named", () => {
  const places = (product_id: unknown, more: object = {}) =>
    faultsOf(orderRequest, { product_id, quantity: 1, ...more }).map(([place]) => place)
  for (const number of [1, '1', 2147483647]) assert.deepEqual(places(number), [], String(number))
  assert.deepEqual(places('demo-product'), ['customer_name', 'customer_email'])
  assert.match(
    String(faultsOf(orderRequest, { product_id: 'demo-product', quantity: 1 })[0]),
    /by its number the order/,
  )
  for (const number of [0, -1, 1.5, 1e20, '0', '-1', '01', '1.5', '1e1', '0x2', '+2', ' 2', ''])
    assert.deepEqual(places(number), ['product_id'], JSON.stringify(number))
  assert.deepEqual(places('01', { user_id: 1 }), [], 'an id may be of digits')
  const asked = (quantity: string, product_id = '1') =>
    faultsOf(orderQuery, { product_id, quantity }).map(([place]) => place)
  assert.deepEqual([asked('0x2'), asked('1', '0x2'), asked('1', '')], [['quantity'], ['product_id'], ['product_id']])
})
