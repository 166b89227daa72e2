/**
 * Main thread. A histogram's numbers, with the last exemplar of each bucket. prom-client's own costs microseconds per
 * observation.
 */

import type { KeptTraces } from './kept-traces.ts'

/** As observability/tempo.yaml tells Tempo; 0.25 is the limit of the latency objective in prometheus/rules/slo.yml. */
export const LATENCY_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** An exemplar this fresh is kept: naming every span would cost more than counting it. */
const EXEMPLAR_EVERY_MS = 1000

interface Exemplar extends Observed {
  readonly value: number
  readonly timeMs: number
}

/** Of which span a value is; `traceId` in raw characters. */
export interface Observed {
  readonly traceId: string
  readonly randomBits: number
  /** How many there were of that value. */
  readonly count: number
}

/** In seconds, over LATENCY_BUCKETS. Its exemplars name traces that are kept alone. */
export class Histogram {
  private readonly kept: KeptTraces
  private readonly counts = new Float64Array(LATENCY_BUCKETS.length + 1)
  /** The last one seen of each bucket: whether it is kept may not be known yet. */
  private readonly seen: (Exemplar | undefined)[] = []
  private readonly exemplars: (Exemplar | undefined)[] = []
  private sum = 0
  private count = 0

  constructor(kept: KeptTraces) {
    this.kept = kept
  }

  observe(value: number, { traceId, randomBits, count }: Observed, nowMs: number): void {
    let bucket = 0
    while (bucket < LATENCY_BUCKETS.length && value > LATENCY_BUCKETS[bucket]!) bucket++
    this.counts[bucket]! += count
    this.sum += value * count
    this.count += count
    const last = this.seen[bucket]
    // One that is kept for sure takes the place of one that may be.
    if (last === undefined || nowMs - last.timeMs >= EXEMPLAR_EVERY_MS || this.betterThan(last, traceId, randomBits)) {
      this.exemplars[bucket] = this.exemplar(bucket)
      this.seen[bucket] = { traceId, randomBits, count, value, timeMs: nowMs }
    }
  }

  private betterThan(last: Exemplar, traceId: string, randomBits: number): boolean {
    return !this.kept.has(last.traceId, last.randomBits) && this.kept.has(traceId, randomBits)
  }

  /** The newest whose trace is kept. */
  private exemplar(bucket: number): Exemplar | undefined {
    const seen = this.seen[bucket]
    return seen !== undefined && this.kept.has(seen.traceId, seen.randomBits) ? seen : this.exemplars[bucket]
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
      const exemplar = this.exemplar(bucket)
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
