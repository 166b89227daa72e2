/** The telemetry backend goes wrong in every way it can; the chain must not notice. */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { onPath } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'
import { percentile } from '../load/tally.ts'
import { readTrace } from '../trace/spans.ts'
import { closeBooks, openBooks } from './books.ts'
import { type Drill, type DrillRun, secondsUntil, services } from './drill.ts'
import { type Attempt, type Load, outcomes } from './load.ts'
import { collectGarbage, metricSum, urlOf } from './measure.ts'

const BACKEND = 'telemetry-backend'
/** A short run shows that nothing fails; only the full one compares latencies. */
const roundsOf = (seconds: number) => (seconds < 5 ? 1 : 4)
const SLOW_MS = 5_000
/** Fewer than these say nothing about a 99th percentile. */
const ENOUGH = 1_000
/** Of one service, in use after garbage is collected: two full queues of 16,384 spans and log lines. */
const MAY_GROW_MB = 64

interface Fault {
  name: string
  begin(run: DrillRun): Promise<() => Promise<void>>
}

const answering = (status: number, afterMs: number) => async (run: DrillRun) => {
  run.system.killComponent(BACKEND, 'SIGKILL')
  const server = await stranger(run.system.ports.OTLP_HTTP_PORT, status, afterMs)
  return async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    await run.system.startComponent(BACKEND)
  }
}

const faults: Fault[] = [
  {
    name: 'gone',
    begin: async ({ system }) => {
      system.killComponent(BACKEND, 'SIGKILL')
      return () => system.startComponent(BACKEND)
    },
  },
  {
    name: 'hanging',
    begin: async ({ system }) => {
      system.killComponent(BACKEND, 'SIGSTOP')
      return async () => system.killComponent(BACKEND, 'SIGCONT')
    },
  },
  { name: 'answering 500', begin: answering(500, 0) },
  { name: `slow (${SLOW_MS / 1000} s an answer)`, begin: answering(200, SLOW_MS) },
]

export const telemetryDown: Drill = {
  name: 'telemetry-down',
  does: 'telemetry backend gone, hanging, answering 500, slow; request latency compared in alternating windows',
  preload: 'collect-garbage.mjs',
  run: async (run) => {
    await comparing(run, faults)
  },
}

/**
 * A limit on file sizes stands in for the disk: every write that would make a file longer fails, with EFBIG where a full
 * disk says ENOSPC.
 */
export const telemetryDiskFull: Drill = {
  name: 'telemetry-disk-full',
  does: 'the telemetry backend can write nothing more (limit on file size)',
  preload: 'collect-garbage.mjs',
  unavailable: () => (onPath('prlimit') === null ? 'prlimit (util-linux) is not there' : undefined),
  run: async (run) => {
    const pid = run.system.pid(BACKEND)
    // As the backend's user: root in a container may lack the right to limit another's process.
    const { uid, gid } = statSync(`/proc/${pid}`)
    const limit = (size: string) => execFileSync('prlimit', ['--pid', String(pid), `--fsize=${size}:`], { uid, gid })
    const begin = async () => {
      limit('0')
      return async () => void limit('unlimited')
    }
    await comparing(run, [{ name: 'disk full', begin }])
  },
}

/** Normal and faulty windows alternate, so that whatever else the machine does falls on both. */
async function comparing(run: DrillRun, list: Fault[]): Promise<void> {
  const { system, options, say, expect } = run
  const opening = await openBooks(run)
  const dropped = () => sum(services.map((service) => metricSum(urlOf(system, service), 'telemetry_dropped_total')))
  const load = run.load({ keyed: 0 })
  await window(load, options.seconds)
  const calm = await inUse(run)
  let most = calm
  for (const { name, begin } of list) {
    const normal: Attempt[] = []
    const faulty: Attempt[] = []
    const before = await dropped()
    for (let round = 0; round < roundsOf(options.seconds); round++) {
      normal.push(...(await window(load, options.seconds)))
      const end = await begin(run)
      try {
        faulty.push(...(await window(load, options.seconds)))
        most = largest(most, await inUse(run))
      } finally {
        await end()
      }
    }
    const failed = faulty.filter(({ outcome }) => outcome !== 200 && outcome !== 201)
    expect(
      `${name}: no request fails`,
      failed.length === 0,
      `${failed.length} of ${faulty.length} (${outcomes(failed)})`,
    )
    compare(name, normal, faulty, expect)
    const took = await secondsUntil('a trace is complete again', 60, () =>
      completeTrace(system.urls.gateway, system.urls.tempo),
    )
    expect(`${name}: recovers by itself`, took < 60, `a complete trace ${took.toFixed(1)} s later`)
    say(`${name}: ${(await dropped()) - before} spans and log lines dropped, all counted in telemetry_dropped_total`)
  }
  const count = await dropped()
  expect('what is lost is counted', count > 0 || options.seconds < 10, `telemetry_dropped_total ${count}`)
  const grown = services.map((service) => most[service].megabytes - calm[service].megabytes)
  const counted = services.map(
    (service, index) =>
      `${service} ${grown[index]!.toFixed(0)} MB more, ${most[service].waiting} spans and lines waiting`,
  )
  expect('memory stays bounded', Math.max(...grown) < MAY_GROW_MB, counted.join('; '))
  await load.stop()
  await closeBooks(run, load, opening)
}

