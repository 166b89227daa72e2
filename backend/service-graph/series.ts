/**
 * Main thread. The numbers per edge and per kind of span, in a bounded number of series: what comes beyond is `_other`.
 */
import type { Edge } from './edges.ts'
import type { GraphSpan } from './graph-span.ts'
import { Histogram } from './histogram.ts'

export interface EdgeSeries {
  readonly labels: Record<string, string>
  total: number
  failed: number
  readonly client: Histogram
  readonly server: Histogram
}

export interface SpanSeries {
  readonly labels: Record<string, string>
  calls: number
  bytes: number
  readonly latency: Histogram
}

const MAX_EDGES = 2000
const MAX_SPAN_SERIES = 5000
/** Where spans go whose name would be one series too many. */
const OTHER = '_other'

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']
const STATUSES = ['UNSET', 'OK', 'ERROR']

/** Series of edges by client, server and connection type. */
export class EdgeSeriesSet {
  private readonly byKey = new Map<string, EdgeSeries>()

  /** The edge's series, made when it is first asked for. */
  of({ client, server, connection }: Edge): EdgeSeries {
    const full = this.byKey.size >= MAX_EDGES
    const key = `${client}\0${server}\0${connection}`
    const known = this.byKey.get(key) ?? (full ? this.byKey.get(OTHER) : undefined)
    if (known !== undefined) return known
    const labels = full
      ? { client: OTHER, server: OTHER, connection_type: '' }
      : { client, server, connection_type: connection }
    const series = { labels, total: 0, failed: 0, client: new Histogram(), server: new Histogram() }
    this.byKey.set(full ? OTHER : key, series)
    return series
  }

  list(): EdgeSeries[] {
    return [...this.byKey.values()]
  }
}

/** Series of spans by service, name, kind and status. */
export class SpanSeriesSet {
  /** Looked up for every span: two maps and an array cost less than a key made of four parts. */
  private readonly byService = new Map<string, Map<string, (SpanSeries | undefined)[]>>()
  private count = 0

  /** The span's series, made when it is first asked for. */
  of(span: GraphSpan): SpanSeries {
    const slot = span.kind * STATUSES.length + span.status
    const known = this.byService.get(span.service)?.get(span.name)?.[slot]
    if (known !== undefined) return known
    const full = this.count >= MAX_SPAN_SERIES
    return full ? this.make(OTHER, OTHER, span, slot) : this.make(span.service, span.name, span, slot)
  }

  list(): SpanSeries[] {
    const names = [...this.byService.values()].flatMap((slotsByName) => [...slotsByName.values()])
    return names.flatMap((slots) => slots.flatMap((series) => series ?? []))
  }

  private make(service: string, name: string, { kind, status }: GraphSpan, slot: number): SpanSeries {
    let slotsByName = this.byService.get(service)
    if (slotsByName === undefined) {
      slotsByName = new Map()
      this.byService.set(service, slotsByName)
    }
    let slots = slotsByName.get(name)
    if (slots === undefined) {
      slots = []
      slotsByName.set(name, slots)
    }
    let series = slots[slot]
    if (series === undefined) {
      const labels = {
        service,
        span_name: name,
        span_kind: `SPAN_KIND_${KINDS[kind]}`,
        status_code: `STATUS_CODE_${STATUSES[status]}`,
      }
      series = { labels, calls: 0, bytes: 0, latency: new Histogram() }
      slots[slot] = series
      this.count++
    }
    return series
  }
}
