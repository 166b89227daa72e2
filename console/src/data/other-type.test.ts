import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { newClient } from './http.ts'
import { comparisonsIn, typeHint } from './other-type.ts'

test('what a query compares attributes with is read from its text, but not from its strings and comments', () => {
  const pairs = (query: string) => comparisonsIn(query).map(({ attribute, literal }) => `${attribute} ${literal}`)
  for (const [query, expected] of [
    ['{ span.user.id = 2007 }', ['span.user.id 2007']],
    ['{resource.a.b="x" && (.c>=-1.5||span.d =~`5..`)}', ['resource.a.b "x"', '.c -1.5', 'span.d `5..`']],
    ['{ span.a = true && span.a = true } | { event.b != false }', ['span.a true', 'event.b false']],
    // Durations and intrinsics have types of their own; what is compared with nil or with another attribute has none.
    ['{ span.a > 5ms && duration > 1s && name = "x" && span.b != nil && span.c = span.d }', []],
    ['{ name = "span.a = 1" && span.b = "say \\"span.c = 2\\"" } // span.d = 3', ['span.b "say \\"span.c = 2\\""']],
  ] as const)
    assert.deepEqual(pairs(query), expected, query)
})

test('an attribute of another type is told, with what to write', async (t) => {
  const stored: Record<string, string[]> = {
    'span.user.id': ['string'],
    '.http.status': ['int'],
    'span.hit': ['bool'],
    'span.mixed': ['string', 'int'],
  }
  const server = createServer(({ url }, response) => {
    const tag = decodeURIComponent(/tag\/([^/]+)\/values/.exec(url!)![1]!)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ tagValues: (stored[tag] ?? []).map((type) => ({ type, value: '1' })) }))
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const client = newClient(undefined, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  for (const [query, expected] of [
    ['{ span.user.id = 2007 }', 'span.user.id is text here: write "2007".'],
    ['{ span.user.id = "2007" }', undefined],
    ['{ .http.status = "500" }', '.http.status is a number here: write 500 without quotes.'],
    ['{ .http.status =~ "5.." }', '.http.status is a number here, and "5.." is not.'],
    ['{ .http.status >= 500 }', undefined],
    ['{ span.hit = "false" }', 'span.hit is true or false here: write false without quotes.'],
    ['{ span.mixed = 1 && span.mixed = "a" }', undefined],
    ['{ span.usr = 1 && span.usr = 2 }', 'No span in this time range has span.usr.'],
    [
      '{ span.user.id = 1 && .http.status = "a" }',
      'span.user.id is text here: write "1". .http.status is a number here, and "a" is not.',
    ],
    ['{ duration > 1s }', undefined],
  ] as const)
    assert.equal(await typeHint(client, query, { from: 0, to: 1000 }), expected, query)
})
