import assert from 'node:assert/strict'
import { test } from 'node:test'
import { absentSentence, absentText, readAbsent } from './absent.ts'
import { GLOBAL_KEYS } from './keys.ts'
import { keysWithout, placesClosed, placesWithout } from './places.ts'

const paths = (places: readonly { path: string }[]) => places.map(({ path }) => path)

test('what a console runs without goes into the page and out of it; what nobody knows means nothing', () => {
  assert.deepEqual(readAbsent(absentText(['prometheus', 'audit'])), ['prometheus', 'audit'])
  assert.deepEqual(readAbsent('postgres toString tempo'), ['postgres'])
  for (const nothing of [null, undefined, '']) assert.deepEqual(readAbsent(nothing), [])
})

test('the navigation leaves out the pages that would be empty, and no other', () => {
  const all = ['/explore', '/differs', '/services', '/alerts', '/map', '/audit']
  assert.deepEqual(paths(placesWithout([])), all)
  assert.deepEqual(paths(placesWithout(['prometheus', 'audit', 'postgres'])), ['/explore', '/differs'])
  assert.deepEqual(paths(placesWithout(['postgres'])), all)
  assert.deepEqual(paths(placesClosed(['audit'])), ['/audit'])
  assert.deepEqual(paths(placesClosed([])), [])
})

test('a page that misses a part does not speak of it', () => {
  const saysOf = (absent: Parameters<typeof placesWithout>[0]) =>
    placesWithout(absent).find(({ path }) => path === '/explore')!.says
  assert.match(saysOf([]), /metrics.*PromQL/)
  assert.doesNotMatch(saysOf(['audit', 'prometheus']), /metric|PromQL/)
})

test('no key leads to where there is nothing; the others stay', () => {
  const keys = keysWithout(['prometheus']).keys.flatMap((one) => one.keys)
  assert.deepEqual(
    GLOBAL_KEYS.keys.flatMap((one) => one.keys).filter((key) => !keys.includes(key)),
    ['g s', 'g a', 'g m'],
  )
  assert.deepEqual(keysWithout([]), GLOBAL_KEYS)
})

test('every page that a key leads to is a place or the start page', () => {
  const known = ['/', ...paths(placesWithout([]))]
  const led = GLOBAL_KEYS.keys.map(({ does }) => does).filter((does) => does.startsWith('/'))
  assert.deepEqual(led.toSorted(), known.toSorted())
})

test('a sentence names what is absent and the variable that would name one', () => {
  assert.equal(
    absentSentence(['prometheus', 'postgres']),
    'This console runs without Prometheus and a database: PROMETHEUS_URL and PGPASSWORD name none.',
  )
  assert.equal(absentSentence(['audit']), 'This console runs without audit-service: AUDIT_SERVICE_URL names none.')
})
