import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ATTRIBUTES,
  auditEndpoints,
  type Endpoint,
  email,
  METRICS,
  openApiDocument,
  orderEndpoints,
  personName,
  processRequest,
  userEndpoints,
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
    for (const { method, path, answers, problems } of Object.values(endpoints)) {
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
    fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
      const accepted = personName.safeParse(text).success
      const fit = /^[^\s\p{Cc}]/u.test(text) && text.length <= 200 && !/\p{Cc}|\p{Cs}/u.test(text)
      assert.equal(accepted, fit, JSON.stringify(text))
    }),
  )
})

test('hostile text is refused quickly', () => {
  for (const text of ['a'.repeat(64_000), 'a.'.repeat(32_000), `a@${'a-'.repeat(32_000)}`, ' '.repeat(64_000)]) {
    const started = performance.now()
    email.safeParse(text)
    personName.safeParse(text)
    assert.ok(performance.now() - started < 500)
  }
})

test('fields nobody asked for are refused by name', () => {
  const result = processRequest.safeParse({ user_id: 1, action: 'a', itmes: [] })
  assert.equal(result.success, false)
  assert.match(result.error!.issues[0]!.message, /itmes/)
})
