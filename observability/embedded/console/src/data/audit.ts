/** The audit table, by audit-service's API: pages of rows, and the verdict on its hash chain. */
import type { Target } from '../dashboards/model.ts'
import type { Field, FieldType } from './frame.ts'
import { type Client, getJson } from './http.ts'
import { interpolate } from './interpolate.ts'
import type { QueryContext, QueryResult } from './query.ts'
import { evaluateSelect, parseSelect, type Row, requiredValues } from './sql.ts'

const ROOT = '/api/audit/audit'
const PAGE = 100

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
  const rows: Row[] = []
  let cursor: string | undefined
  do {
    const page = await auditPage(context.client, filter, Math.min(PAGE, select.limit), cursor)
    rows.push(...page.items)
    cursor = page.next_cursor ?? undefined
  } while (cursor && rows.length < select.limit)
  const answer = evaluateSelect(select, rows, context.range)
  const fields = select.columns.map(
    ({ alias }): Field =>
      toField(
        alias,
        answer.map((row) => row[alias]),
      ),
  )
  return { frames: [{ refId: target.refId ?? 'A', fields }], exemplars: [], logs: [] }
}

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
