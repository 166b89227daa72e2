/**
 * Main thread. A histogram's numbers, with the last exemplar of each bucket. prom-client's own costs microseconds per
 * observation.
 */

/** As observability/tempo.yaml tells Tempo; 0.25 is the limit of the latency objective in prometheus/rules/slo.yml. */
export const LATENCY_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** An exemplar this fresh is kept: naming every span would cost more than counting it. */
const EXEMPLAR_EVERY_MS = 1000

interface Exemplar {
  readonly traceId: string
  readonly value: number
  readonly timeMs: number
}

/** In seconds, over LATENCY_BUCKETS. */
export class Histogram {
  private readonly counts = new Float64Array(LATENCY_BUCKETS.length + 1)
  private readonly exemplars: (Exemplar | undefined)[] = []
  private sum = 0
  private count = 0

  /** `traceId` in raw characters; `count`: how many there were of that value. */
  observe(value: number, traceId: string, nowMs: number, count: number): void {
    let bucket = 0
    while (bucket < LATENCY_BUCKETS.length && value > LATENCY_BUCKETS[bucket]!) bucket++
    this.counts[bucket]! += count
    this.sum += value * count
    this.count += count
    const last = this.exemplars[bucket]
    if (last === undefined || nowMs - last.timeMs >= EXEMPLAR_EVERY_MS) {
      this.exemplars[bucket] = { traceId, value, timeMs: nowMs }
    }
  }

  /** Samples as prom-client's registry prints them. */
  samples(name: string, labels: Record<string, string>): Sample[] {
    const samples: Sample[] = []
    // `user` has no clock and a dead server neither: no series rather than one of zeros.
    if (this.count === 0) return samples
    let below = 0
    for (let bucket = 0; bucket <= LATENCY_BUCKETS.length; bucket++) {
      below += this.counts[bucket]!
      const le = LATENCY_BUCKETS[bucket] === undefined ? '+Inf' : String(LATENCY_BUCKETS[bucket])
      const exemplar = this.exemplars[bucket]
      samples.push({
        metricName: `${name}_bucket`,
        labels: { ...labels, le },
        value: below,
        ...(exemplar && { exemplar: printable(exemplar) }),
      })
    }
    samples.push({ metricName: `${name}_sum`, labels, value: this.sum })
    samples.push({ metricName: `${name}_count`, labels, value: this.count })
    return samples
  }
}

export interface Sample {
  readonly metricName?: string
  readonly labels: Record<string, string>
  readonly value: number
  readonly exemplar?: { labelSet: Record<string, string>; value: number; timestamp: number }
}

function printable({ traceId, value, timeMs }: Exemplar) {
  return { labelSet: { traceID: Buffer.from(traceId, 'latin1').toString('hex') }, value, timestamp: timeMs / 1000 }
}
