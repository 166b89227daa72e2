/** What of a person or a secret may leave the process in a log line or a span. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { maskAttributes, masked, maskName, maskText, showsPersonalData } from './masking.ts'

test('no address survives masking, whatever stands around it', () => {
  const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019'), minLength: 2, maxLength: 12 })
  const address = fc.tuple(word, word, fc.constantFrom('com', 'example', 'co.uk')).map(([a, b, c]) => `${a}@${b}.${c}`)
  fc.assert(
    fc.property(fc.string(), address, fc.constantFrom(' ', '<', '"', '=', '\n', ','), (before, mail, gap) => {
      assert.equal(maskText(`${before}${gap}${mail}${gap}`).includes(mail), false)
    }),
  )
})

test('numbers after an @ are no mail server, however they are spelled', () => {
  const digits = fc.array(fc.integer({ min: 0, max: 9_999_999 }), { minLength: 2, maxLength: 3 })
  fc.assert(
    fc.property(digits, fc.constantFrom('@', '%40', '%2540'), fc.constantFrom('.', '%2E'), (numbers, at, dot) => {
      const key = `standard-action${at}${numbers.join(dot)}`
      for (const text of [key, `the key ${key}.`, `${key}, and`]) assert.equal(maskText(text), text)
      // A letter anywhere makes it one.
      for (const host of [`${numbers.join(dot)}${dot}com`, `mail${dot}${numbers.join(dot)}`, `${numbers.join(dot)}a`])
        assert.equal(maskText(`standard-action${at}${host}`), `s***${at}${host}`)
    }),
  )
  assert.equal(maskText('john@10.0.0.17 and john@192.168.1'), 'j***@10.0.0.17 and john@192.168.1')
  // A name may go on behind them in another spelling, and what is before a second @ is no host.
  for (const host of ['12.34\u3002com', '12.34\\u002ecom', '12.34&#46;com', '12.34@example.com'])
    assert.equal(maskText(`john@${host}`), `j***@${host}`)
})

test('of an address the mail server stays, of a name the initials', () => {
  assert.equal(
    maskText('from john.doe@example.com to <a+b@mail.example.org>'),
    'from j***@example.com to <a***@mail.example.org>',
  )
  assert.equal(maskText('nobody @ nowhere, user@host'), 'nobody @ nowhere, user@host')
  assert.equal(maskName('John  Quincy Doe'), 'J*** Q*** D***')
  assert.equal(maskName('𝒥osé'), '𝒥***', 'a letter of two code units stays whole')
})

test('a key decides: secrets vanish, names and addresses are masked, others keep their text', () => {
  const cases: Array<[key: string, value: string, shown: string]> = [
    ['password', 'hunter2', '***'],
    ['db.passwd', 'hunter2', '***'],
    ['client_secret', 'x', '***'],
    ['refresh_token', 'x', '***'],
    ['authorization', 'Bearer x', '***'],
    ['cookie', 'a=b', '***'],
    ['x-api-key', 'x', '***'],
    ['user.name', 'John Doe', 'J*** D***'],
    ['customer_full_name', 'John Doe', 'J*** D***'],
    ['email', 'not an address', '***'],
    ['user.email', 'john@example.com', 'j***@example.com'],
    ['product_name', 'Phone Deluxe', 'Phone Deluxe'],
    ['tokens_used', '12', '12'],
    ['note', 'ask john@example.com', 'ask j***@example.com'],
  ]
  for (const [key, value, shown] of cases) assert.equal(masked(key, value), shown, key)
})

test('a key is masked alike the first time and after any number of others', () => {
  for (let n = 0; n < 2_500; n++) {
    assert.equal(masked('password', 'hunter2'), '***')
    assert.equal(masked('user.email', n % 2 ? 'john@example.com' : 'john'), n % 2 ? 'j***@example.com' : '***')
    assert.equal(masked(`key_${n}`, 'plain'), 'plain')
  }
})

test('masked copies at any depth and leaves what is no text; the original stays', () => {
  const at = new Date(0)
  const given = { user: [{ email: 'a@b.example' }], count: 7, none: null, at, list: ['c@d.example', 1] }
  const before = structuredClone(given)
  assert.deepEqual(masked('', given), {
    user: [{ email: 'a***@b.example' }],
    count: 7,
    none: null,
    at,
    list: ['c***@d.example', 1],
  })
  assert.deepEqual(given, before)
  const circle: Record<string, unknown> = {}
  circle.self = circle
  assert.ok(masked('', circle), 'a circle ends')
})

test('maskAttributes changes the object it is given: texts and lists of texts', () => {
  const attributes: Record<string, unknown> = { 'user.name': 'John Doe', mails: ['a@b.example', 1], n: 1, ok: true }
  maskAttributes(attributes)
  assert.deepEqual(attributes, { 'user.name': 'J*** D***', mails: ['a***@b.example', 1], n: 1, ok: true })
})

test('only the exact word shows personal data', () => {
  assert.equal(showsPersonalData({ SIGHTLINE_PII: 'show' }), true)
  for (const value of [undefined, '', 'mask', 'true', 'SHOW']) {
    assert.equal(showsPersonalData({ SIGHTLINE_PII: value }), false)
  }
})
