import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRe2 } from './re2.ts'
import { GiveWay, takeTurn, tick } from './turn.ts'

const limits = { leftMs: 60_000, sliceMs: 0, othersWait: () => false, overtime: () => new Error('overtime') }

const busy = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

test('a query ends when its time is up, and gives way when others wait, not before its slice is over', () => {
  const work = () => {
    busy(2)
    tick()
    return 'done'
  }
  assert.equal(takeTurn(limits, work), 'done')
  assert.throws(() => takeTurn({ ...limits, leftMs: 1 }, work), /overtime/)
  assert.throws(() => takeTurn({ ...limits, othersWait: () => true }, work), GiveWay)
  assert.equal(takeTurn({ ...limits, sliceMs: 60_000, othersWait: () => true }, work), 'done')
  tick()
})

test('a pattern looks at the clock while it matches', () => {
  const engine = compileRe2('(a|b)+c')
  const matchMany = () => {
    for (let n = 0; n < 1_000_000; n++) engine.test('abababababab')
  }
  assert.throws(() => takeTurn({ ...limits, othersWait: () => true }, matchMany), GiveWay)
})

test('a match that takes too long is ended; a long text alone is no reason', () => {
  const engine = compileRe2('(?P<a>(\\w+ ?){1,200})!', { matchMs: 300 })
  // So long that no machine gets through it, not even while it is tried again because others had the processor.
  assert.throws(
    () => engine.exec(`!${'word '.repeat(400_000)}`),
    /comes to \d+ steps, too many for a text of 2000001 characters/,
  )
  assert.equal(compileRe2('(GET|PUT) /(\\w+)!').exec('word '.repeat(800_000)), null)
})
