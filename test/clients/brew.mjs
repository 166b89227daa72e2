/** What programs in JavaScript have in common: a counter, a histogram, a trace, and a line that `warn` writes in its second span. */
import { metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'

export function brew(warn) {
  const meter = metrics.getMeter('tea')
  meter.createCounter('tea.cups.poured', { unit: '{cup}' }).add(3, { 'tea.kind': 'oolong' })
  meter.createHistogram('tea.pour.duration', { unit: 's' }).record(0.2, { 'tea.kind': 'oolong' })

  const attributes = {
    'tea.kind': 'oolong',
    'tea.cups': 3,
    'tea.hot': true,
    'tea.degrees': 96.5,
    'tea.guests': ['ada', 'bob'],
  }
  const tracer = trace.getTracer('tea')
  tracer.startActiveSpan('GET /tea', { kind: SpanKind.SERVER, attributes }, (root) => {
    tracer.startActiveSpan('pour', (span) => {
      span.addEvent('poured', { 'tea.cup': 1 })
      warn('no oolong left')
      const error = new RangeError('no oolong left')
      span.recordException(error)
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message })
      span.end()
    })
    root.end()
  })
}
