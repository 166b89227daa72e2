/** Business spans: what a failure leaves on each of them, and what travels. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { context, propagation, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import { RPCType, setRPCMetadata } from '@opentelemetry/core'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { conflict, notFound } from './problems.ts'
import { inSpan, linkTo, storedContext, withBaggage } from './spans.ts'
import { type MemoryTelemetry, startMemoryTelemetry } from './test/memory-telemetry.ts'

let telemetry: MemoryTelemetry
before(() => {
  telemetry = startMemoryTelemetry()
})
after(() => telemetry?.[Symbol.asyncDispose]())

const exceptions = (span: ReadableSpan) => span.events.filter(({ name }) => name === 'exception').length

test('a span has its attributes and links, is active inside, and gives back what the work gives', async () => {
  const links = linkTo('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', null)
  const result = await inSpan(
    'work',
    { 'order.id': '7' },
    (span) => (trace.getActiveSpan() === span ? 'done' : 'lost'),
    links,
  )
  assert.equal(result, 'done')
  const span = telemetry.span('work')
  assert.deepEqual([span.attributes, span.status.code], [{ 'order.id': '7' }, SpanStatusCode.UNSET])
  assert.deepEqual(
    span.links.map((link) => link.context.spanId),
    ['b7ad6b7169203331'],
  )
})

test('a failure: the innermost span has the exception, all on the way out status and error.type', async () => {
  const error = Object.assign(new Error('duplicate key'), { code: '23505' })
  const failing = inSpan('outer', {}, () =>
    inSpan('inner', {}, () => {
      throw error
    }),
  )
  await assert.rejects(failing, error)
  const [inner, outer] = [telemetry.span('inner'), telemetry.span('outer')]
  assert.equal(inner.parentSpanContext?.spanId, outer.spanContext().spanId)
  for (const span of [inner, outer]) {
    assert.deepEqual(span.status, { code: SpanStatusCode.ERROR, message: 'duplicate key' })
    assert.equal(span.attributes['error.type'], '23505')
  }
  assert.deepEqual([exceptions(inner), exceptions(outer)], [1, 0])
})

test('a refusal is named by its kind and its title: its detail may hold what is not for a span', async () => {
  await assert.rejects(inSpan('refused', {}, () => Promise.reject(notFound('product', 'P-9'))))
  const span = telemetry.span('refused')
  assert.deepEqual([span.status.message, span.attributes['error.type']], ['Unknown product', 'unknown_product'])
  await assert.rejects(
    inSpan('text', {}, () => Promise.reject('just text')),
    (thrown) => thrown === 'just text',
  )
  const text = telemetry.span('text')
  assert.deepEqual([text.status.message, text.attributes['error.type'], exceptions(text)], ['just text', '_OTHER', 0])
  // Each error counts by itself, also of the same kind.
  for (const name of ['first', 'second']) {
    await assert.rejects(inSpan(name, {}, () => Promise.reject(conflict('no-stock', 'No stock', 'none left'))))
    assert.equal(exceptions(telemetry.span(name)), 1)
  }
})

test('a context that is stored with an event is found again as a link, in W3C whatever is spoken on the wire', async () => {
  const stored = await inSpan('ordering', {}, () => storedContext())
  const { traceId, spanId } = telemetry.span('ordering').spanContext()
  assert.equal(stored.traceparent, `00-${traceId}-${spanId}-01`)
  const [link] = linkTo(stored.traceparent!, 'vendor=1')
  assert.deepEqual([link!.context.traceId, link!.context.spanId], [traceId, spanId])
  assert.equal(link!.context.traceState?.get('vendor'), '1')
  assert.deepEqual(storedContext(), {}, 'no span, no context')
  for (const useless of [null, '', 'nonsense']) assert.deepEqual(linkTo(useless, null), [])
})

test('business context goes to the server span now, and on with everything from here', async () => {
  const tracer = trace.getTracer('test')
  const server = tracer.startSpan('server')
  const serving = setRPCMetadata(trace.setSpan(ROOT_CONTEXT, server), { type: RPCType.HTTP, span: server })
  await context.with(serving, () =>
    inSpan('handler', {}, () =>
      withBaggage({ 'user.id': 7 }, () =>
        withBaggage({ 'order.id': 'o-1' }, () => {
          const entries = propagation.getBaggage(context.active())!.getAllEntries()
          assert.deepEqual(
            entries.map(([key, { value }]) => [key, value]),
            [
              ['user.id', '7'],
              ['order.id', 'o-1'],
            ],
          )
        }),
      ),
    ),
  )
  server.end()
  assert.deepEqual(telemetry.span('server').attributes, { 'user.id': '7', 'order.id': 'o-1' })
  assert.deepEqual(telemetry.span('handler').attributes, {})
  assert.equal(propagation.getBaggage(context.active()), undefined)
})
