import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { makeTrace, type SpanSketch } from '../../test/trace.ts'
import { buildTree, criticalPath, joinedSegments, searchSpans, services, visibleRows } from './trace.ts'

const path = (sketches: SpanSketch[]) =>
  criticalPath(buildTree(makeTrace(sketches))).map(({ spanId, start, end }) => `${spanId} ${start}-${end}`)

test('self time is what no child covers, counting overlap once and only inside the span', () => {
  const [root] = buildTree(
    makeTrace([
      { id: 'r', at: [0, 100] },
      { id: 'a', parent: 'r', at: [10, 40] },
      { id: 'b', parent: 'r', at: [30, 60] },
      { id: 'late', parent: 'r', at: [90, 150] },
    ]),
  )
  assert.equal(root?.selfTime, 100 - 50 - 10)
})

test('a child that ends after its parent is known by how much; one that ends with it, or has none, is not', () => {
  const [root] = buildTree(
    makeTrace([
      { id: 'r', at: [0, 100] },
      { id: 'with', parent: 'r', at: [10, 100] },
      { id: 'late', parent: 'r', at: [90, 150] },
      { id: 'below', parent: 'late', at: [95, 140] },
    ]),
  )
  const all = visibleRows([root!], new Set()).map(({ span, outlives }) => [span.spanId, outlives])
  assert.deepEqual(all, [
    ['r', 0],
    ['with', 0],
    ['late', 50],
    ['below', 0],
  ])
})

test('of a service whose clock is behind its own spans are marked, and not those of whom it calls', () => {
  const ms = (from: number, to: number): [number, number] => [from * 1e6, to * 1e6]
  // order-service is 150 s behind; its server span, and what audit-service does for it, took a few milliseconds.
  const marked = (behind: number) => {
    const roots = buildTree(
      makeTrace([
        { id: 'user', service: 'user-service', at: ms(150_000, 150_050) },
        { id: 'order', parent: 'user', service: 'order-service', at: ms(150_002 - behind, 150_048 - behind) },
        { id: 'call', parent: 'order', service: 'order-service', at: ms(150_010 - behind, 150_030 - behind) },
        { id: 'audit', parent: 'call', service: 'audit-service', at: ms(150_012, 150_029) },
      ]),
    )
    return visibleRows(roots, new Set()).flatMap(({ span, precedes, outlives }) => [
      ...(precedes > 0 ? [`${span.spanId} begins ${precedes / 1e6} ms before`] : []),
      ...(outlives > 0 ? [`${span.spanId} ends ${outlives / 1e6} ms after`] : []),
    ])
  }
  assert.deepEqual(marked(150_000), ['order begins 149998 ms before'])
  assert.deepEqual(marked(0), [])
  // Less than a millisecond is how clocks are, and then who ends late is told as ever.
  assert.deepEqual(marked(2.5), ['audit ends 1.5 ms after'])
})

test('the critical path goes back through the child that ended last', () => {
  assert.deepEqual(
    path([
      { id: 'r', at: [0, 100] },
      { id: 'a', parent: 'r', at: [10, 40] },
      { id: 'b', parent: 'r', at: [50, 90] },
      { id: 'c', parent: 'b', at: [60, 70] },
    ]),
    ['r 0-10', 'a 10-40', 'r 40-50', 'b 50-60', 'c 60-70', 'b 70-90', 'r 90-100'],
  )
})

test('of children side by side only the one that was waited for is on the path', () => {
  assert.deepEqual(
    path([
      { id: 'r', at: [0, 100] },
      { id: 'short', parent: 'r', at: [10, 50] },
      { id: 'long', parent: 'r', at: [10, 80] },
    ]),
    ['r 0-10', 'long 10-80', 'r 80-100'],
  )
})

test('a child that outlives its parent counts up to the end of the parent', () => {
  assert.deepEqual(
    path([
      { id: 'r', at: [0, 100] },
      { id: 'async', parent: 'r', at: [20, 300] },
    ]),
    ['r 0-20', 'async 20-100'],
  )
})

test('what a child that outlives its parent waited for is on the path as well', () => {
  assert.deepEqual(
    path([
      { id: 'r', at: [0, 20] },
      { id: 'c', parent: 'r', at: [5, 30] },
      { id: 'g', parent: 'c', at: [6, 25] },
    ]),
    ['r 0-5', 'c 5-6', 'g 6-20'],
  )
})

test('lost parents, self-parents and cycles end up as roots, none lost, none twice', () => {
  const trace = makeTrace([
    { id: 'root', at: [0, 10] },
    { id: 'orphan', parent: 'gone', at: [2, 4] },
    { id: 'self', parent: 'self', at: [3, 4] },
    { id: 'x', parent: 'y', at: [5, 6] },
    { id: 'y', parent: 'x', at: [5, 7] },
  ])
  const rows = visibleRows(buildTree(trace), new Set())
  assert.deepEqual(rows.map((row) => row.span.spanId).sort(), ['orphan', 'root', 'self', 'x', 'y'])
  assert.equal(rows.find((row) => row.span.spanId === 'orphan')?.orphan, true)
  assert.equal(rows.find((row) => row.span.spanId === 'root')?.orphan, false)
})

