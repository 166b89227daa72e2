/** Settings of the embedded backend, from its environment. A wrong one stops the start with its name and what is allowed. */
import { allowedHosts, listStep } from '@sightline/service-kit/allowed-hosts'
import { z } from 'zod'
import { corsOrigins } from './receive/cors.ts'

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback)

const DURATION_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
const BYTE_UNITS: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** `7d`, `36h`, `90m` -> milliseconds. */
const duration = z
  .string()
  .regex(/^\d+[smhdw]$/, 'write a whole number and one of s, m, h, d, w, e.g. 7d')
  .transform((value) => Number(value.slice(0, -1)) * DURATION_SECONDS[value.slice(-1)]! * 1000)

/** `512MB`, `10GB`, `1048576` -> bytes. */
const bytes = z
  .string()
  .regex(/^\d+\s*([kmgt]i?b?|b)?$/i, 'write bytes, e.g. 512MB or 10GB')
  .transform((value) => {
    const unit = /[kmgt]/i.exec(value)?.[0].toLowerCase() ?? ''
    return Number.parseInt(value, 10) * BYTE_UNITS[unit]!
  })

const remoteWriteUrl = z.url({
  protocol: /^https?$/,
  error: 'write the URL of a remote write receiver, e.g. http://127.0.0.1:9090/api/v1/write',
})

/** `none`: there is no such program, and the console says so instead of asking. */
const urlOrNone = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((value) => (value === 'none' ? undefined : value))
    .pipe(z.url('write a URL, or none where there is no such program').optional())

const environment = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Names besides localhost and IP addresses that requests may come by, and pages they may come from. */
  SIGHTLINE_ALLOWED_HOSTS: z.string().optional().transform(listStep(allowedHosts)),
  /** Origins, besides those of this machine, whose pages may send OTLP from a browser. */
  OTLP_CORS_ORIGINS: z.string().optional().transform(listStep(corsOrigins)),
  OTLP_HTTP_PORT: port(4318),
  OTLP_GRPC_PORT: port(4317),
  TEMPO_PORT: port(3200),
  LOKI_PORT: port(3100),
  CONSOLE_PORT: port(3000),
  EMBEDDED_DATA_DIR: z.string().min(1).default('.sightline/embedded'),
  GATEWAY_ACCESS_LOG: z.string().min(1).optional(),
  GATEWAY_PID_FILE: z.string().min(1).optional(),
  GATEWAY_STATUS_URL: z.url().optional(),
  /** PostgreSQL's log in its format jsonlog. It need not exist yet. */
  POSTGRES_JSON_LOG: z.string().min(1).optional(),
  DEPLOYMENT_ENVIRONMENT: z.string().min(1).default('local'),
  /** Set: the Prometheus at PROMETHEUS_URL is served there, to whom it may be. */
  PROMETHEUS_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  PROMETHEUS_URL: urlOrNone('http://127.0.0.1:9090'),
  /** Where OTLP metrics are written, `http://127.0.0.1:9090/api/v1/write`; without it they are refused. */
  PROMETHEUS_REMOTE_WRITE_URL: remoteWriteUrl.optional(),
  /** Set both: the Alertmanager at ALERTMANAGER_URL is served there likewise. */
  ALERTMANAGER_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  ALERTMANAGER_URL: z.url().optional(),
  AUDIT_SERVICE_URL: urlOrNone('http://127.0.0.1:5003'),
  /** What SQL panels ask; without a password they say that there is no database. */
  PGHOST: z.string().min(1).default('127.0.0.1'),
  PGPORT: port(5432),
  PGDATABASE: z.string().min(1).default('sightline'),
  PGUSER: z.string().min(1).default('dashboards'),
  PGPASSWORD: z.string().min(1).optional(),
  TRACES_RETENTION: duration.default(7 * 86_400_000),
  /** The share of traces that is kept besides those that failed, were slow, are rare or asked for; all without it. */
  TRACES_SAMPLE: z.coerce
    .number('write a share of 1, e.g. 0.1')
    .min(0)
    .max(1)
    .default(1)
    .transform((share) => (share === 1 ? undefined : share)),
  LOGS_RETENTION: duration.default(7 * 86_400_000),
  TRACES_MAX_BYTES: bytes.default(10 * 2 ** 30),
  LOGS_MAX_BYTES: bytes.default(10 * 2 ** 30),
  OTLP_MAX_BODY_BYTES: bytes.default(16 * 2 ** 20),
  QUERY_CACHE_BYTES: bytes.default(64 * 2 ** 20),
  QUERY_TIMEOUT: duration.default(30_000),
  /** Milliseconds since 1970: what queries that don't say when take for now. A capture ended then. */
  QUERY_NOW_MS: z.coerce.number().int().min(0).optional(),
  /** A folder with an unpacked capture: the console shows its boards, its audit rows, and of when it is. */
  CAPTURE_DIR: z.string().min(1).optional(),
})

export type Config = z.output<typeof environment>

/** Throws an Error whose message names every wrong variable; secrets can't be in it, values aren't printed. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  // An empty variable is what `FOO=` in an env file leaves behind, a space too: it means "not set".
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const result = environment.safeParse(set)
  if (result.success) return result.data
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new Error(`Settings of the embedded backend are wrong:\n${lines.join('\n')}`)
}
