import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CircuitOpenError, createCircuitBreaker } from './circuit-breaker.ts'

class Fault extends Error {}
class Refusal extends Error {}

/** A breaker of three faults and 1,000 ms on a clock that the test moves; `calls` counts the work that was really done. */
function setUp() {
  const clock = { ms: 5_000 }
  const breaker = createCircuitBreaker({
    faultsToOpen: 3,
    openMs: 1_000,
    isFault: (error) => error instanceof Fault,
    now: () => clock.ms,
  })
  let calls = 0
  const ask = (error?: Error) =>
    breaker.run(async () => {
      calls += 1
      if (error) throw error
      return 'well'
    })
  const fail = async (times: number) => {
    for (let i = 0; i < times; i++) await assert.rejects(ask(new Fault()), Fault)
  }
  return { breaker, clock, ask, fail, calls: () => calls }
}

/** Work under way, to be ended by the test. */
function pending() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  return { work: () => promise, resolve, reject }
}

test('faults in a row open the circuit; a success in between starts the count anew', async () => {
  const { breaker, ask, fail, calls } = setUp()
  await fail(2)
  assert.equal(await ask(), 'well')
  await fail(2)
  assert.equal(breaker.state, 'closed')
  await fail(1)
  assert.equal(breaker.state, 'open')
  const before = calls()
  await assert.rejects(ask(), CircuitOpenError)
  assert.equal(calls(), before, 'an open circuit does no work')
})

test('an error that is no fault reaches the caller, and neither counts nor clears what was counted', async () => {
  const { breaker, ask, fail } = setUp()
  for (let i = 0; i < 5; i++) await assert.rejects(ask(new Refusal()), Refusal)
  assert.equal(breaker.state, 'closed')
  await fail(2)
  await assert.rejects(ask(new Refusal()), Refusal)
  await fail(1)
  assert.equal(breaker.state, 'open')
})

test('after the pause one call tries; its success closes the circuit', async () => {
  const { breaker, clock, ask, fail } = setUp()
  await fail(3)
  clock.ms += 999
  await assert.rejects(ask(), CircuitOpenError)
  clock.ms += 1
  assert.equal(await ask(), 'well')
  assert.equal(breaker.state, 'closed')
  await fail(2)
  assert.equal(breaker.state, 'closed', 'the count began anew')
})

test('after the pause one call tries; its fault opens the circuit for another pause', async () => {
  const { breaker, clock, ask, fail } = setUp()
  await fail(3)
  clock.ms += 1_000
  await fail(1)
  assert.equal(breaker.state, 'open')
  clock.ms += 999
  await assert.rejects(ask(), CircuitOpenError)
  clock.ms += 1
  await assert.rejects(ask(new Refusal()), Refusal)
  assert.equal(breaker.state, 'closed', 'who refuses is there')
})

test('while one call tries, all others are refused at once, however long it takes', async () => {
  const { breaker, clock, ask, fail, calls } = setUp()
  await fail(3)
  clock.ms += 1_000
  const probe = pending()
  const trying = breaker.run(probe.work)
  assert.equal(breaker.state, 'half-open')
  const before = calls()
  clock.ms += 60_000
  for (let i = 0; i < 3; i++) await assert.rejects(ask(), CircuitOpenError)
  assert.equal(calls(), before)
  probe.resolve('back')
  assert.equal(await trying, 'back')
  assert.equal(breaker.state, 'closed')
})

test('a call from before the circuit opened neither opens nor closes it later', async () => {
  const { breaker, clock, ask, fail } = setUp()
  const [lateFault, lateSuccess, probe] = [pending(), pending(), pending()]
  const early = [breaker.run(lateFault.work), breaker.run(lateSuccess.work)]
  await fail(3)
  lateSuccess.resolve('late')
  assert.equal(await early[1], 'late')
  assert.equal(breaker.state, 'open')
  clock.ms += 1_000
  const trying = breaker.run(probe.work)
  lateFault.reject(new Fault())
  await assert.rejects(early[0]!, Fault)
  assert.equal(breaker.state, 'half-open', 'the one that tries decides')
  probe.resolve('back')
  await trying
  assert.equal(breaker.state, 'closed')
  assert.equal(await ask(), 'well')
})

test('work that throws before it begins to wait counts like any other', async () => {
  const { breaker } = setUp()
  const throws = () => {
    throw new Fault()
  }
  for (let i = 0; i < 3; i++) await assert.rejects(breaker.run(throws), Fault)
  assert.equal(breaker.state, 'open')
})

test('whatever happens one after the other, the circuit does as this model says', async () => {
  const step = fc.oneof(fc.constantFrom('well', 'fault', 'refusal'), fc.integer({ min: 1, max: 1_500 }))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { breaker, clock, ask, calls } = setUp()
      let faults = 0
      let closesAt: number | undefined
      for (const one of steps) {
        if (typeof one === 'number') {
          clock.ms += one
          continue
        }
        const before = calls()
        const refused = closesAt !== undefined && clock.ms < closesAt
        await ask(one === 'well' ? undefined : one === 'fault' ? new Fault() : new Refusal()).catch(() => {})
        assert.equal(calls() - before, refused ? 0 : 1)
        if (!refused && one === 'fault') {
          faults += 1
          if (closesAt !== undefined || faults >= 3) closesAt = clock.ms + 1_000
        } else if (!refused && (one === 'well' || closesAt !== undefined)) {
          faults = 0
          closesAt = undefined
        }
        assert.equal(breaker.state, closesAt === undefined ? 'closed' : 'open')
      }
    }),
  )
})