test('collapsing hides all below and tells how much that is', () => {
  const roots = buildTree(
    makeTrace([
      { id: 'r', at: [0, 10] },
      { id: 'a', parent: 'r', at: [0, 5] },
      { id: 'b', parent: 'a', at: [0, 5] },
      { id: 'c', parent: 'r', at: [6, 7] },
    ]),
  )
  assert.deepEqual(
    visibleRows(roots, new Set(['a'])).map((row) => row.span.spanId),
    ['r', 'a', 'c'],
  )
  assert.equal(roots[0]?.size, 4)
})

test('search looks into names, services and attribute values, whatever the case', () => {
  const trace = makeTrace([
    { id: 'a', at: [0, 1], service: 'order-service', attributes: { 'db.query.text': 'SELECT 1' } },
    { id: 'b', at: [0, 1], name: 'commit' },
  ])
  assert.deepEqual([...searchSpans(trace, 'select')], ['a'])
  assert.deepEqual([...searchSpans(trace, 'ORDER-')], ['a'])
  assert.deepEqual([...searchSpans(trace, 'Commit')], ['b'])
  assert.deepEqual([...searchSpans(trace, '  ')], [])
})

test('a child that starts before its parent takes no more of the path than its parent has', () => {
  const segments = path([
    { id: 'root', at: [0, 20] },
    { id: 'late', parent: 'root', at: [10, 20] },
    { id: 'early', parent: 'late', at: [0, 20] },
  ])
  assert.deepEqual(segments, ['root 0-10', 'early 10-20'])
})

test('services come in order of appearance with their errors', () => {
  const trace = makeTrace([
    { id: 'b', at: [5, 9], service: 'late', error: true },
    { id: 'a', at: [0, 9], service: 'early' },
  ])
  assert.deepEqual(
    services(trace).map(({ service, spans, errors }) => [service, spans, errors]),
    [
      ['early', 1, 0],
      ['late', 1, 1],
    ],
  )
})

const sketches = fc
  .array(fc.record({ parent: fc.nat(30), start: fc.nat(1000), length: fc.nat(500) }), { minLength: 1, maxLength: 30 })
  .map((list) =>
    list.map(
      ({ parent, start, length }, i): SpanSketch => ({
        id: `s${i}`,
        parent: `s${parent}`,
        at: [start, start + length],
      }),
    ),
  )

test('whatever the trace: the path ascends, never overlaps, and stays inside the spans it names', () => {
  fc.assert(
    fc.property(sketches, (list) => {
      const trace = makeTrace(list)
      const spans = new Map(trace.spans.map((span) => [span.spanId, span]))
      let reached = Number.NEGATIVE_INFINITY
      for (const { spanId, start, end } of criticalPath(buildTree(trace))) {
        const span = spans.get(spanId)!
        assert.ok(start >= reached && end > start)
        assert.ok(start >= span.start && end <= span.start + span.duration)
        reached = end
      }
    }),
  )
})

test('whatever the trace: every span has one row, and self time lies between nothing and its duration', () => {
  fc.assert(
    fc.property(sketches, (list) => {
      const rows = visibleRows(buildTree(makeTrace(list)), new Set())
      assert.equal(new Set(rows.map((row) => row.span.spanId)).size, list.length)
      assert.equal(rows.length, list.length)
      for (const { span, selfTime } of rows) assert.ok(selfTime >= 0 && selfTime <= span.duration)
    }),
  )
})

test('a chain of calls may be deeper than the stack', () => {
  const deep = 20_000
  const chain = Array.from(
    { length: deep },
    (_, i): SpanSketch => ({ id: `${i}`, parent: `${i - 1}`, at: [i, 2 * deep - i] }),
  )
  const roots = buildTree(makeTrace(chain))
  assert.equal(roots[0]?.size, deep)
  assert.equal(visibleRows(roots, new Set()).at(-1)?.depth, deep - 1)
  assert.equal(criticalPath(roots).length, 2 * deep - 1)
})

test('stretches of a span too close together to be seen apart are one, cut at the window', () => {
  const at = (spanId: string, start: number, end: number) => ({ spanId, start, end })
  const segments = [at('a', 0, 10), at('a', 11, 20), at('a', 40, 50), at('b', 51, 60), at('b', 90, 120)]
  assert.deepEqual(joinedSegments(segments, { from: 5, to: 100 }, 2), [
    at('a', 5, 20),
    at('a', 40, 50),
    at('b', 51, 60),
    at('b', 90, 100),
  ])
  assert.deepEqual(joinedSegments(segments, { from: 25, to: 30 }, 2), [])
})
