/** The environment every service reads, and how a schema over it becomes a checked object. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { allowedHosts, listStep } from './allowed-hosts.ts'

const port = z.coerce.number().int().min(0).max(65_535)
const optional = z
  .string()
  .optional()
  .transform((value) => value || undefined)

/** Variables common to the services; each adds its own with `.extend`. */
export const serviceEnvironment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: port,
  /**
   * 1: the socket to listen on, bound to HOST and PORT, was handed to this process as descriptor 3 (sd_listen_fds(3)), so that a
   * successor or systemd has it too.
   */
  LISTEN_FDS: z.coerce.number().int().min(0).max(1).default(0),
  NEXT_SERVICE_URL: optional.pipe(z.url({ protocol: /^https?$/ }).optional()),
  /** Name of the next hop in metrics and on service maps; default: the host in its URL. */
  NEXT_SERVICE_NAME: optional,
  PGHOST: z.string().default('127.0.0.1'),
  PGPORT: port.default(5432),
  PGDATABASE: z.string().default('sightline'),
  PGUSER: z.string(),
  PGPASSWORD: z.string(),
  DB_POOL_MAX: z.coerce.number().int().min(1).max(500).default(10),
  /** How long a request waits for a free connection, a new one and a server that takes none for now included, milliseconds. */
  DB_ACQUIRE_TIMEOUT_MS: z.coerce.number().int().min(50).max(60_000).default(2_000),
  /** How long it waits for a server that takes none for now, milliseconds, where that is not the same: a restart may take longer. */
  DB_OUTAGE_WAIT_MS: z.coerce.number().int().min(50).max(60_000).optional(),
  /** Longest time a statement of a request may take, milliseconds; PostgreSQL cancels it then. */
  DB_STATEMENT_TIMEOUT_MS: z.coerce.number().int().min(50).max(60_000).default(5_000),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'off']).default('info'),
  LOG_FORMAT: z.enum(['json', 'text', 'auto']).default('auto'),
  LOG_DIR: optional,
  /** Names besides localhost and IP addresses that requests may come by, and pages they may come from. */
  SIGHTLINE_ALLOWED_HOSTS: z.string().optional().transform(listStep(allowedHosts)),
  /** Feature flags in flagd's format; read again whenever it changes. */
  SIGHTLINE_FLAGS_FILE: optional,
  SIGHTLINE_PII: z.enum(['mask', 'show']).default('mask'),
  /** Whose spans: the kit's own, or the SDK's. Read where telemetry starts (telemetry/start.ts). */
  SIGHTLINE_INSTRUMENTATION: z.enum(['own', 'official']).default('own'),
  /** off: PostgreSQL is not told in which trace a statement runs. */
  SIGHTLINE_STATEMENT_CONTEXT: z.enum(['carry', 'off']).default('carry'),
  /** Longest time one request may take, milliseconds; a caller may ask for less. */
  REQUEST_BUDGET_MS: z.coerce.number().int().min(100).max(60_000).default(10_000),
  /** Longest time a call to the next hop may take, tries included, milliseconds. */
  HOP_TIMEOUT_MS: z.coerce.number().int().min(50).max(60_000).default(8_000),
  /** Event loop delay from which requests are refused with 503, milliseconds; 0 never refuses. */
  SHED_DELAY_MS: z.coerce.number().int().min(0).default(1_000),
})
/** What every service reads, checked and typed. */
export type ServiceEnvironment = z.infer<typeof serviceEnvironment>

/** Where the database is and as whom it is asked, for `createDatabase`. */
export const connectionOf = (config: ServiceEnvironment) => ({
  host: config.PGHOST,
  port: config.PGPORT,
  database: config.PGDATABASE,
  user: config.PGUSER,
  password: config.PGPASSWORD,
})

/**
 * Checks the environment; the error names every bad variable at once, without its value (it may be a secret). NAME_FILE
 * stands for NAME, as in `withFiles`.
 */
export function readConfig<Schema extends z.ZodType>(schema: Schema, env: NodeJS.ProcessEnv): z.infer<Schema> {
  const result = schema.safeParse(withFiles(env, schema instanceof z.ZodObject ? Object.keys(schema.shape) : []))
  if (result.success) return result.data
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new Error(`The environment is not complete:\n${lines.join('\n')}`)
}

/**
 * The environment in which each of `names` has what the file in NAME_FILE holds, less the end of its last line. That is
 * how a container is handed a secret: `docker inspect` and child processes see the path only. Throws an Error that names
 * the variable when both are set or the file can't be read.
 */
export function withFiles(env: NodeJS.ProcessEnv, names: readonly string[]): NodeJS.ProcessEnv {
  const read: NodeJS.ProcessEnv = {}
  for (const name of names) {
    const path = env[`${name}_FILE`]
    if (!path) continue
    if (env[name]) throw new Error(`${name} and ${name}_FILE are both set: leave one of them out.`)
    try {
      read[name] = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    } catch (error) {
      throw new Error(`${name}_FILE=${path} can't be read: ${(error as Error).message}`)
    }
  }
  return { ...env, ...read }
}
