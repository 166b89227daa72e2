/** What notes on dashboards are read as; the cases are CommonMark's, with what people write around them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Block, parseMarkdown, parseSpans } from './markdown.ts'

const paragraph = (text: string): Block => ({ kind: 'paragraph', text })
const code = (text: string): Block => ({ kind: 'code', text })
const list = (...items: Block[][]): Block => ({ kind: 'list', ordered: false, start: 1, items })

test('a fenced code block keeps its lines, empty ones and marks among them', () => {
  const lines = 'npm start\n\n# no heading\n- no list\n  **two** in'
  for (const fence of ['```', '~~~', '`````'])
    assert.deepEqual(parseMarkdown(`Run\n${fence}sh\n${lines}\n${fence}\nand wait`), [
      paragraph('Run'),
      code(lines),
      paragraph('and wait'),
    ])
  assert.deepEqual(parseMarkdown('````\n```\n````'), [code('```')], 'a shorter fence is text of a longer one')
  assert.deepEqual(parseMarkdown('```\na\n\nb'), [code('a\n\nb')], 'not closed, it goes to the end')
  assert.deepEqual(parseMarkdown('  ```\n  a\n    b\n  ```'), [code('a\n  b')])
  assert.deepEqual(parseMarkdown('```\r\na\r\nb\r\n```'), [code('a\nb')])
  assert.deepEqual(parseMarkdown('x\n\n    a\n\n      b\n\ny'), [paragraph('x'), code('a\n\n  b'), paragraph('y')])
  assert.deepEqual(parseMarkdown('```not a fence``` here'), [paragraph('```not a fence``` here')])
})

test('blocks need no empty line between them', () => {
  assert.deepEqual(parseMarkdown('# Title\ntext\n- a\n- b\n> quoted\n> on\n---\n## End ##'), [
    { kind: 'heading', text: 'Title' },
    paragraph('text'),
    list([paragraph('a')], [paragraph('b')]),
    { kind: 'quote', blocks: [paragraph('quoted\non')] },
    { kind: 'rule' },
    { kind: 'heading', text: 'End' },
  ])
  assert.deepEqual(parseMarkdown('#no heading\n\n* * *\n\n#'), [
    paragraph('#no heading'),
    { kind: 'rule' },
    { kind: 'heading', text: '' },
  ])
})

test('lists are nested, numbered, and hold other blocks', () => {
  assert.deepEqual(parseMarkdown('- a\n  - b\n  - c\n- d\n  goes on\nand on'), [
    list([paragraph('a'), list([paragraph('b')], [paragraph('c')])], [paragraph('d\ngoes on\nand on')]),
  ])
  assert.deepEqual(parseMarkdown('3. a\n4) b'), [
    { kind: 'list', ordered: true, start: 3, items: [[paragraph('a')]] },
    { kind: 'list', ordered: true, start: 4, items: [[paragraph('b')]] },
  ])
  assert.deepEqual(parseMarkdown('1. do\n\n   ```\n   x\n   ```\n2. then'), [
    { kind: 'list', ordered: true, start: 1, items: [[paragraph('do'), code('x')], [paragraph('then')]] },
  ])
  assert.deepEqual(parseMarkdown('+ a\n\n+ b\n\nc'), [list([paragraph('a')], [paragraph('b')]), paragraph('c')])
  assert.deepEqual(parseMarkdown('It was in\n1986. A year\n-5 degrees'), [
    paragraph('It was in\n1986. A year\n-5 degrees'),
  ])
  const deep = '> '.repeat(5_000)
  assert.match(JSON.stringify(parseMarkdown(`${deep}x`)), /> x/, 'a depth that nobody writes is text')
})

test('a table has the columns of its first row', () => {
  assert.deepEqual(parseMarkdown('| a | b |\n|---|:-:|\n| 1 | x \\| y | 3 |\n| 2\n\nend'), [
    {
      kind: 'table',
      header: ['a', 'b'],
      rows: [
        ['1', 'x | y'],
        ['2', ''],
      ],
    },
    paragraph('end'),
  ])
  assert.deepEqual(parseMarkdown('a | b\nno delimiter'), [paragraph('a | b\nno delimiter')])
})

test('spans: emphasis, code, links and breaks; what is not closed is text', () => {
  const strong = (...spans: string[]) => ({ kind: 'strong', spans })
  const em = (...spans: string[]) => ({ kind: 'em', spans })
  const link = (url: string, text = url) => ({ kind: 'link', url, spans: [text] })
  const cases: [string, unknown[]][] = [
    [
      'a **b** __c__ *d* _e_ ~~f~~',
      ['a ', strong('b'), ' ', strong('c'), ' ', em('d'), ' ', em('e'), ' ', { kind: 'del', spans: ['f'] }],
    ],
    ['**b *c***', [{ kind: 'strong', spans: ['b ', em('c')] }]],
    ['snake_case_name 2 * 3 * 4 **', ['snake_case_name 2 * 3 * 4 **']],
    ['`a*b*` ``c`d``', [{ kind: 'code', text: 'a*b*' }, ' ', { kind: 'code', text: 'c`d' }]],
    ['[x](/d/one?a=1) [y](https://a.example "t")', [link('/d/one?a=1', 'x'), ' ', link('https://a.example', 'y')]],
    ['![alt](https://a.example/p.png)', [link('https://a.example/p.png', 'alt')]],
    [
      '<https://a.example/x> see https://a.example/y.',
      [link('https://a.example/x'), ' see ', link('https://a.example/y'), '.'],
    ],
    ['[z](/a_(b))c', [link('/a_(b)', 'z'), 'c']],
    ['\\*no\\* <b>tag</b> [open', ['*no* <b>tag</b> [open']],
    ['one\ntwo  \nthree\\\nfour', ['one two', { kind: 'break' }, 'three', { kind: 'break' }, 'four']],
  ]
  for (const [text, spans] of cases) assert.deepEqual(parseSpans(text), spans, text)
})

test('no note takes long to read, whatever is repeated in it', { timeout: 60_000 }, () => {
  for (const part of ['**', '`', '[', '[a](', '> ', '- ', '_a', '| ', '\\', '~~ ', '* ', '    ', '1. '])
    for (const line of [part.repeat(5_000), `${part}\n`.repeat(2_000)]) {
      for (const block of parseMarkdown(line)) if ('text' in block) parseSpans(block.text)
    }
})
