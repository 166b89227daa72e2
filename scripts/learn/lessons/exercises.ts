/** The exercises: something is to be changed, and the program looks whether it works. */
import { setTimeout as pause } from 'node:timers/promises'
import { isKept } from '../../../service-kit/telemetry/consistent-sampling.ts'
import type { Live } from '../live.ts'
import { type Lesson, type Verdict, verdict, wrong } from '../question.ts'

const ORDER = { user_id: 1001, action: 'purchase' }
/** Gateway, services and Prometheus send and read in steps of half a second to five seconds. */
const ARRIVES_WITHIN_MS = 10_000
const PAUSE_MS = 500

export const exercises: readonly Lesson[] = [
  exercise(
    'new-service',
    'A new service',
    15,
    'An order goes through a fourth service, and its trace and its log lines do, too.',
    newService,
  ),
  exercise(
    'sampling',
    'Keep a quarter',
    10,
    'A quarter of the traces is kept, by their ids, and each of them whole.',
    sampling,
  ),
  exercise(
    'propagators',
    'Another format',
    10,
    'A trace that a caller has begun with a b3 header is continued.',
    propagators,
  ),
  exercise(
    'baggage',
    'Baggage of a caller',
    10,
    'shop.channel from the baggage of a caller is an attribute of create_order and a field of its line.',
    baggage,
  ),
  exercise('metrics', 'A metric of your own', 15, 'orders_size_total counts orders by size: one, several.', metric),
  exercise(
    'logs',
    'A better log line',
    10,
    'The line "order committed" says the action and the number of items.',
    logLine,
  ),
]

function exercise(
  id: string,
  title: string,
  minutes: number,
  ask: string,
  look: (live: Live) => Promise<Verdict>,
): Lesson {
  return {
    id,
    title,
    minutes,
    page: `exercises/${id}.md`,
    exercise: true,
    questions: [{ ask, check: (_, live) => look(live) }],
  }
}

async function newService(live: Live): Promise<Verdict> {
  const { traceId, json } = await sendTraced(live, ORDER)
  const chain = (json?.chain ?? []) as { service: string }[]
  const added = chain[3]?.service
  if (!added)
    return wrong(
      'The answer of POST /api/v1/process names three services in "chain". Make one, then start the system anew.',
    )
  const seen = await soon(async () => {
    const spans = await live.trace(traceId)
    const lines = await live.lines(`{service_name="${added}"} | trace_id="${traceId}"`)
    return spans?.some(({ service }) => service === added) && lines.length > 0
  })
  return verdict(
    seen,
    `${added} answers, but left no span or no log line: was it started with the others by npm start?`,
  )
}

async function sampling(live: Live): Promise<Verdict> {
  const ids: string[] = []
  const count = (kept: boolean) => ids.filter((id) => isKept(id, 0.25) === kept).length
  while (ids.length < 12 || count(true) < 2 || count(false) < 2) ids.push((await send(live, ORDER)).traceId)
  const hasAll = await soon(async () =>
    (
      await tracesOf(
        live,
        ids.filter((id) => isKept(id, 0.25)),
      )
    ).every((spans) => spans >= 4),
  )
  if (!hasAll)
    return wrong(
      'Traces that a ratio of 0.25 keeps were not found, or not whole. Is the ratio smaller, or not decided at the gateway alone?',
    )
  const dropped = await tracesOf(
    live,
    ids.filter((id) => !isKept(id, 0.25)),
  )
  return verdict(
    dropped.every((services) => services === 0),
    'Traces were found that a ratio of 0.25 drops. Was the system started with OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG?',
  )
}

/** How many services each of the traces went through. */
function tracesOf(live: Live, ids: string[]): Promise<number[]> {
  return Promise.all(ids.map(async (id) => new Set((await live.trace(id))?.map(({ service }) => service)).size))
}

