/** Main thread. OTLP metrics into a Prometheus, by remote write. 200 means that Prometheus has taken them; nothing is kept here. */
import { sendSeries } from '@sightline/service-kit/remote-write'
import { httpError } from '../../http.ts'
import type { ReadCounts } from '../../otlp/traces.ts'
import { RETRY_SECONDS } from '../answers.ts'
import { decodeMetrics } from './decode.ts'
import { type PointSeries, translated } from './translate.ts'

export interface MetricsDeps {
  /** Of the receiver, `http://127.0.0.1:9090/api/v1/write`. */
  readonly url: string
  onCounted(counts: ReadCounts): void
  /** Once when Prometheus is away (why), and once when it is back (undefined). */
  onAway(why: string | undefined): void
  /** Prometheus has so long for an answer; 8 s by default, less than SDKs wait. */
  readonly answerWithinMs?: number
}

/** Of one request to Prometheus. */
const BATCH_BYTES = 4 << 20
/** Of all that one request from outside may become. */
const MOST_BYTES = 64 << 20
/** A batch that Prometheus refuses is sent in halves, to save what is good in it. So often per request from outside. */
const MOST_HALVINGS = 32
/** More reasons are no help, and an answer has a length. */
const MOST_REASONS = 3
/** Of requests that wait for their turn. */
const MOST_WAITING_BYTES = 64 << 20

/**
 * What Prometheus 2.42 says of a sample with status 500, where it means 400 and later versions answer that: sent again, it would
 * be refused again, and all that comes with it.
 */
const NOT_TAKEN = /too old sample|out of order sample|out of bounds|duplicate sample|invalid sample/

interface Refusal {
  /** It is about samples: others of the same batch may be taken. */
  readonly ofSamples: boolean
  readonly text: string
}

/**
 * Takes an ExportMetricsServiceRequest; they are written one after the other. Rejects with a WireError for bytes that are no such
 * message, with an HttpError: 503 while Prometheus is away, 429 when too much waits, 413 for too many parts. Sent again, what
 * Prometheus has taken already changes nothing.
 */
export function createMetricsSink(deps: MetricsDeps): (bytes: Uint8Array) => Promise<ReadCounts> {
  const { answerWithinMs = 8_000 } = deps
  let away = false
  let failures = 0
  let waiting = 0
  let turn: Promise<unknown> = Promise.resolve()

  return (bytes) => {
    if (waiting > 0 && waiting + bytes.length > MOST_WAITING_BYTES)
      return Promise.reject(
        httpError(429, 'Prometheus is behind with what was sent. Send this again.', { 'retry-after': '2' }),
      )
    waiting += bytes.length
    const before = failures
    const done = turn.then(() => {
      // It went away while this one waited: each would wait as long for no answer.
      if (failures !== before) throw unavailable()
      return writeAll(bytes)
    })
    turn = done.then(
      () => undefined,
      () => undefined,
    )
    return done.finally(() => {
      waiting -= bytes.length
    })
  }

  async function writeAll(bytes: Uint8Array): Promise<ReadCounts> {
    const reasons = new Set<string>()
    let rejected = 0
    let accepted = 0
    let halvings = 0
    const refuse = (points: number, why: string): void => {
      rejected += points
      if (reasons.size < MOST_REASONS) reasons.add(why)
    }

    async function write(batch: readonly PointSeries[]): Promise<void> {
      const points = batch.reduce((sum, one) => sum + one.points, 0)
      const refusal = await send(batch)
      if (refusal === undefined) {
        accepted += points
      } else if (refusal.ofSamples && batch.length > 1 && halvings < MOST_HALVINGS) {
        halvings++
        const half = batch.length >> 1
        await write(batch.slice(0, half))
        await write(batch.slice(half))
      } else if (points > 0) {
        const first = batch.find((one) => one.points > 0)!.metric
        const named = points > 1 ? `${first} and ${points - 1} more` : first
        refuse(points, `${named}: Prometheus refuses it (${refusal.text})`)
      }
    }

    let batch: PointSeries[] = []
    let size = 0
    let total = 0
    for (const point of translated(decodeMetrics(bytes), Date.now(), refuse)) {
      total += point.bytes
      if (total > MOST_BYTES) {
        const why = `the request makes more than ${MOST_BYTES} bytes of series. Send fewer points at once`
        refuse(point.points, `${point.metric}: ${why}`)
        continue
      }
      if (size + point.bytes > BATCH_BYTES && batch.length > 0) {
        await write(batch)
        batch = []
        size = 0
      }
      batch.push(point)
      size += point.bytes
    }
    if (batch.length > 0) await write(batch)
    const counts = { accepted, rejected, reason: [...reasons].join('; ') }
    deps.onCounted(counts)
    return counts
  }

  /** Undefined when Prometheus has taken it, else what it has against it. */
  async function send(batch: readonly PointSeries[]): Promise<Refusal | undefined> {
    const series = batch.flatMap((point) => point.series)
    const answer = sendSeries(deps.url, series, AbortSignal.timeout(answerWithinMs))
    const { status, text } = await answer.catch((error: unknown) => {
      throw gone(reasonOf(error))
    })
    const ofSamples = status === 400 || (status === 500 && NOT_TAKEN.test(text))
    if (!ofSamples && (status >= 500 || status === 429 || status === 408)) throw gone(`it answers ${status}: ${text}`)
    if (away) deps.onAway(undefined)
    away = false
    return status < 300 ? undefined : { ofSamples, text: `${status}: ${text}` }
  }

  function gone(why: string): Error {
    failures++
    if (!away) deps.onAway(why)
    away = true
    return unavailable()
  }
}

const unavailable = () =>
  httpError(503, 'Prometheus does not take metrics at this moment. Send this again.', {
    'retry-after': String(RETRY_SECONDS),
  })

/** Of what was given up the cause says why. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error
  return cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : message
}
