/**
 * A process of its own. For an Nginx without ngx_otel_module in front of a real Collector: makes the gateway's spans
 * from its access log and sends them by OTLP/HTTP. The log lines are left to the Collector, which reads the same file.
 *
 *   GATEWAY_ACCESS_LOG=... OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 node backend/receive/gateway-log/forward.ts
 *
 * Each record is sent at least once: the position is written down after the Collector has taken the batch, beside the
 * log.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { writeWhole } from '@sightline/service-kit/whole-file'
import { VERSION } from '../../version.ts'
import { followAccessLog, type GatewayLogSink } from './follower.ts'
import { gatewaySwitches } from './switches.ts'

const accessLog = required('GATEWAY_ACCESS_LOG')
const endpoint = (process.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4318').replace(/\/$/, '')
const positionFile = `${accessLog}.forwarded`
const positions = readPositions()

const sink: GatewayLogSink = {
  cursor: (name) => positions[name],
  async ingestTraces(bytes, cursor) {
    if (bytes.length > 0) await send(bytes)
    remember(cursor)
  },
  ingestLogs: (_, cursor) => remember(cursor),
}

const onError = (error: unknown) =>
  console.error(`gateway spans: ${error instanceof Error ? error.message : String(error)}`)
const { attributes, unwanted } = gatewaySwitches(process.env, onError)
const follower = followAccessLog({
  accessLog,
  sink,
  resource: {
    version: VERSION,
    environment: process.env.DEPLOYMENT_ENVIRONMENT ?? 'local',
    instanceId: `gateway@${hostname()}`,
    attributes,
  },
  unwanted,
  onError,
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void follower.stop())

async function send(body: Uint8Array): Promise<void> {
  const response = await fetch(`${endpoint}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body: new Uint8Array(body),
    signal: AbortSignal.timeout(10_000),
  })
  if (!response.ok) throw new Error(`${endpoint}/v1/traces answered ${response.status}: ${await response.text()}`)
  await response.arrayBuffer()
}

function remember({ name, value }: { name: string; value: string }): void {
  positions[name] = value
  writeWhole(positionFile, JSON.stringify(positions), 0o644)
}

function readPositions(): Record<string, string> {
  try {
    const text = readFileSync(positionFile, 'utf8')
    if (text.replaceAll('\0', '').trim() !== '') return JSON.parse(text) as Record<string, string>
    // Emptied by a power cut. Spans that are sent again have the same ids.
    console.error(`${positionFile} is empty: the access log is read from its beginning.`)
    return {}
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

function required(name: string): string {
  const value = process.env[name]
  if (value) return value
  console.error(`${name} is not set: it names the gateway's JSON access log.`)
  process.exit(2)
}
