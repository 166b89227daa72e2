/** Clocks: of services, database and telemetry, against this machine's. */
import { readLogs } from '../trace/logs.ts'
import { readTrace, type Span } from '../trace/spans.ts'
import { ask, promql, rows } from './ask.ts'
import { type Check, fail, pass } from './check.ts'
import type { Patient } from './patient.ts'

const GROUP = 'Clocks'
/** Containers share their host's clock, and NTP keeps machines within far less. */
const TOLERATED_SECONDS = 2
const REMEDY =
  'timedatectl (Linux) or sntp (macOS) says whether the clock is kept by NTP; a virtual machine that slept needs it set. Times of spans, lines and rows come from the part that wrote them.'

const servers: Check = {
  id: 'clock-servers',
  group: GROUP,
  title: 'database and engines have the time of this machine',
  needs: ['port-postgres', 'port-prometheus', 'port-tempo', 'port-loki'],
  async run(patient, signal) {
    const { urls } = patient
    const header = async (url: string) => Date.parse((await ask(url, signal)).headers.get('date') ?? '') / 1000
    const clocks = {
      PostgreSQL: async () =>
        (await rows<{ now: number }>(patient, 'select extract(epoch from clock_timestamp())::float8 as now'))[0]!.now,
      Prometheus: async () => (await promql(patient, 'vector(time())', signal))[0]!.value,
      Tempo: () => header(`${urls.tempo}/ready`),
      Loki: () => header(`${urls.loki}/ready`),
    }
    const wrong: string[] = []
    for (const [name, ask] of Object.entries(clocks)) {
      const before = Date.now() / 1000
      const theirs = await ask()
      // A server that sends no date can't be judged by it.
      if (Number.isNaN(theirs)) continue
      // A Date header has whole seconds, rounded down.
      const off = theirs < before - 1 ? theirs - before : Math.max(0, theirs - Date.now() / 1000)
      if (Math.abs(off) > TOLERATED_SECONDS) wrong.push(`${name} ${offText(off)}`)
    }
    return wrong.length === 0 ? pass(Object.keys(clocks).join(', ')) : fail(wrong.join('; '), REMEDY)
  },
}

const telemetry: Check = {
  id: 'clock-telemetry',
  group: GROUP,
  title: "spans and lines of the order lie within the order's own time",
  needs: ['trace'],
  async run(patient) {
    const { order, urls } = patient
    const spans = (await readTrace(urls.tempo, order!.trace_id)) ?? []
    const lines = await readLogs(urls.loki, order!.trace_id, spans)
    const times = [
      ...spans.map((span) => [span.service, millis(span.start)] as const),
      ...lines.map((line) => [line.service, millis(line.time)] as const),
    ]
    const worst = new Map<string, number>()
    for (const [service, time] of times) {
      const off = outside(time, patient)
      if (Math.abs(off) > Math.abs(worst.get(service) ?? 0)) worst.set(service, off)
    }
    const wrong = [...worst].filter(([, off]) => Math.abs(off) > TOLERATED_SECONDS)
    if (wrong.length === 0) return pass(`${new Set(times.map(([service]) => service)).size} parts`)
    return fail(wrong.map(([service, off]) => `${service} ${offText(off)}`).join('; '), REMEDY)
  },
}

const millis = (nanoseconds: Span['start']): number => Number(nanoseconds / 1_000_000n)

/** Seconds before the request was sent (negative), or after it was answered; 0 between them. */
function outside(time: number, { order }: Patient): number {
  const { sentAt, answeredAt } = order!
  return (Math.min(0, time - sentAt) + Math.max(0, time - answeredAt)) / 1000
}

const offText = (seconds: number): string => `is ${Math.abs(seconds).toFixed(1)} s ${seconds > 0 ? 'ahead' : 'behind'}`

export const clockChecks: readonly Check[] = [servers, telemetry]