function compare(name: string, normal: Attempt[], faulty: Attempt[], expect: DrillRun['expect']): void {
  const p99 = (attempts: Attempt[]) =>
    percentile(
      attempts.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b),
      0.99,
    )
  const ratio = p99(faulty) / p99(normal)
  const enough = Math.min(normal.length, faulty.length) >= ENOUGH
  const figures = `${p99(faulty).toFixed(1)} ms against ${p99(normal).toFixed(1)} ms, ratio ${ratio.toFixed(2)}, ${normal.length} and ${faulty.length} requests`
  expect(
    `${name}: p99 within 10 % of normal`,
    !enough || ratio <= 1.1,
    enough ? figures : `${figures}: too few to judge`,
  )
}

/** The requests sent within one window, once answered. What comes right after a switch belongs to neither side. */
async function window(load: Load, seconds: number): Promise<Attempt[]> {
  await delay(Math.min(1, seconds) * 1000)
  const from = performance.now()
  await delay(seconds * 1000)
  const to = performance.now()
  await delay(500)
  return load.since(from).filter(({ at }) => at < to)
}

/** Something else on the backend's port. */
function stranger(port: number, status: number, afterMs: number): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => setTimeout(() => response.writeHead(status).end(), afterMs))
  })
  return new Promise((listening, failed) => {
    const attempt = () => server.listen(port, '127.0.0.1', () => listening(server))
    const deadline = Date.now() + 5_000
    // The killed backend may hold the port for a moment yet.
    server.on('error', (error) => (Date.now() < deadline ? setTimeout(attempt, 20) : failed(error)))
    attempt()
  })
}

async function completeTrace(gateway: string, tempo: string): Promise<void> {
  const response = await fetch(`${gateway}/api/v1/process`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user_id: 1, action: 'drill' }),
  })
  await response.text()
  const id = response.headers.get('x-trace-id')!
  await until(
    `trace ${id} has spans of all four`,
    8,
    async () => new Set((await readTrace(tempo, id))?.map(({ service }) => service)),
    (services) => {
      if (services.size < 4) throw new Error(`there are spans of ${[...services].join(', ') || 'nobody'} only`)
    },
  )
}

const sum = async (numbers: Promise<number>[]) => (await Promise.all(numbers)).reduce((total, one) => total + one, 0)

interface InUse {
  /** Heap and buffers after garbage is collected. */
  megabytes: number
  /** Spans and log lines in the export queues. */
  waiting: number
}
type Memory = Record<(typeof services)[number], InUse>

async function inUse({ system }: DrillRun): Promise<Memory> {
  await collectGarbage(system, services)
  const look = async (url: string): Promise<InUse> => {
    const read = (name: string) => metricSum(url, name)
    const bytes = (await read('nodejs_heap_size_used_bytes')) + (await read('nodejs_external_memory_bytes'))
    return { megabytes: bytes / 2 ** 20, waiting: await read('telemetry_queue_size') }
  }
  const found = await Promise.all(services.map(async (service) => [service, await look(urlOf(system, service))]))
  return Object.fromEntries(found)
}

const largest = (one: Memory, other: Memory): Memory =>
  Object.fromEntries(
    services.map((service) => [
      service,
      other[service].megabytes > one[service].megabytes ? other[service] : one[service],
    ]),
  ) as Memory