async function propagators(live: Live): Promise<Verdict> {
  const [traceId, spanId] = [randomId(32), randomId(16)]
  const b3 = await send(live, ORDER, { b3: `${traceId}-${spanId}-1` })
  if (b3.traceId !== traceId)
    return wrong('A request with a b3 header got a trace of its own. OTEL_PROPAGATORS lists what is listened to.')
  const whole = await soon(async () => {
    const spans = (await live.trace(traceId)) ?? []
    return new Set(spans.map(({ service }) => service)).size >= 4 && spans.some(({ parentId }) => parentId === spanId)
  })
  if (!whole) return wrong('The trace is continued, but not whole: do all services speak the same format?')
  const w3c = await sendTraced(live, ORDER)
  return verdict(w3c.continued, 'b3 is continued, and traceparent no longer is: OTEL_PROPAGATORS takes a list.')
}

async function baggage(live: Live): Promise<Verdict> {
  const channel = `app-${randomId(6)}`
  const { traceId } = await sendTraced(live, ORDER, { baggage: `shop.channel=${channel}` })
  const seen = await soon(async () => {
    const spans = (await live.trace(traceId)) ?? []
    const lines = await live.lines(`{service_name="order-service"} |= "order committed" | shop_channel="${channel}"`)
    const onSpan = spans.some((span) => span.name === 'create_order' && span.attributes['shop.channel'] === channel)
    return onSpan && lines.length === 1
  })
  return verdict(seen, 'What the caller sent as shop.channel is not on create_order and its line: is the key allowed?')
}

async function metric(live: Live): Promise<Verdict> {
  const sizes = async () => {
    const samples = await live.metric('sum by (size) (orders_size_total)')
    return { one: 0, several: 0, ...Object.fromEntries(samples.map(({ labels, value }) => [labels.size, value])) }
  }
  const before = await sizes()
  const item = (product_id: string) => ({ product_id, quantity: 1 })
  await send(live, { ...ORDER, items: [item('standard-action')] })
  await send(live, { ...ORDER, items: [item('standard-action'), item('demo-product')] })
  const rises = await soon(async () => {
    const now = await sizes()
    return now.one > before.one && now.several > before.several
  })
  return verdict(
    rises,
    'An order of one line and one of two did not both raise orders_size_total{size="one"} and {size="several"}.',
  )
}

async function logLine(live: Live): Promise<Verdict> {
  const item = (product_id: string) => ({ product_id, quantity: 1 })
  const { traceId } = await sendTraced(live, {
    user_id: 1001,
    action: 'renew',
    items: [item('standard-action'), item('demo-product')],
  })
  const query = `{service_name="order-service"} |= "order committed" | trace_id="${traceId}"`
  const seen = await soon(async () => {
    const [line] = await live.lines(query)
    return line?.labels.action === 'renew' && line.labels.items === '2'
  })
  return verdict(
    seen,
    'The line lacks action="renew" or items="2" for an order of two lines. Was order-service started anew?',
  )
}

/** With a context of our own, so that it is kept whatever sampler is set. */
async function sendTraced(live: Live, body: object, headers: Record<string, string> = {}) {
  const traceId = randomId(32)
  const sent = await send(live, body, { traceparent: `00-${traceId}-${randomId(16)}-01`, ...headers })
  return { ...sent, continued: sent.traceId === traceId }
}

async function send(live: Live, body: object, headers: Record<string, string> = {}) {
  const { status, json, headers: answered } = await live.api('/api/v1/process', body, headers)
  if (status >= 300) throw new Error(`The order was answered with ${status}: ${JSON.stringify(json)}`)
  return { json, traceId: answered.get('x-trace-id') ?? '' }
}

/** Whether it becomes so within the time that telemetry needs to arrive. */
async function soon(isSo: () => Promise<boolean | undefined>): Promise<boolean> {
  for (const until = Date.now() + ARRIVES_WITHIN_MS; Date.now() < until; await pause(PAUSE_MS)) {
    if (await isSo()) return true
  }
  return false
}

const randomId = (digits: number) =>
  Array.from({ length: digits }, () => '123456789abcdef'[Math.floor(Math.random() * 15)]).join('')
