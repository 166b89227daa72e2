/**
 * POST /api/postgres/query: what the SQL of one panel's target finds. The SQL is that of the dashboard's file; a request says
 * which panel it means, the time range, and the values of the dashboard's variables, as a form:
 *
 *   dashboard=<uid>&panel=<id>&refId=A&from=<ms>&to=<ms>&intervalMs=<ms>&var-<name>=<value>...
 *
 * The answer is a data frame as Grafana's API writes them, `{schema, data}`; a refusal is `{error, sql}`, with the SQL as it
 * was run. Files that somebody puts into the folder may ask as well: the role reads what db/migrations grants it, and no more.
 */
import type { IncomingMessage } from 'node:http'
import { findTarget } from './dashboard-files.ts'
import { fillSql, type SqlScope } from './panel-sql.ts'
import type { DatabaseConnection, ReadTable } from './postgres.ts'
import { isTooLarge, TOO_LARGE } from './proxy.ts'
import { isQueryError, queryError } from './query-error.ts'
import { single } from './src/data/interpolate.ts'

type PanelQuery = (req: IncomingMessage) => Promise<{ status: number; body: object }>

/**
 * Never rejects for what a request, a dashboard or PostgreSQL is to blame for. Without `database` every query is a 503, but for those
 * that `kept` has the answer of.
 */
export function createPanelQuery(
  dashboards: string,
  database: DatabaseConnection | undefined,
  kept: (dashboard: string, panel: number, refId: string) => object | undefined = () => undefined,
): PanelQuery {
  // PostgreSQL's client is 10 MB of memory that a console without SQL panels doesn't need: it comes with the first query.
  let reader: Promise<ReadTable> | undefined
  return async (req) => {
    let sql: string | undefined
    try {
      if (req.method !== 'POST') throw queryError(405, `${req.method} is not allowed here.`)
      const form = await readForm(req)
      const [uid = '', panel = '', refId = ''] = ['dashboard', 'panel', 'refId'].map((name) => form.get(name) ?? '')
      const target = await findTarget(dashboards, uid, Number(panel), refId)
      if (!target?.rawSql) throw queryError(404, `Dashboard "${uid}" has no SQL as query ${refId} of panel ${panel}.`)
      const answer = kept(uid, Number(panel), refId)
      if (answer) return { status: 200, body: answer }
      sql = fillSql(target.rawSql, scopeOf(form))
      if (!database) throw queryError(503, 'This console was started without a database to ask: PGPASSWORD is not set.')
      reader ??= import('./postgres.ts').then(({ createReader }) => createReader(database))
      const read = await reader
      const { fields, values } = await read(sql)
      const schema = { refId, fields, meta: { executedQueryString: sql } }
      return { status: 200, body: { schema, data: { values } } }
    } catch (cause) {
      if (!isQueryError(cause)) throw cause
      return { status: cause.status, body: { error: cause.message, ...(sql !== undefined && { sql }) } }
    }
  }
}

async function readForm(req: IncomingMessage): Promise<URLSearchParams> {
  if (isTooLarge(req)) throw queryError(413, TOO_LARGE)
  return new URLSearchParams(Buffer.concat(await req.toArray()).toString())
}

/** The furthest a JavaScript date goes, in milliseconds from 1970 either way. */
const LAST_TIME = 8.64e15

function scopeOf(form: URLSearchParams): SqlScope {
  const whole = (name: string, least: number): number => {
    const value = Number(form.get(name) || Number.NaN)
    if (!Number.isInteger(value) || value < least || value > LAST_TIME)
      throw queryError(400, `${name} must be a whole number of milliseconds.`)
    return value
  }
  const variables = new Map(
    [...new Set(form.keys())]
      .filter((name) => name.startsWith('var-'))
      .map((name) => [name.slice(4), { ...single(form.getAll(name).join(' + ')), values: form.getAll(name) }]),
  )
  // PostgreSQL's protocol ends a text there, wherever its quotes end.
  if ([...form.values()].some((value) => value.includes('\0'))) throw queryError(400, 'A value holds a NUL character.')
  return {
    range: { from: whole('from', -LAST_TIME), to: whole('to', -LAST_TIME) },
    intervalMs: whole('intervalMs', 1),
    variables,
  }
}
