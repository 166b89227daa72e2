/**
 * What arrives late: hours after an outage that the Collector's queue has bridged, or from a sender that was cut off. It
 * must be found by a search over the time it belongs to, which is how people look; by its id it is found anyway.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { BRIDGE_HOURS } from './bridge.ts'

const url = (name: string) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run this by npm run test:stack`)
  return value.replace(/\/$/, '')
}
const [otlp, tempo, loki, prometheus] = [url('OTLP_URL'), url('TEMPO_URL'), url('LOKI_URL'), url('PROMETHEUS_URL')]

const MINUTE = 60_000
const ages = {
  'five minutes': 5 * MINUTE,
  'an hour': 60 * MINUTE,
  'the bridge': BRIDGE_HOURS * 60 * MINUTE - 10 * MINUTE,
}
const SERVICE = 'late-sender'
/** Names what one run has sent, so that an earlier run answers no question of this one. */
const run = randomBytes(4).toString('hex')
const started = Date.now()
const textAttribute = (key: string, stringValue: string) => ({ key, value: { stringValue } })
const resource = {
  attributes: [textAttribute('service.name', SERVICE), textAttribute('service.namespace', 'sightline')],
}
const nanoseconds = (at: number) => `${at}000000`

// The newest first: what comes after it is behind it in the same stream, series and block.
const sent = Object.entries({ now: 0, ...ages }).map(([name, age]) => ({
  probe: `${run} ${name}`,
  name,
  at: started - age,
}))
const late = sent.filter(({ name }) => name !== 'now')

test('a trace is found by TraceQL over the time it belongs to, and counted there', async (t) => {
  for (const { probe, at } of sent) {
    await send('/v1/traces', {
      resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'late' }, spans: [span(probe, at)] }] }],
    })
  }
  for (const { probe, name, at } of late) {
    const query = `{ resource.service.name = "${SERVICE}" && span.probe = "${probe}" }`
    const around = { start: String(Math.floor((at - MINUTE) / 1000)), end: String(Math.ceil((at + MINUTE) / 1000)) }
    // Up to a quarter of an hour back the live store is asked, beyond that the backend: a block is closed after half a
    // minute, and Tempo looks for new ones every half minute.
    const [trace] = await until(`TraceQL finds the trace that is late by ${name}`, 150, async () => {
      const { traces = [] } = await get(`${tempo}/api/search`, { q: query, ...around })
      return traces.length > 0 && traces
    })
    t.diagnostic(`late by ${name}: found ${((Date.now() - started) / 1000).toFixed(1)} s after it was sent`)
    assert.equal(trace.rootServiceName, SERVICE)
    assert.equal(trace.startTimeUnixNano, nanoseconds(at))
    const { series = [] } = await get(`${tempo}/api/metrics/query_range`, {
      q: `${query} | count_over_time()`,
      step: '30s',
      ...around,
    })
    const counted = series.flatMap((one: { samples: { value?: number }[] }) =>
      one.samples.map(({ value = 0 }) => value),
    )
    assert.equal(
      counted.reduce((sum: number, value: number) => sum + value, 0),
      1,
      `count_over_time, late by ${name}`,
    )
    const earlier = { start: String(Number(around.start) - 600), end: String(Number(around.end) - 600) }
    assert.deepEqual((await get(`${tempo}/api/search`, { q: query, ...earlier })).traces ?? [], [])
  }
})

test('a log line is found by LogQL at its time, behind newer lines of its stream', async (t) => {
  for (const { probe, at } of sent) {
    await send('/v1/logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record(probe, at)] }] }] })
  }
  for (const { probe, name, at } of late) {
    const lines = await until(`LogQL finds the line that is late by ${name}`, 30, async () => {
      const { data } = await get(`${loki}/loki/api/v1/query_range`, {
        query: `{service_name="${SERVICE}"} | probe="${probe}"`,
        start: nanoseconds(at - MINUTE),
        end: nanoseconds(at + MINUTE),
      })
      const found = data.result.flatMap(({ values }: { values: [string, string][] }) => values)
      return found.length > 0 && found
    })
    assert.deepEqual(lines, [[nanoseconds(at), `late line of ${probe}`]])
    t.diagnostic(`late by ${name}: found`)
  }
})

test('a sample written behind newer ones of its series is kept', async () => {
  for (const { at } of sent) {
    const answer = await fetch(`${prometheus}/api/v1/write`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
        'x-prometheus-remote-write-version': '0.1.0',
      },
      body: snappy(writeRequest({ __name__: 'late_sender_probe', run }, 1, at)),
    })
    assert.ok(answer.ok, `${answer.status} ${await answer.text()}`)
  }
  for (const { name, at } of late) {
    const { data } = await get(`${prometheus}/api/v1/query`, {
      query: `late_sender_probe{run="${run}"}`,
      time: String(at / 1000),
    })
    assert.equal(data.result.length, 1, name)
  }
})

function span(probe: string, at: number) {
  return {
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name: 'late',
    kind: 2,
    startTimeUnixNano: nanoseconds(at),
    endTimeUnixNano: nanoseconds(at + 5),
    attributes: [textAttribute('probe', probe)],
  }
}

function record(probe: string, at: number) {
  return {
    timeUnixNano: nanoseconds(at),
    severityNumber: 9,
    severityText: 'INFO',
    body: { stringValue: `late line of ${probe}` },
    attributes: [textAttribute('probe', probe)],
  }
}

async function send(path: string, body: unknown): Promise<void> {
  const answer = await fetch(otlp + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(answer.status, 200, `${path}: ${await answer.text()}`)
}

async function get(base: string, parameters: Record<string, string>) {
  const answer = await fetch(`${base}?${new URLSearchParams(parameters)}`, { signal: AbortSignal.timeout(20_000) })
  const text = await answer.text()
  assert.equal(answer.status, 200, `${base} ${JSON.stringify(parameters)}: ${text}`)
  return JSON.parse(text)
}

/** prometheus.WriteRequest with one sample, in protobuf's wire format: every length here fits one byte. */
function writeRequest(labels: Record<string, string>, value: number, at: number): Buffer {
  const field = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag, content.length]), content])
  const pairs = Object.entries(labels).map(([name, text]) =>
    field(0x0a, Buffer.concat([field(0x0a, Buffer.from(name)), field(0x12, Buffer.from(text))])),
  )
  const number = Buffer.alloc(9)
  number[0] = 0x09
  number.writeDoubleLE(value, 1)
  const sample = field(0x12, Buffer.concat([number, Buffer.from([0x10]), varint(BigInt(at))]))
  return field(0x0a, Buffer.concat([...pairs, sample]))
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 0x7fn) | 0x80)
  }
}

/** Snappy's block format without compression: the length, then the bytes as literals of 60 at most. */
function snappy(bytes: Buffer): Buffer {
  const parts = [varint(BigInt(bytes.length))]
  for (let at = 0; at < bytes.length; at += 60) {
    const literal = bytes.subarray(at, at + 60)
    parts.push(Buffer.from([(literal.length - 1) << 2]), literal)
  }
  return Buffer.concat(parts)
}
