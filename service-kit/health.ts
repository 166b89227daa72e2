/** Liveness with detail, and readiness: whether to send traffic here. */
import { elapsedMs } from './durations.ts'
import type { ServiceClient } from './http-client.ts'
import type { Answer, RouteDefinition, Routes } from './http-server.ts'
import type { Metrics } from './metrics.ts'
import type { Database } from './postgres.ts'
import { remainingMs } from './request-context.ts'

type Status = 'ok' | 'degraded' | 'down'
interface Check {
  status: Status
  latency_ms: number
  detail?: string
  [further: string]: unknown
}

/** What the common routes look at. */
export interface HealthOptions {
  service: { name: string; version: string }
  database: Pick<Database, 'check'>
  /** The next service; its state is shown, and makes this one degraded at worst. */
  nextService: ServiceClient | undefined
  /** What else the service looks at, by its name: what is wrong, which makes it degraded, or undefined. Nothing that waits. */
  checks?: Record<string, () => string | undefined>
  metrics: Metrics
  /** True once the process has been told to stop. */
  isDraining: () => boolean
  openApi: object
  endpoints: { health: RouteDefinition; ready: RouteDefinition }
}

/**
 * Adds the routes that every service has:
 *
 *   /health        200 with `ok` or `degraded`, 503 with `down`; the database and the next service, each with its latency
 *   /ready         200, or 503 with the reason: `stopping` or `database`
 *   /metrics       OpenMetrics text
 *   /openapi.json  `openApi` as it is given
 */
export function addCommonRoutes(routes: Routes, options: HealthOptions): void {
  const document = JSON.stringify(options.openApi)
  routes.add({ ...options.endpoints.health, probe: true }, () => health(options))
  routes.add({ ...options.endpoints.ready, probe: true }, () => readiness(options))
  routes.add({ method: 'get', path: '/metrics', probe: true }, async () => {
    const { body, contentType } = await options.metrics.scrape()
    // A scraper's connection idles for seconds and would hold up a stop for as long.
    return { status: 200, body, headers: { 'Content-Type': contentType, Connection: 'close' } }
  })
  routes.add({ method: 'get', path: '/openapi.json' }, () => ({ status: 200, body: document }))
}

async function health({ service, database, nextService, checks = {} }: HealthOptions): Promise<Answer> {
  const [own, next] = await Promise.all([
    timed(() => database.check()),
    nextService ? checkNextService(nextService) : undefined,
  ])
  const further = Object.entries(checks).map(([name, look]): [string, Check] => {
    const detail = look()
    return [name, { status: detail === undefined ? 'ok' : 'degraded', latency_ms: 0, ...(detail ? { detail } : {}) }]
  })
  const isWell = (next?.status ?? 'ok') === 'ok' && further.every(([, { status }]) => status === 'ok')
  const status: Status = own.status === 'down' ? 'down' : isWell ? 'ok' : 'degraded'
  const body = {
    status,
    service: service.name,
    version: service.version,
    uptime_seconds: Math.round(process.uptime()),
    checks: {
      database: own,
      ...Object.fromEntries(further),
      ...(nextService && next ? { [nextService.peer]: next } : {}),
    },
  }
  return { status: status === 'down' ? 503 : 200, body }
}

async function checkNextService(nextService: ServiceClient): Promise<Check> {
  let seen: { status?: Status; checks?: unknown; version?: unknown } = {}
  const check = await timed(async () => {
    // Less than the caller's own wait, so that the one that is silent is the one that is named.
    const timeoutMs = Math.max(50, Math.min(1_000, remainingMs() - 100))
    seen = (await nextService.get('/health', timeoutMs)).body as typeof seen
  })
  if (check.status === 'down') return check
  return { ...check, status: seen.status ?? 'down', version: seen.version, checks: seen.checks }
}

async function timed(work: () => Promise<unknown>): Promise<Check> {
  const started = performance.now()
  try {
    await work()
    return { status: 'ok', latency_ms: elapsedMs(started) }
  } catch {
    // The reason is for logs; an address or a role name is nobody's business outside.
    return { status: 'down', latency_ms: elapsedMs(started), detail: 'no answer' }
  }
}

async function readiness({ database, isDraining }: HealthOptions): Promise<Answer> {
  if (isDraining()) return { status: 503, body: { status: 'not ready', reason: 'stopping' } }
  const { status } = await timed(() => database.check())
  if (status === 'down') return { status: 503, body: { status: 'not ready', reason: 'database' } }
  return { status: 200, body: { status: 'ready' } }
}
