/** What an incident is: a fault behind feature flags, the load that meets it, what a player is told, and what the answer is. */
import type { FlagSettings } from '@sightline/service-kit'
import type { Span } from '../trace/spans.ts'
import type { Mix } from './load.ts'
import type { Mechanism } from './mechanisms.ts'
import type { Place, PORT_OF } from './place.ts'

/** What a flag does while the incident runs. */
export interface FlagPlan {
  /** The variant's settings, never empty: `{}` is what "off" means. */
  on: FlagSettings
  /** Percent of requests that it meets, chosen by the seed and the request's id; default: all. */
  share?: number
  /** Only requests of these users. */
  users?: readonly number[]
  /** Only in this service: for flags about a process and not about a request. */
  service?: string
}

/** One value per incident, in incidents/NAME.ts. */
export interface Incident {
  /** How it is started. Names what is seen, never what causes it; so do all other texts but hints and cause. */
  name: string
  title: string
  /** 1 to 3. */
  level: 1 | 2 | 3
  /** What a player is told: what somebody has noticed. */
  symptom: string
  /** The same seed gives the same requests, and the same of them are hit. */
  seed: string
  flags: Record<string, FlagPlan>
  /** Done as the owner of the database, which is within reach in local mode only. */
  database?: {
    begin: readonly string[]
    /** Puts all of it back; safe when only a part of `begin` was done, and when run twice. */
    undo: readonly string[]
  }
  /** Runs beside the load until the signal: a lock that is held. Has the owner of the database: local mode only. */
  background?: (owner: NonNullable<Place['owner']>, signal: AbortSignal) => Promise<void>
  /** A further process of a service, in another role where one is given; `flag` gets the base URLs of both as `urls`. Local mode only. */
  secondProcess?: { of: keyof typeof PORT_OF; flag: string; role?: 'dashboards' }
  load: { requestsPerSecond: number; mix: Mix }
  /** In the order in which they are given, each nearer to the cause. */
  hints: readonly string[]
  cause: {
    service: string
    /** One that telemetry names just as well. */
    orService?: string
    /** Names that count: of spans, routes, statements; case does not. The first is the one that is told. */
    operations: readonly string[]
    mechanism: Mechanism
  }
  /** Whether the fault can be seen on this span. It has to be false for spans that only wait for one that shows it. */
  shows: (span: Span, trace: readonly Span[]) => boolean
  /** How far from now the times of its telemetry may lie although they are of this run, seconds. */
  lookBackSeconds?: number
  /** Whether the fault can be seen in this log line; default: in those of a trace that shows it, of the service that causes it. */
  line?: (line: string, labels: Record<string, string>) => boolean
  /** The series that show it, by the metric's name and all labels as Prometheus stores them; none when no metric tells. */
  metric?: SeriesAtFault
}

interface SeriesAtFault {
  names: RegExp
  series: (labels: Readonly<Record<string, string>>) => boolean
}

/** The series of statements by these names: as the services count them, and as spans are counted. */
export const ofStatement = (statement: RegExp): SeriesAtFault => ({
  names: /^(db_client_operation_duration_seconds|traces_spanmetrics)_/,
  series: ({ db_query_summary, span_name }) =>
    statement.test(db_query_summary ?? span_name?.replace(/^pg\.query:/, '').replace(/ sightline$/, '') ?? ''),
})

/** Whether a series is about calls of that service: its own, its callers', or counted from spans. */
export const isAbout = (service: string, labels: Readonly<Record<string, string>>): boolean =>
  [labels.job, labels.peer_service, labels.server, labels.service].includes(service)

/** Milliseconds from a span's start to its end. */
export const milliseconds = (span: Span): number => Number(span.end - span.start) / 1e6

/** Spans whose parent is this one. */
export const childrenOf = (span: Span, trace: readonly Span[]): Span[] =>
  trace.filter(({ parentId }) => parentId === span.id)

/** Whether this span is of the service, and it or one below it, in the same service, is what is looked for. */
export function within(
  service: string,
  span: Span,
  trace: readonly Span[],
  isSought: (span: Span, trace: readonly Span[]) => boolean,
): boolean {
  const own = trace.filter((one) => one.service === service)
  return span.service === service && [span, ...descendantsOf(span, own)].some((one) => isSought(one, trace))
}

/** Spans below this one, however deep. */
export const descendantsOf = (span: Span, trace: readonly Span[]): Span[] =>
  childrenOf(span, trace).flatMap((child) => [child, ...descendantsOf(child, trace)])
