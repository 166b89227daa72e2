/** Sends `spans` spans by OTLP/HTTP over a few keep-alive connections; used by bench.ts as a process of its own. */
import { Agent, request } from 'node:http'
import { rounds, SPANS_PER_TRACE, TRACES_PER_ROUND } from './generate.ts'

const [url, count, spreadSeconds, connections] = process.argv.slice(2)
const spans = Number(count)
const total = Math.ceil(spans / SPANS_PER_TRACE)
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) })
const spreadNs = BigInt(Math.round(Number(spreadSeconds) * 1e9))
const startNs = BigInt(Date.now()) * 1_000_000n - spreadNs

function post(body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length }
    const sent = request(`${url}/v1/traces`, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function deliver(body: Buffer): Promise<void> {
  for (;;) {
    const status = await post(body)
    if (status === 200) return
    if (status !== 429 && status !== 503) throw new Error(`the receiver answered ${status}`)
    refused++
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

let refused = 0
let sent = 0
const started = performance.now()
const cpu = process.cpuUsage()
const inFlight = new Set<Promise<void>>()
for (const round of rounds({ startNs, stepNs: spreadNs / BigInt(total) })) {
  for (const { body } of round.requests) {
    // The generator reuses its buffers.
    const delivery = deliver(Buffer.from(body)).finally(() => inFlight.delete(delivery))
    inFlight.add(delivery)
    if (inFlight.size >= Number(connections)) await Promise.race(inFlight)
  }
  sent += TRACES_PER_ROUND * SPANS_PER_TRACE
  if (sent >= spans) break
}
await Promise.all(inFlight)
const seconds = (performance.now() - started) / 1000
const used = process.cpuUsage(cpu)
process.stdout.write(
  `${JSON.stringify({ sent, seconds, refused, clientCpuSeconds: (used.user + used.system) / 1e6 })}\n`,
)
agent.destroy()
