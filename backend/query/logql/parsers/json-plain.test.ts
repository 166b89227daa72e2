import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createPlainSearch } from './json-plain.ts'
import { scanJson } from './json-scan.ts'
import { labelName, type ParsedRow } from './row-step.ts'

const WANTED = new Set(['n', 'who', 'who_n', '_1n', 'true_', '_'])

/** What is found first under each wanted name. */
function found(search: ReturnType<typeof createPlainSearch>, text: Buffer, start: number, end: number) {
  const labels = new Map<string, string>()
  const row = { extract: (name: string, value: string) => void (labels.has(name) || labels.set(name, value)) }
  return { isRead: search(row as ParsedRow, { text, start, end }, WANTED), labels }
}

function wanted(line: string): { problem: string | undefined; labels: Map<string, string> } {
  const labels = new Map<string, string>()
  const problem = scanJson(line, (path, value) => {
    const name = labelName(path.join('_'))
    if (WANTED.has(name) && !labels.has(name)) labels.set(name, value)
  })
  return { problem, labels }
}

const blank = fc.constantFrom('', '', '', '', '', '', '', ' ', '\t \r\n', '\v', '\xa0')
const name = fc.constantFrom(
  'n',
  'n',
  'n',
  'who',
  'who',
  'who-n',
  'who.n',
  'who_n',
  'whoxn',
  '1n',
  '',
  'é',
  'wh\\u006f',
  '\\"n',
  '-',
  'é-n',
)
const plain = fc.constantFrom(
  '1',
  '23',
  '-4.5',
  '1e3',
  'true',
  'false',
  'null',
  '"ann"',
  '"bob"',
  '"12"',
  '"23"',
  '""',
  '"null"',
)
const odd = fc.constantFrom(
  ...[
    '-',
    '1x',
    '9\xa0',
    '8é',
    '7\v',
    '6\x01',
    'truer',
    'tru',
    '"é"',
    '"\\n\\""',
    '"\\u0041"',
    '"\\\n"',
    '"\\é"',
    '"x\\\\"',
  ],
  ...['"a\nb"', '"\\u"', '"cut', '"cut\\', '{"n":3}', '[1,"n"]', '{}', '', '+1', "'n'"],
)
const pair = fc.tuple(blank, name, blank, blank, fc.oneof(plain, plain, plain, odd), blank)
const line = fc
  .tuple(
    fc.array(pair, { maxLength: 4 }),
    blank,
    fc.nat(400),
    fc.constantFrom('', '', '', 'x', '}'),
    fc.constantFrom(',', ',', ',', ',', ';'),
  )
  .map(([pairs, before, cut, more, comma]) => {
    const inner = pairs.map(([a, key, b, c, value, d]) => `${a}"${key}"${b}:${c}${value}${d}`).join(comma)
    return `${before}{${inner}}${more}`.slice(0, cut < 300 ? undefined : cut - 300)
  })

test('what is found among the bytes of lines is what reading them finds', () => {
  const search = createPlainSearch()
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (lines) => {
      const text = Buffer.from(lines.join(''))
      let start = 0
      for (const one of lines) {
        const end = start + Buffer.byteLength(one)
        const { isRead, labels } = found(search, text, start, end)
        const read = wanted(one)
        if (isRead) assert.equal(read.problem, undefined, one)
        // Else all is looked for again: what was found until then comes first there, too.
        for (const [label, value] of labels) assert.equal(value, read.labels.get(label), one)
        if (isRead) assert.equal(labels.size, read.labels.size, one)
        start = end
      }
    }),
    { numRuns: 5000 },
  )
})

test('plain lines are read, with names that are no labels and escapes in what nobody wants', () => {
  const search = createPlainSearch()
  for (const [one, labels] of [
    ['{"n":1}', { n: '1' }],
    [' { "msg" : "a \\"b\\" é \\n" , "who-n" : "x" , "n" : null }\n', { who_n: 'x' }],
    ['{"n":"x","n":"y","more":true,"who":false,"and":-1.5e3}', { n: 'x', who: 'false' }],
  ] as const) {
    const text = Buffer.from(one)
    const { isRead, labels: all } = found(search, text, 0, text.length)
    assert.ok(isRead, one)
    assert.deepEqual(Object.fromEntries(all), labels)
  }
})

test('a line ends where it ends, whatever follows', () => {
  const text = Buffer.from(' {"n":"1", "who" : -2,"_":true,"y":"\\n"}')
  const search = createPlainSearch()
  assert.ok(found(search, text, 0, text.length).isRead)
  for (let end = 0; end < text.length; end += 1) {
    const { isRead, labels } = found(search, text, 0, end)
    assert.equal(isRead, false, String(end))
    const all = wanted(text.toString('utf8', 0, end)).labels
    for (const [label, value] of labels) assert.equal(value, all.get(label), String(end))
  }
})

test('a value is no other that was remembered in its place, of this buffer or one before', () => {
  // Both have the same hash.
  const [one, other] = ['{"n":"az"}', '{"n":"b["}']
  const search = createPlainSearch()
  for (const lines of [one, other, one + other]) {
    const text = Buffer.from(lines)
    for (let start = 0; start < text.length; start += one.length) {
      const { labels } = found(search, text, start, start + one.length)
      assert.equal(labels.get('n'), lines.slice(start + 6, start + 8))
    }
  }
})
