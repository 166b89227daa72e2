/** The audit table, by audit-service's API: pages of rows, and the verdict on its hash chain. */

import type { Field, FieldType } from './frame.ts'
import type { Target } from './grafana-json.ts'
import { type Client, getJson } from './http.ts'
import { interpolate } from './interpolate.ts'
import type { QueryContext, QueryResult } from './query.ts'
import { evaluateSelect, isInRange, parseSelect, passes, type Row, requiredValues, type Select } from './sql.ts'

const ROOT = '/api/audit/audit'
const PAGE = 100
/** More rows than this are not read for one answer. */
const MOST_ROWS = 20_000

export interface AuditPage {
  readonly items: readonly Row[]
  readonly next_cursor?: string | null
}

export interface AuditFilter {
  readonly user_id?: string
  readonly order_id?: string
  readonly trace_id?: string
}

const FILTERS = ['user_id', 'order_id', 'trace_id'] as const

export function auditPage(client: Client, filter: AuditFilter, limit: number, cursor?: string): Promise<AuditPage> {
  const wanted = FILTERS.flatMap((name) => (filter[name] ? [[name, filter[name]] as const] : []))
  return getJson<AuditPage>(client, ROOT, {
    limit: String(limit),
    ...Object.fromEntries(wanted),
    ...(cursor && { cursor }),
  })
}

export const verifyAudit = (client: Client): Promise<Row> => getJson<Row>(client, `${ROOT}/verify`)

export async function runAuditSql(target: Target, context: QueryContext): Promise<QueryResult> {
  const select = parseSelect(interpolate(target.rawSql ?? '', context.variables, 'sql'))
  if (select.table !== 'audit_logs')
    throw new Error(`This console reads the table audit_logs only, not "${select.table}".`)
  const required = requiredValues(select.where)
  const filter: AuditFilter = Object.fromEntries(
    FILTERS.flatMap((name) => (required[name] ? [[name, required[name]]] : [])),
  )
  const answer = evaluateSelect(select, await readRows(select, filter, context), context.range)
  const fields = select.columns.map(
    ({ alias }): Field =>
      toField(
        alias,
        answer.map((row) => row[alias]),
      ),
  )
  return { frames: [{ refId: target.refId ?? 'A', fields }], exemplars: [], logs: [] }
}

/** Pages come newest first: they are read until nothing older can be part of the answer. */
async function readRows(select: Select, filter: AuditFilter, { client, range }: QueryContext): Promise<Row[]> {
  const rows: Row[] = []
  let cursor: string | undefined
  for (let read = 0; read < MOST_ROWS; read += PAGE) {
    const page = await auditPage(client, filter, PAGE, cursor)
    rows.push(...page.items.filter((row) => passes(select, row, range)))
    cursor = page.next_cursor ?? undefined
    if (!cursor || (isNewestFirst(select) && rows.length >= select.limit)) return rows
    if (isInRange(select.where, 'recorded_at') && page.items.every((row) => isOlder(row, range.from))) return rows
  }
  throw new Error(
    `The newest ${MOST_ROWS.toLocaleString('en')} audit rows don't hold the whole answer. Narrow it by user, order or trace id.`,
  )
}

const isOlder = (row: Row, time: number): boolean => Date.parse(String(row.recorded_at)) < time

const isNewestFirst = ({ orderBy }: Select): boolean =>
  !orderBy || (orderBy.descending && (orderBy.column === 'id' || orderBy.column === 'recorded_at'))

/** ISO times become milliseconds so that a table shows them in local time, as Grafana does. */
export function toField(name: string, values: readonly unknown[]): Field {
  const sample = values.find((value) => value !== null && value !== undefined)
  const isTime = typeof sample === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(sample)
  const type: FieldType = isTime ? 'time' : typeof sample === 'number' ? 'number' : 'string'
  return {
    name,
    type,
    config: {},
    values: isTime ? values.map((value) => (typeof value === 'string' ? Date.parse(value) : null)) : values,
  }
}
