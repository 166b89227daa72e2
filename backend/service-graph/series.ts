/**
 * Main thread. The numbers per edge and per kind of span, in a bounded number of series: what comes beyond is `_other`.
 */
import type { Edge } from './edges.ts'
import type { GraphSpan } from './graph-span.ts'
import { Histogram } from './histogram.ts'
import type { KeptTraces } from './kept-traces.ts'

export interface EdgeSeries {
  readonly labels: Record<string, string>
  /** How often the metrics had been read when it was made. */
  readonly born: number
  total: number
  failed: number
  readonly client: Histogram
  readonly server: Histogram
}

export interface SpanSeries {
  readonly labels: Record<string, string>
  readonly born: number
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

/** As Tempo calls the dimension http.response.status_code: observability/tempo.yaml. */
const httpLabel = (status: string): Record<string, string> =>
  status === '' ? {} : { http_response_status_code: status }

/** Series of edges by client, server, connection type and status code. */
export class EdgeSeriesSet {
  private readonly kept: KeptTraces
  private readonly byKey = new Map<string, EdgeSeries>()

  constructor(kept: KeptTraces) {
    this.kept = kept
  }

  /** The edge's series, made when it is first asked for. */
  of({ client, server, connection, httpStatus }: Edge, born: number): EdgeSeries {
    const full = this.byKey.size >= MAX_EDGES
    const key = `${client}\0${server}\0${connection}\0${httpStatus}`
    const known = this.byKey.get(key) ?? (full ? this.byKey.get(OTHER) : undefined)
    if (known !== undefined) return known
    const labels = full
      ? { client: OTHER, server: OTHER, connection_type: '' }
      : { client, server, connection_type: connection, ...httpLabel(httpStatus) }
    const series = {
      labels,
      born,
      total: 0,
      failed: 0,
      client: new Histogram(this.kept),
      server: new Histogram(this.kept),
    }
    this.byKey.set(full ? OTHER : key, series)
    return series
  }

  list(): EdgeSeries[] {
    return [...this.byKey.values()]
  }
}

/** Series of spans by service, name, kind, status and status code. */
export class SpanSeriesSet {
  private readonly kept: KeptTraces
  /** Looked up for every span: maps cost less than a key made of five parts. */
  private readonly byService = new Map<string, Map<string, Map<string | number, SpanSeries>>>()
  private count = 0

  constructor(kept: KeptTraces) {
    this.kept = kept
  }

  /** The span's series, made when it is first asked for. */
  of(span: GraphSpan, born: number): SpanSeries {
    const slot = slotOf(span)
    const known = this.byService.get(span.service)?.get(span.name)?.get(slot)
    if (known !== undefined) return known
    const full = this.count >= MAX_SPAN_SERIES
    return full
      ? this.make(OTHER, OTHER, { ...span, httpStatus: '' }, born)
      : this.make(span.service, span.name, span, born)
  }

  list(): SpanSeries[] {
    const names = [...this.byService.values()].flatMap((slotsByName) => [...slotsByName.values()])
    return names.flatMap((slots) => [...slots.values()])
  }

  private make(service: string, name: string, span: GraphSpan, born: number): SpanSeries {
    const { kind, status, httpStatus } = span
    const slot = slotOf(span)
    let slotsByName = this.byService.get(service)
    if (slotsByName === undefined) {
      slotsByName = new Map()
      this.byService.set(service, slotsByName)
    }
    let slots = slotsByName.get(name)
    if (slots === undefined) {
      slots = new Map()
      slotsByName.set(name, slots)
    }
    let series = slots.get(slot)
    if (series === undefined) {
      const labels = {
        service,
        span_name: name,
        span_kind: `SPAN_KIND_${KINDS[kind]}`,
        status_code: `STATUS_CODE_${STATUSES[status]}`,
        ...httpLabel(httpStatus),
      }
      series = { labels, born, calls: 0, bytes: 0, latency: new Histogram(this.kept) }
      slots.set(slot, series)
      this.count++
    }
    return series
  }
}

/** A number where there is no status code, which is most spans: it costs no new string. */
function slotOf({ kind, status, httpStatus }: GraphSpan): string | number {
  const slot = kind * STATUSES.length + status
  return httpStatus === '' ? slot : `${slot} ${httpStatus}`
}
