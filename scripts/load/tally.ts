import { counted } from '@sightline/contracts/counted'
import type { Exchange, Kind } from './operations.ts'

interface Row {
  milliseconds: number[]
  /** Status or error code -> how often. */
  outcomes: Map<number | string, number>
  unexpected: number
}

/** Counts answers by kind and keeps every latency, so that percentiles are exact. */
export class Tally {
  sent = 0
  unexpected = 0
  readonly #began = performance.now()
  readonly #rows = new Map<Kind, Row>()

  add(exchange: Exchange, outcome: number | string, milliseconds: number): void {
    const row: Row = this.#rows.get(exchange.kind) ?? { milliseconds: [], outcomes: new Map(), unexpected: 0 }
    this.#rows.set(exchange.kind, row)
    row.milliseconds.push(milliseconds)
    row.outcomes.set(outcome, (row.outcomes.get(outcome) ?? 0) + 1)
    this.sent++
    if (typeof outcome === 'number' && exchange.expected.includes(outcome)) return
    row.unexpected++
    this.unexpected++
  }

  seconds(): number {
    return (performance.now() - this.#began) / 1000
  }

  /** A table with one line per kind; latencies in milliseconds. */
  summary(): string {
    const seconds = this.seconds()
    const lines = [
      `${counted(this.sent, 'request')} in ${seconds.toFixed(1)} s (${(this.sent / seconds).toFixed(1)}/s), ${this.unexpected} unexpected`,
      `${'kind'.padEnd(10)}${['count', 'p50 ms', 'p90', 'p95', 'p99', 'max'].map((name) => name.padStart(9)).join('')}  answers`,
    ]
    for (const [kind, row] of [...this.#rows].sort(([a], [b]) => a.localeCompare(b))) {
      const sorted = row.milliseconds.sort((a, b) => a - b)
      const at = [0.5, 0.9, 0.95, 0.99, 1].map((p) => percentile(sorted, p).toFixed(1).padStart(9))
      const outcomes = [...row.outcomes].sort(([, a], [, b]) => b - a).map(([outcome, n]) => `${outcome}: ${n}`)
      const wrong = row.unexpected ? `  (${row.unexpected} unexpected)` : ''
      lines.push(`${kind.padEnd(10)}${String(sorted.length).padStart(9)}${at.join('')}  ${outcomes.join(', ')}${wrong}`)
    }
    if ([...this.#rows.values()].some((row) => row.outcomes.has(429))) {
      lines.push('429 comes from the gateway: raise GATEWAY_RATE_LIMIT for npm start, or lower --rate.')
    }
    return `\n${lines.join('\n')}`
  }
}

/** Nearest-rank percentile of an ascending list; 0 for an empty one. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? 0
}
