/** Reads from PostgreSQL what a panel's SQL selects: one statement, in a read-only transaction, of a session of its own. */
import pg from 'pg'
import { isQueryError, queryError } from './query-error.ts'

export interface DatabaseConnection {
  readonly host: string
  readonly port: number
  readonly database: string
  /** A role that may read what dashboards show, and nothing else (db/migrations/0005_dashboards.sql). */
  readonly user: string
  readonly password: string
}

/** Columns as the console's frames have them: times in milliseconds since 1970, what is no number or boolean as text. */
export interface Table {
  readonly fields: readonly { readonly name: string; readonly type: 'time' | 'number' | 'boolean' | 'string' }[]
  /** [column][row] */
  readonly values: readonly (readonly unknown[])[]
}

/** Rows of one answer: a browser shows no more, and this process holds them all. */
const MOST_ROWS = 20_000

/** Rejects with a QueryError: 400 the statement is wrong or may not be, 503 nobody answers, 504 the answer takes too long. */
export type ReadTable = (sql: string) => Promise<Table>

/** A statement is given up after `timeoutMs`, as is waiting for a connection. */
export function createReader(connection: DatabaseConnection, timeoutMs = 10_000): ReadTable {
  const pool = new pg.Pool({
    ...connection,
    max: 4,
    application_name: 'console',
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    // A server that stands still can't enforce its own limit.
    query_timeout: timeoutMs + 2_000,
    // What the texts of values and the quoting of literals depend on.
    options: '-c timezone=UTC -c datestyle=ISO -c standard_conforming_strings=on',
    types: { getTypeParser: () => (text: string | Buffer) => text },
  })
  // A connection that breaks between two statements fails the next one, and nobody waits for one that came too late: nothing
  // is to be done. Unheard, either event would end the process.
  const ignore = () => undefined
  pool.on('error', ignore)
  pool.on('connect', (client) => client.on('error', ignore))

  return async (sql) => {
    const client = await pool.connect().catch((cause: Error) => {
      const { host, port } = connection
      throw queryError(503, `PostgreSQL can't be asked at ${host}:${port}: ${cause.message}. Is it running?`, cause)
    })
    try {
      await client.query('begin read only')
      // A cursor can be made of one SELECT or VALUES only. The name is for the protocol that takes one statement at a time.
      await client.query({ name: 'panel', text: `declare panel no scroll cursor for ${sql}` })
      const { fields, rows } = await client.query<(string | null)[]>({
        text: `fetch ${MOST_ROWS + 1} from panel`,
        rowMode: 'array',
      })
      if (rows.length > MOST_ROWS)
        throw queryError(400, `The answer has more than ${MOST_ROWS} rows. Add a LIMIT, or take a shorter time range.`)
      return toTable(fields, rows)
    } catch (cause) {
      throw readable(cause, timeoutMs)
    } finally {
      // Whatever the statement left in its session, a lock or a setting, ends with it.
      client.release(true)
    }
  }
}

const QUERY_CANCELED = '57014'
/** SQLSTATE classes of a server that goes away or is too busy: 08 connection, 53 resources, 57 operator. */
const UNAVAILABLE = /^(08|53|57)/

function readable(cause: unknown, timeoutMs: number): Error {
  if (isQueryError(cause)) return cause
  const { message, code = '' } = cause as Error & { code?: string }
  if (code === QUERY_CANCELED)
    return queryError(504, `PostgreSQL needs more than ${timeoutMs / 1000} s. Take a shorter time range.`, cause)
  if (/^[\dA-Z]{5}$/.test(code) && !UNAVAILABLE.test(code)) return queryError(400, message, cause)
  return queryError(503, `PostgreSQL gave no answer: ${message}.`, cause)
}

const { builtins } = pg.types
const NUMBERS: ReadonlySet<number> = new Set([
  builtins.INT2,
  builtins.INT4,
  builtins.INT8,
  builtins.FLOAT4,
  builtins.FLOAT8,
  builtins.NUMERIC,
  builtins.OID,
])
const TIMES: ReadonlySet<number> = new Set([builtins.DATE, builtins.TIMESTAMP, builtins.TIMESTAMPTZ])

function toTable(columns: readonly pg.FieldDef[], rows: readonly (readonly (string | null)[])[]): Table {
  const readers = columns.map(readerOf)
  return {
    fields: columns.map(({ name }, i) => ({ name, type: readers[i]!.type })),
    values: readers.map(({ read }, i) => rows.map((row) => (row[i] == null ? null : read(row[i])))),
  }
}

/** A number in a column called `time` is an epoch: that is what Grafana's time groups give. */
function readerOf({ name, dataTypeID }: pg.FieldDef): {
  type: Table['fields'][number]['type']
  read: (text: string) => unknown
} {
  if (TIMES.has(dataTypeID)) return { type: 'time', read: timeOf }
  if (NUMBERS.has(dataTypeID))
    return name === 'time' ? { type: 'time', read: epochOf } : { type: 'number', read: Number }
  if (dataTypeID === builtins.BOOL) return { type: 'boolean', read: (text) => text === 't' }
  return { type: 'string', read: (text) => text }
}

/** `2026-01-31 12:00:00.123456+00`, with or without the zone, or the date alone; null for `infinity`. */
function timeOf(text: string): number | null {
  const time = Date.parse(text.includes(' ') ? `${text.replace(' ', 'T').replace(/\+00$/, '')}Z` : text)
  return Number.isNaN(time) ? null : time
}

/** Seconds, milliseconds or nanoseconds since 1970, told apart by their size. */
function epochOf(text: string): number {
  const epoch = Number(text)
  const size = Math.abs(epoch)
  return size < 1e11 ? epoch * 1000 : size < 1e14 ? epoch : epoch / 1e6
}
