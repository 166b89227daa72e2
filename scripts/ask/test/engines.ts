/** Engines that answer what a test wants them to, at a port of their own. */
import { createServer, type ServerResponse } from 'node:http'
import type { System } from '../system.ts'

export type Answers = Record<string, (query: URLSearchParams, response: ServerResponse) => unknown>

/** `answers` by path: a value is sent as JSON, a text as it is, undefined was answered by the function itself; any other path is a 404. */
export async function startEngines(answers: Answers): Promise<AsyncDisposable & { system: System }> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost')
    const answer = answers[pathname]
    if (!answer) return void response.writeHead(404).end('not found')
    const value = answer(searchParams, response)
    if (value === undefined) return
    response
      .setHeader('content-type', 'application/json')
      .end(typeof value === 'string' ? value : JSON.stringify(value))
  })
  // A test that calculates for long must not find its connection closed.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const base = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return {
    system: { gateway: base, tempo: base, loki: base, prometheus: base, credentials: {}, home: '/nowhere' },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

const hex = (n: number) => n.toString(16).padStart(16, '0')
export const BEGAN_NS = 1_700_000_000_000_000_000n

/**
 * A trace of so many spans as Tempo answers it: a root, a chain of calls a fifth as deep, and the rest below the root, every thousandth of
 * them failed. A span takes a microsecond.
 */
export function bigTrace(traceId: string, count: number) {
  const deep = Math.floor(count / 5)
  const spans = Array.from({ length: count }, (_, n) => {
    const isChain = n > 0 && n <= deep
    const isFailed = n > deep && n % 1000 === 0
    const [start, end] = n === 0 ? [0, count] : isChain ? [n, 2 * deep - n + 1] : [n, n + 1]
    return {
      traceId,
      spanId: hex(n + 1),
      ...(n === 0 ? {} : { parentSpanId: hex(isChain ? n : 1) }),
      name: n === 0 ? 'GET /everything' : isChain ? `step ${n % 7}` : `query ${n % 3}`,
      kind: 1,
      startTimeUnixNano: String(BEGAN_NS + BigInt(start) * 1000n),
      endTimeUnixNano: String(BEGAN_NS + BigInt(end) * 1000n),
      attributes: [{ key: 'db.query.text', value: { stringValue: `select ${n}` } }],
      ...(isFailed ? { status: { code: 2, message: `row ${n} is locked` } } : {}),
    }
  })
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] }
  return { batches: [{ resource, scopeSpans: [{ spans }] }] }
}

/** Loki with so many lines, `together` of them in the same microsecond; knows limit, direction, start and end. */
export function lokiWith(count: number, together: number): Answers[string] {
  const ns = (n: number) => BEGAN_NS + BigInt(Math.floor(n / together)) * 1000n
  return (query) => {
    const [start, end] = [BigInt(query.get('start')!), BigInt(query.get('end')!)]
    const indexOf = (at: bigint) => Number((at - BEGAN_NS + 999n) / 1000n) * together
    const [from, to] = [Math.max(0, indexOf(start)), Math.min(count, indexOf(end))]
    const length = Math.max(0, Math.min(to - from, Number(query.get('limit'))))
    const isForward = query.get('direction') === 'forward'
    const values = Array.from({ length }, (_, k) => {
      const n = isForward ? from + k : to - 1 - k
      return [String(ns(n)), `line ${n} ${'x'.repeat(80)}`]
    })
    return {
      status: 'success',
      data: { resultType: 'streams', result: [{ stream: { service_name: 'shop', level: 'info' }, values }] },
    }
  }
}
