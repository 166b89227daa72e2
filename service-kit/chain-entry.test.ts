import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownChainEntry } from './chain-entry.ts'
import { elapsedMs, roundMs } from './durations.ts'
import { requestContextFrom, runInRequest } from './request-context.ts'

test('durations are milliseconds with two decimals', () => {
  for (const [ms, shown] of [
    [1.005, 1],
    [1.234, 1.23],
    [1.238, 1.24],
    [0, 0],
  ] as const) {
    assert.equal(roundMs(ms), shown)
  }
  const elapsed = elapsedMs(performance.now() - 1_000)
  assert.ok(elapsed >= 1_000 && elapsed < 11_000)
})

test('a service’s entry in the chain counts from the moment it took the request', () => {
  const request = { ...requestContextFrom({}, 1_000), startedAt: performance.now() - 1_000 }
  const { duration_ms, ...who } = runInRequest(request, () =>
    ownChainEntry({ name: 'order-service', version: '1.2.3' }),
  )
  assert.deepEqual(who, { service: 'order-service', version: '1.2.3' })
  assert.ok(duration_ms >= 1_000 && duration_ms < 11_000 && roundMs(duration_ms) === duration_ms)
})
