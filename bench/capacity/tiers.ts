/**
 * The two tiers of the Collector as deploy/kubernetes has them, as plain processes: `OTELCOL_BIN=otelcol-contrib node bench/capacity/tiers.ts`. Two of the
 * first tier and three of the second run on loopback addresses with the cluster's own files; addresses of the second tier come by name, from a
 * hosts file in a mount namespace of their own. Spans of each trace come from four senders to either of the first tier, at different
 * times. Prints what became of each trace, with `--fail` also when a member is killed and another one joins. Linux, as root.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fromBinary } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { readFlags } from '@sightline/local/flags'
import { ExportTraceServiceRequestSchema } from '@sightline/otlp-messages'
import { freePort } from '@sightline/service-kit/free-port'
import { until } from '@sightline/service-kit/poll'
import { seededRandom } from '@sightline/service-kit/seeded-random'
import { createGrpcReceiver } from '../../backend/receive/grpc.ts'
import { unsnappy } from '../../backend/receive/loki-push/snappy.ts'

const usage = `OTELCOL_BIN=PROGRAM node bench/capacity/tiers.ts [--rate 20] [--seconds 30] [--share 0.1] [--fail]

What becomes of traces in the two tiers of deploy/kubernetes. --fail: a member is killed at a third, one joins at two thirds.`
const { values: flags } = readFlags(usage, {
  options: {
    rate: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '30' },
    share: { type: 'string', default: '0.1' },
    fail: { type: 'boolean', default: false },
  },
})
const [RATE, SECONDS] = [Number(flags.rate), Number(flags.seconds)]
const program = process.env.OTELCOL_BIN
if (!program) throw new Error('OTELCOL_BIN names a Collector (contrib).')

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'sightline-tiers-'))
const hosts = join(folder, 'hosts')
const NAME = 'collector-sampler'
const SENDERS = ['gateway', 'user-service', 'order-service', 'audit-service']
const SPANS_OF_SENDER = 5
const SPANS = SENDERS.length * SPANS_OF_SENDER
const HALF_SECOND = 500
const FIRST = ['127.0.7.1', '127.0.7.2']
const MEMBERS = ['127.0.7.11', '127.0.7.12', '127.0.7.13']
const JOINS = '127.0.7.14'
const tempoOf = (member: string) => member.replace('127.0.7.1', '127.0.7.2')

interface Sent {
  at: number
  isFailed: boolean
  isSlow: boolean
  inShare: boolean
}
const random = seededRandom(17)
const sent = new Map<string, Sent>()
/** By trace, how many spans each member has sent on. */
const arrived = new Map<string, Map<string, number>>()
/** The last value of each series. */
const series = new Map<string, number>()
const children = new Map<string, ChildProcess>()
const endAll = () => {
  for (const child of children.values()) child.kill('SIGKILL')
}
process.once('exit', endAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const say = (text: string) => process.stderr.write(`${text}\n`)
let refused = 0

const metrics = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  readSeries(unsnappy(Buffer.concat(chunks), 100_000_000))
  response.writeHead(204).end()
})
const metricsPort = await freePort()
metrics.listen(metricsPort, '127.0.0.1')
await once(metrics, 'listening')
const receivers = [...MEMBERS, JOINS].map((member) =>
  createGrpcReceiver({
    host: tempoOf(member),
    port: 4317,
    maxBodyBytes: 100_000_000,
    async ingestTraces(bytes) {
      const { resourceSpans } = fromBinary(ExportTraceServiceRequestSchema, bytes)
      for (const { scopeSpans } of resourceSpans)
        for (const { spans } of scopeSpans)
          for (const { traceId } of spans) {
            const id = Buffer.from(traceId).toString('hex')
            const of = arrived.get(id) ?? new Map<string, number>()
            arrived.set(id, of.set(member, (of.get(member) ?? 0) + 1))
          }
      return { accepted: resourceSpans.length, rejected: 0, reason: '' }
    },
    ingestLogs: () => Promise.reject(new Error('no logs')),
    onError: (error) => console.error(error),
  }),
)
try {
  for (const receiver of receivers) await receiver.start()
  writeHosts(MEMBERS)
  await Promise.all(MEMBERS.map((member) => startCollector(member, 'sample')))
  await Promise.all(FIRST.map((address) => startCollector(address, 'receive')))
  await run()
} finally {
  endAll()
  for (const receiver of receivers) await receiver.stop()
  metrics.closeAllConnections()
  metrics.close()
  if (process.env.KEEP) say(folder)
  else rmSync(folder, { recursive: true, maxRetries: 5 })
}

