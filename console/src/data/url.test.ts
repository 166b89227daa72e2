import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withTime } from './url.ts'

test('an address takes the present time along, unless it has one', () => {
  const present = new URLSearchParams('query=x&from=now-6h&to=now&refresh=5s&pick=a')
  assert.equal(withTime('/map', present), '/map?from=now-6h&to=now&refresh=5s')
  assert.equal(withTime('/trace/1?span=a%20b#x', present), '/trace/1?span=a+b&from=now-6h&to=now&refresh=5s#x')
  assert.equal(withTime('/map?refresh=off', present), '/map?refresh=off&from=now-6h&to=now')
  for (const own of ['/d/a?from=1&to=2', '/d/a?to=2']) assert.equal(withTime(own, present), own)
  assert.equal(withTime('/map?a=%20', new URLSearchParams('query=x')), '/map?a=%20')
})
