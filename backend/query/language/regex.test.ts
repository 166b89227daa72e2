import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { QueryError } from './errors.ts'
import { translate } from './native-regex.ts'
import { compileRe2 } from './re2.ts'
import { fullMatcher, fullReplacer, replaceAllRegex, searchRegex } from './regex.ts'

test('a pattern finds the same by V8, by RE2JS and by the shortcuts', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\.', 'ab')
  const pattern = fc
    .array(fc.tuple(atom, fc.constantFrom('', '*', '+', '?')), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.flat().join(''))
  fc.assert(
    fc.property(pattern, fc.stringMatching(/^[ab.1\n]{0,12}$/), (source, input) => {
      const wanted = new RegExp(source.replaceAll(/(?<!\\)\./g, '[^\\n]'), 'u').test(input)
      assert.equal(searchRegex(source).test(input), wanted)
      // A group around it keeps the pattern from the shortcuts; repeating it, from V8.
      assert.equal(searchRegex(`(?:${source}){1}`).test(input), wanted)
    }),
    { numRuns: 500 },
  )
})

test('a whole text matches the same by the shortcuts and by RE2JS, and a dot is a line feed, too', () => {
  assert.deepEqual(
    ['a.b', 'a.*', '.*b', '.+', 'a(.)b'].map((pattern) => fullMatcher(pattern)('a\nb')),
    Array(5).fill(true),
  )
  const pattern = fc
    .array(fc.constantFrom('a', 'b', ' ', '|', '.*', '.+', '.'), { maxLength: 4 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(pattern, fc.stringMatching(/^[ab \n]{0,6}$/), (source, input) => {
      const engine = compileRe2(`(?:${source})`, { dotAll: true })
      assert.equal(fullMatcher(source)(input), engine.matches(input))
    }),
    { numRuns: 1_000 },
  )
})

test('alternatives of successive groups multiply: V8 gets no pattern with many ways through it', () => {
  assert.ok(translate('(GET|PUT|POST) /(a|b) [0-9]+'))
  for (const pattern of ['(?:.|e)'.repeat(22), `(${'(a|b)(c|d)'.repeat(4)}|x)`, `(${'a|'.repeat(64)}b)`]) {
    assert.equal(translate(pattern), undefined, pattern)
  }
  const lengths = ['x+y', '(a|b)x+y', 'z?(a|b)x+y'].map((pattern) => translate(pattern)!.maxLength)
  assert.deepEqual(lengths, [2 ** 12, Math.floor(2 ** 11.5), 2 ** 11])
})

test('patterns have one size and one time, whichever way they are matched', () => {
  for (const compile of [fullMatcher, searchRegex, (pattern: string) => fullReplacer(pattern, 100)]) {
    compile('x'.repeat(4_000))
    assert.throws(() => compile('x'.repeat(4_001)), { message: 'the pattern is longer than 4000 characters' })
    assert.throws(() => compile('(x?y?){333}'.repeat(90)), { message: /its repeats come to \d+ steps, at most 20000/ })
  }
  // A text without a b is passed over in microseconds.
  const slow = compileRe2('(a?){200}a{200}b', { budgetMs: 1 })
  assert.throws(
    () => {
      for (let i = 0; i < 1_000; i++) slow.exec(`b${'a'.repeat(1_999)}`)
    },
    (error) => error instanceof QueryError && error.kind === 'limit' && /takes too long/.test(error.message),
  )
})

test('V8 gets no text that is too long for a counted pattern', () => {
  const long = 'a'.repeat(1_000_000)
  const spent = process.cpuUsage()
  assert.equal(searchRegex('a{999}b').test(long), false)
  assert.equal(searchRegex(`${'a'.repeat(2_000)}b`).test(long), false)
  const { user } = process.cpuUsage(spent)
  assert.ok(user < 10_000_000, `${user} us`)
  assert.ok(translate('x[0-9]{3}')!.maxLength > 10_000_000)
  assert.ok(translate('a{999}b')!.maxLength < 100_000)
})

test('a replacement has a size, however often it names a group', () => {
  assert.throws(() => fullReplacer('(.*)', 1_000)('x'.repeat(100), '$1'.repeat(11)), /longer than 1000 characters/)
  assert.equal(fullReplacer('(.*)', 1_000)('x'.repeat(100), '$1'.repeat(9))?.length, 900)
  assert.throws(() => replaceAllRegex('.+', false, 1_000)('x'.repeat(100), '$0'.repeat(11)), /longer than 1000/)
})

test('only what a match takes beyond an ordinary one counts', () => {
  let now = 0
  const matcher = (stepMs: number) => compileRe2('a[0-9]+b|c', { budgetMs: 20, clock: () => (now += stepMs) }).test
  const ordinary = matcher(0.009)
  for (let i = 0; i < 100_000; i++) ordinary('a123')
  const slow = matcher(0.02)
  // One match in eight is timed and counts eightfold: 2,000 matches take 20 ms too much.
  for (let i = 0; i < 1_990; i++) slow('a123')
  assert.throws(() => {
    for (let i = 0; i < 100; i++) slow('a123')
  }, QueryError)
})