async function run(): Promise<void> {
  const started = performance.now()
  const at = () => (performance.now() - started) / 1000
  const events: string[] = []
  const sending: Promise<void>[] = []
  const [killAt, joinAt] = [SECONDS / 3, (SECONDS * 2) / 3]
  let members = MEMBERS
  for (let n = 0; n < RATE * SECONDS; n++) {
    const due = n / RATE
    if (at() < due) await pause(Math.max(1, (due - at()) * 1000))
    if (flags.fail && members === MEMBERS && due >= killAt) {
      children.get(MEMBERS[2]!)!.kill('SIGKILL')
      members = MEMBERS.slice(0, 2)
      writeHosts(members)
      events.push(`killed at ${at().toFixed(1)} s`)
    }
    if (flags.fail && members.length === 2 && due >= joinAt && !children.has(JOINS)) {
      sending.push(
        startCollector(JOINS, 'sample').then(() => {
          writeHosts([...members, JOINS])
          events.push(`joined at ${at().toFixed(1)} s`)
        }),
      )
    }
    sending.push(sendTrace(at()))
  }
  await Promise.all(sending)
  const lasted = at()
  say(`all is sent, after ${lasted.toFixed(0)} s`)
  // Twelve seconds until the decision, then the queue; and the metrics of the last spans.
  await settled()
  report(lasted, events)
}

/** Each sender's spans leave by themselves, as those of services do: within half a second, to either of the first tier. */
async function sendTrace(at: number): Promise<void> {
  const hex = (digits: number) => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('')
  const traceId = hex(32)
  const [isFailed, isSlow] = [random() < 0.03, random() < 0.02]
  const share = Number.parseInt(traceId.slice(18, 26), 16) >= 2 ** 32 * (1 - Number(flags.share))
  sent.set(traceId, { at, isFailed, isSlow, inShare: share })
  const begin = Date.now()
  let parent = ''
  await Promise.all(
    SENDERS.map(async (name, n) => {
      const spans = Array.from({ length: SPANS_OF_SENDER }, (_, k) => {
        const spanId = hex(16)
        const span = {
          traceId,
          spanId,
          ...(parent && { parentSpanId: parent }),
          name: `step ${k}`,
          kind: k === 0 ? 2 : 1,
          startTimeUnixNano: String(BigInt(begin) * 1_000_000n),
          endTimeUnixNano: String(BigInt(begin + (isSlow && n === 0 ? 400 : 20)) * 1_000_000n),
          status: isFailed && n === 3 && k === 4 ? { code: 2 } : {},
        }
        parent = spanId
        return span
      })
      const to = FIRST[Math.floor(random() * FIRST.length)]!
      await pause(random() * HALF_SECOND)
      await post(to, {
        resourceSpans: [
          {
            resource: { attributes: [{ key: 'service.name', value: { stringValue: name } }] },
            scopeSpans: [{ spans }],
          },
        ],
      })
    }),
  )
}

