import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { check, metricsRange, parse, search, TraceQLError } from './index.ts'
import { compileRegex } from './regex.ts'
import { type PlainSpan, plainSource } from './test/spans.ts'

/** Far more than any of these takes, far less than what they would take if they got out of hand. */
const PATIENCE_MS = 5_000

const span = (more: Partial<PlainSpan>): PlainSpan => ({
  traceId: '1'.padStart(32, '0'),
  spanId: '1'.padStart(16, '0'),
  name: 'x',
  startNs: 1n,
  durationNs: 1,
  ...more,
})

function bounded(action: () => void): void {
  const before = process.cpuUsage()
  action()
  const { user, system } = process.cpuUsage(before)
  assert.ok((user + system) / 1000 < PATIENCE_MS)
}

const absurd: Readonly<Record<string, string>> = {
  'open parentheses': `{ ${'('.repeat(20_000)}`,
  'balanced parentheses': `{ ${'('.repeat(1_000)}true${')'.repeat(1_000)} }`,
  'nested pipelines': `${'('.repeat(1_000)}{ }${')'.repeat(1_000)}`,
  negations: `{ ${'!'.repeat(2_000)}true }`,
  signs: `{ ${'-'.repeat(2_000)}1 = 1 }`,
  powers: `{ ${'2 ^ '.repeat(3_000)}2 = 1 }`,
  'a long chain': `{ ${'.a = 1 && '.repeat(2_000)}true }`,
  'a long name': `{ span.${'a'.repeat(100_000)} = 1 }`,
  'a long string': `{ name = "${'a'.repeat(100_000)}" }`,
  'many stages': `{ }${' | { }'.repeat(5_000)}`,
  'many groups': `{ } | rate() by (${Array.from({ length: 4_000 }, (_, i) => `span.a${i}`).join(', ')})`,
  'many tokens without meaning': '{ } '.repeat(10_000),
}

for (const [name, query] of Object.entries(absurd)) {
  test(`refused in bounded time: ${name}`, () => {
    bounded(() => assert.throws(() => check(parse(query)), TraceQLError))
  })
}

test('the longest chain that is accepted can be evaluated', () => {
  const query = `{ ${'.a = 1 || '.repeat(990)}name = "x" }`
  bounded(() => assert.equal(search(check(parse(query)), plainSource([span({})])).length, 1))
  const deep = `{ ${'('.repeat(90)}name = "x"${')'.repeat(90)} }`
  assert.equal(search(check(parse(deep)), plainSource([span({})])).length, 1)
})

test('patterns that make a backtracking engine hang are matched in linear time', () => {
  const source = plainSource([span({ name: `${'a'.repeat(20_000)}!` })])
  for (const pattern of ['(a+)+', '(a|aa)+', '(a|a?)+', '(.*a){10}', '([a-zA-Z]+)*', '(x+x+)+y', '(a?){500}a{500}']) {
    bounded(() => assert.equal(search(check(parse(`{ name =~ "${pattern}" }`)), source).length, 0, pattern))
  }
})

test('a pattern that has used up its time is stopped', () => {
  const matches = compileRegex('(a?){200}a{200}b', 1)
  assert.throws(() => {
    for (let i = 0; i < 1_000; i++) matches('a'.repeat(2_000))
  }, /takes too long/)
})

test('patterns that grow without bounds are refused', () => {
  for (const pattern of [
    '((a{100}){100}){100}',
    'a{1001}',
    'x'.repeat(5_000),
    '(x?y?){333}'.repeat(90),
    '(?:'.repeat(2_000),
  ]) {
    bounded(() => assert.throws(() => check(parse(`{ name =~ "${pattern}" }`)), TraceQLError, pattern))
  }
})

test('the points of a metrics query are counted over all of its parts', () => {
  const spans = Array.from({ length: 100 }, (_, i) =>
    span({ name: `n${i}`, startNs: BigInt(i) * 5_000_000_000n, durationNs: 8 }),
  )
  const ask = (query: string) =>
    metricsRange(check(parse(query)), plainSource(spans), {
      range: { startNs: 0n, endNs: 10_000_000_000_000n },
      stepNs: 1_000_000_000n,
    })
  const part = '({ } | rate() by (name))'
  assert.equal(ask(part).length, 100)
  const many = `${`${part} + (`.repeat(10)}${part}${')'.repeat(10)}`
  assert.throws(() => ask(many), /the query makes too many series/)
  const quantiles = Array.from({ length: 500 }, (_, i) => i / 500)
  assert.throws(() => ask(`{ } | quantile_over_time(duration, ${quantiles})`), /the query makes too many series/)
})

test("spans that are each other's parent end no walk in a circle", () => {
  const a = span({ spanId: 'a'.padStart(16, '0'), parentSpanId: 'b'.padStart(16, '0'), name: 'a' })
  const b = span({ spanId: 'b'.padStart(16, '0'), parentSpanId: 'a'.padStart(16, '0'), name: 'b' })
  const self = span({ traceId: '2'.padStart(32, '0'), parentSpanId: '1'.padStart(16, '0') })
  const source = plainSource([a, b, self])
  for (const op of ['>', '>>', '<', '<<', '~', '!>', '!>>', '!<', '!<<', '!~', '&>', '&>>', '&<', '&<<', '&~']) {
    for (const grouped of ['', '| by(name) ']) {
      bounded(() => void search(check(parse(`{ } ${grouped}| { name = "a" } ${op} { }`)), source))
    }
  }
  bounded(() => assert.equal(search(check(parse('{ nestedSetLeft > 0 }')), source).length, 0))
})

test('whatever is typed, the answer is a query or a TraceQLError', () => {
  const piece = fc.constantFrom(
    ...'{ } ( ) | && || ! != = =~ !~ > >> < << ~ &> + - * / % ^ , . : " ` \\ span. resource. .a name status duration'.split(
      ' ',
    ),
    ...'error true nil 5 1.5 10ms "x" count() avg( by( select( rate() with( topk( 2 ) parent. event: \u0000 é 💥'.split(
      ' ',
    ),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(' ')),
      ),
      (text) => {
        try {
          check(parse(text))
        } catch (error) {
          assert.ok(error instanceof TraceQLError, `${text}: ${error}`)
          assert.ok(error.line >= 1 && error.column >= 1)
        }
      },
    ),
    { numRuns: 3_000 },
  )
})
