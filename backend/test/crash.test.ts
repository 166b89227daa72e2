/**
 * kill -9 at random moments under ingest: whatever was answered 200 is there after the restart, and there once.
 * CRASH_ROUNDS=100 for the long version.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@sightline/service-kit/poll'
import { post, startBackend, type TestBackend } from './backend.ts'
import { logBytes, traceBytes } from './otlp.ts'

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 3)
const SPANS_PER_BATCH = 400

interface Accepted {
  /** trace id -> number of its spans that were answered 200 */
  readonly traces: Map<string, number>
  /** Sent, but never answered: may be there or not, never in part. */
  readonly unanswered: Map<string, number>
  readonly lines: Set<string>
  readonly unansweredLines: Set<string>
}

test(`kill -9 under ingest, ${ROUNDS} times: nothing lost, nothing twice`, {
  timeout: 60_000 + ROUNDS * 20_000,
}, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'crash-'))
  const accepted: Accepted = { traces: new Map(), unanswered: new Map(), lines: new Set(), unansweredLines: new Set() }
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const backend = await startBackend(dir)
      const senders = [
        sendTraces(backend, accepted, round),
        sendTraces(backend, accepted, round),
        sendLogs(backend, accepted, round),
      ]
      if (round === 0) await until('a first answer', 20, () => accepted.traces.size > 0)
      // Some rounds die while blocks are written: a head is sealed at 60,000 spans.
      await delay(100 + Math.random() * 900)
      await backend.stop('SIGKILL')
      await Promise.all(senders)
    }
    const backend = await startBackend(dir)
    await compare(backend, accepted)
    await backend.stop()
    // And once more after an orderly stop.
    const again = await startBackend(dir)
    await compare(again, accepted)
    await again.stop()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

async function sendTraces(backend: TestBackend, accepted: Accepted, round: number): Promise<void> {
  for (let batch = 0; backend.process.exitCode === null && backend.process.signalCode === null; batch++) {
    const trace = randomBytes(16).toString('hex')
    const startMs = Date.now()
    const spans = Array.from({ length: SPANS_PER_BATCH }, (_, i) => ({
      trace,
      id: (i + 1).toString(16),
      parent: i === 0 ? undefined : '1',
      startMs: startMs + i,
      name: `span ${i % 7}`,
      attributes: { round, batch, 'request.id': `${trace}-${i % 11}` },
    }))
    const status = await post(`${backend.otlp}/v1/traces`, traceBytes(spans as never)).then(
      (response) => response.status,
      () => 0,
    )
    if (status === 200) accepted.traces.set(trace, SPANS_PER_BATCH)
    else accepted.unanswered.set(trace, SPANS_PER_BATCH)
  }
}

async function sendLogs(backend: TestBackend, accepted: Accepted, round: number): Promise<void> {
  for (let batch = 0; backend.process.exitCode === null && backend.process.signalCode === null; batch++) {
    const bodies = Array.from({ length: 20 }, (_, i) => `round ${round} batch ${batch} line ${i}`)
    const bytes = logBytes(bodies.map((body) => ({ body, ms: Date.now() })))
    const status = await post(`${backend.otlp}/v1/logs`, bytes).then(
      (response) => response.status,
      () => 0,
    )
    for (const body of bodies) (status === 200 ? accepted.lines : accepted.unansweredLines).add(body)
  }
}

async function compare(backend: TestBackend, accepted: Accepted): Promise<void> {
  const query = encodeURIComponent('{ } | count_over_time() by (trace:id)')
  const end = Math.ceil(Date.now() / 1000) + 60
  const answer = (await (
    await fetch(`${backend.tempo}/api/metrics/query?q=${query}&start=${end - 7200}&end=${end}`)
  ).json()) as {
    series: { labels: { value: { stringValue: string } }[]; value: number }[]
  }
  const stored = new Map(answer.series.map((series) => [series.labels[0]!.value.stringValue, series.value]))
  for (const [trace, spans] of accepted.traces) assert.equal(stored.get(trace), spans, `trace ${trace}`)
  for (const [trace, spans] of stored) {
    if (!accepted.traces.has(trace)) assert.equal(spans, accepted.unanswered.get(trace), `unanswered trace ${trace}`)
  }
  const some = [...accepted.traces.keys()][0]!
  const byId = (await (await fetch(`${backend.tempo}/api/traces/${some}`)).json()) as {
    batches: { scopeSpans: { spans: unknown[] }[] }[]
  }
  assert.equal(byId.batches.flatMap((b) => b.scopeSpans.flatMap((s) => s.spans)).length, SPANS_PER_BATCH)

  const lines = new Map<string, number>()
  const url = `${backend.loki}/loki/api/v1/query_range?query=${encodeURIComponent('{service_name="svc"}')}&limit=5000&direction=forward`
  let startNs = BigInt(Date.now() - 7_200_000) * 1_000_000n
  for (;;) {
    const page = (await (await fetch(`${url}&start=${startNs}&end=${BigInt(end) * 1_000_000_000n}`)).json()) as {
      data: { result: { values: [string, string][] }[] }
    }
    const values = page.data.result.flatMap((stream) => stream.values)
    const last = values.reduce((max, [ns]) => (BigInt(ns) > max ? BigInt(ns) : max), 0n)
    // The page's last moment may go on in the next page: it is read again from there.
    const whole = values.length < 5000
    for (const [ns, line] of values) if (whole || BigInt(ns) < last) lines.set(line, (lines.get(line) ?? 0) + 1)
    if (whole) break
    assert.ok(last > startNs, 'pages make progress')
    startNs = last
  }
  for (const line of accepted.lines) assert.equal(lines.get(line), 1, line)
  for (const [line, count] of lines) {
    assert.equal(count, 1, line)
    assert.ok(accepted.lines.has(line) || accepted.unansweredLines.has(line))
  }
}