async function post(to: string, body: object): Promise<void> {
  for (;;) {
    const response = await fetch(`http://${to}:4318/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    await response.arrayBuffer()
    if (response.ok) return
    refused += 1
    await pause(500)
  }
}

/** Nothing has come for longer than a decision takes. */
async function settled(): Promise<void> {
  const state = () => JSON.stringify([[...arrived.values()].reduce((n, of) => n + sum(of), 0), calls()])
  let [last, since] = [state(), performance.now()]
  await until('nothing comes any more', 180, async () => {
    await pause(1_000)
    const now = state()
    if (now !== last) [last, since] = [now, performance.now()]
    return performance.now() - since > 20_000
  })
}

function sum(of: ReadonlyMap<string, number>): number {
  return [...of.values()].reduce((a, b) => a + b, 0)
}

/** Spans as the second tier has counted them, by service. */
function calls(): Record<string, number> {
  const found: Record<string, number> = {}
  for (const [name, value] of series) {
    const service = /^traces_spanmetrics_calls_total\|.*\bservice="([^"]*)"/.exec(name)?.[1]
    if (service) found[service] = (found[service] ?? 0) + value
  }
  return found
}

function report(lasted: number, events: readonly string[]): void {
  const count = (is: (id: string, one: Sent) => boolean) => [...sent].filter(([id, one]) => is(id, one)).length
  const of = (id: string) => arrived.get(id) ?? new Map<string, number>()
  const kept = (id: string) => of(id).size > 0
  console.log(
    `${sent.size} traces of ${SPANS} spans by ${SENDERS.length} senders in ${lasted.toFixed(0)} s${events.map((one) => `; a member ${one}`).join('')}; ${refused} requests refused`,
  )
  console.table({
    'kept, whole, by one member': count((id) => of(id).size === 1 && sum(of(id)) === SPANS),
    'kept, whole, by two members': count((id) => of(id).size > 1 && sum(of(id)) === SPANS),
    'kept, a part is missing': count((id) => kept(id) && sum(of(id)) < SPANS),
    'kept, a span is there twice': count((id) => sum(of(id)) > SPANS),
    'not kept': count((id) => !kept(id)),
    'failed or slow': count((_, one) => one.isFailed || one.isSlow),
    'failed or slow, kept, whole': count((id, one) => (one.isFailed || one.isSlow) && sum(of(id)) === SPANS),
    'of the share': count((_, one) => one.inShare),
    'of the share, kept, whole': count((id, one) => one.inShare && sum(of(id)) === SPANS),
    'neither, kept': count((id, one) => !one.isFailed && !one.isSlow && !one.inShare && kept(id)),
  })
  const byMember: Record<string, number> = {}
  for (const each of arrived.values()) for (const [member, n] of each) byMember[member] = (byMember[member] ?? 0) + n
  console.log('spans kept by member', byMember)
  console.log(`spans counted before sampling, ${sent.size * SPANS_OF_SENDER} sent of each service`, calls())
  // By what went on when a trace was sent: in five parts of the time.
  const step = Math.ceil(lasted / 10)
  const timeline: Record<string, Record<string, number>> = {}
  for (const [id, one] of sent) {
    const when = `${Math.floor(one.at / step) * step} s`
    timeline[when] ??= { sent: 0, whole: 0, 'in two': 0, cut: 0, none: 0 }
    const row = timeline[when]
    const spans = sum(of(id))
    row.sent! += 1
    row[spans === 0 ? 'none' : spans < SPANS ? 'cut' : of(id).size > 1 ? 'in two' : 'whole']! += 1
  }
  console.table(timeline)
}

/** In place, because it is mounted. */
function writeHosts(members: readonly string[]): void {
  writeFileSync(hosts, ['127.0.0.1 localhost', ...members.map((member) => `${member} ${NAME}`), ''].join('\n'))
}

async function startCollector(address: string, tier: 'receive' | 'sample'): Promise<void> {
  const data = join(folder, address)
  mkdirSync(data)
  const log = openSync(join(folder, `${address}.log`), 'a')
  const child = spawn(
    'unshare',
    [
      ...['--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, program!],
      ...['--config', join(root, 'observability/collector.yaml')],
      ...['--config', join(root, `deploy/kubernetes/collector/${tier}.yaml`)],
    ],
    {
      stdio: ['ignore', log, log],
      env: {
        PATH: process.env.PATH,
        LISTEN_HOST: address,
        COLLECTOR_DATA_DIR: data,
        POD_NAME: address,
        SAMPLER_HOST: NAME,
        TEMPO_HOST: tempoOf(address),
        LOKI_HOST: '127.0.0.1',
        PROMETHEUS_HOST: '127.0.0.1',
        PROMETHEUS_PORT: String(metricsPort),
        TRACES_SAMPLE: flags.share,
      },
    },
  )
  children.set(address, child)
  await until(`${address} is healthy`, 120, async () => {
    if (child.exitCode !== null) throw new Error(readFileSync(join(folder, `${address}.log`), 'utf8').slice(-3_000))
    return (await fetch(`http://${address}:13133/`)).ok
  })
  say(`${address} is healthy`)
}

/** prometheus.WriteRequest: series of labels (name, value) and samples (value, time). */
function readSeries(bytes: Buffer): void {
  each(bytes, (field, reader) => {
    if (field !== 1) return false
    const labels: string[] = []
    let [name, value] = ['', Number.NaN]
    each(reader.bytes(), (part, inner) => {
      if (part === 1) {
        const pair = ['', '']
        each(inner.bytes(), (which, text) => {
          pair[which - 1] = text.string()
          return true
        })
        if (pair[0] === '__name__') name = pair[1]!
        else labels.push(`${pair[0]}="${pair[1]}"`)
        return true
      }
      if (part !== 2) return false
      each(inner.bytes(), (which, sample) => {
        if (which !== 1) return false
        value = sample.double()
        return true
      })
      return true
    })
    if (!Number.isNaN(value)) series.set(`${name}|${labels.sort().join(',')}`, value)
    return true
  })
}

function each(bytes: Uint8Array, read: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (!read(field, reader)) reader.skip(type)
  }
}
