import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrace } from './otlp.ts'
import { DATA_ID, type TraceInFile, traceFile, traceFileName } from './trace-file.ts'

const TEMPLATE = `<title>Trace</title><script type="application/json" id="${DATA_ID}"></script><script>run()</script>`
const HOSTILE = '</script><script>alert("$& $1")</script><!--<script>'
const ID = '029eab971c1bfd8ef632c5182ab843a7'

const found: TraceInFile = {
  otlp: {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: HOSTILE } }] },
        scopeSpans: [
          {
            spans: [
              {
                traceId: ID,
                spanId: '029eab971c1bfd8e',
                name: HOSTILE,
                startTimeUnixNano: '1',
                endTimeUnixNano: '3',
                attributes: [{ key: 'user.name', value: { stringValue: 'John Doe' } }],
              },
            ],
          },
        ],
      },
    ],
  },
  lines: [
    { timeNs: '2', line: `${HOSTILE} john@example.com`, labels: { a: HOSTILE }, metadata: { user_name: 'John Doe' } },
  ],
  linesLeftOut: false,
  made: '2026-05-01T12:00:00.000Z',
}

test('whatever values hold, the file has the two scripts of its template and the data comes back, masked', () => {
  const html = traceFile(TEMPLATE, `${HOSTILE} john@example.com`, found)
  assert.equal(html.match(/<script/g)!.length, 2)
  assert.doesNotMatch(html, /<!--|john@|John/)
  const [, title] = /^<title>([^<]*)<\/title>/.exec(html)!
  assert.match(title!, /^&lt;\/script&gt;.*"\$&amp; \$1".* j\*\*\*@example\.com$/)
  const json = new RegExp(`id="${DATA_ID}">([^<]*)</script>`).exec(html)![1]!
  const read = JSON.parse(json) as TraceInFile
  const [span] = readTrace(read.otlp)!.spans
  assert.deepEqual([span!.name, span!.service, span!.attributes], [HOSTILE, HOSTILE, { 'user.name': 'J*** D***' }])
  assert.deepEqual(read.lines, [
    {
      timeNs: '2',
      line: `${HOSTILE} j***@example.com`,
      labels: { a: HOSTILE },
      metadata: { user_name: 'J*** D***' },
    },
  ])
})

test('what is no template is said to be none', () => {
  assert.throws(() => traceFile('<html></html>', 't', found), /without the template.*Build it anew/)
  assert.equal(traceFileName(ID), 'trace-029eab97.html')
})
