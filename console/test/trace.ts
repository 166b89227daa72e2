/** Traces for tests, written as trees of times. */
import type { Span, Trace } from '../src/data/trace.ts'

export interface SpanSketch {
  id: string
  parent?: string
  /** [begin, end] in nanoseconds of the trace. */
  at: readonly [number, number]
  service?: string
  name?: string
  error?: boolean
  attributes?: Span['attributes']
}

export function makeTrace(sketches: readonly SpanSketch[]): Trace {
  const spans = sketches.map(
    ({ id, parent = '', at, service = 'a', name = id, error = false, attributes = {} }): Span => ({
      spanId: id,
      parentSpanId: parent,
      name,
      kind: 'internal',
      status: error ? 'error' : 'unset',
      statusMessage: '',
      start: at[0],
      duration: at[1] - at[0],
      service,
      scope: '',
      attributes,
      resource: { 'service.name': service },
      events: [],
      links: [],
    }),
  )
  return {
    traceId: `${'0'.repeat(31)}1`,
    startNs: 0n,
    duration: Math.max(0, ...sketches.map(({ at }) => at[1])),
    spans,
  }
}
