/** The audit table, by audit-service's API: pages of rows, and the verdict on its hash chain. */

import type { Field, FieldType } from './frame.ts'
import { type Client, getJson, getText } from './http.ts'
import { type Note, readNote } from './signed-note.ts'

const ROOT = '/api/audit/audit'

export type Row = Readonly<Record<string, unknown>>

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

/** At most `limit` rows, newest first, from `cursor` on: what `next_cursor` of the page before says. */
export function auditPage(client: Client, filter: AuditFilter, limit: number, cursor?: string): Promise<AuditPage> {
  const wanted = FILTERS.flatMap((name) => (filter[name] ? [[name, filter[name]] as const] : []))
  return getJson<AuditPage>(client, ROOT, {
    limit: String(limit),
    ...Object.fromEntries(wanted),
    ...(cursor && { cursor }),
  })
}

/** Reads the whole hash chain anew; `status` is `intact` or `broken`. */
export const verifyAudit = (client: Client): Promise<Row> => getJson<Row>(client, `${ROOT}/verify`)

/** What proves a row, with the signed note it is against; without one where the log signs nothing. */
export interface Receipt {
  readonly index: number
  readonly size: number
  readonly root: string
  readonly leaf_hash: string
  readonly entry: readonly (string | null)[]
  readonly hashes: readonly string[]
  readonly checkpoint?: string
}

/** Against the newest signed tree where the row is in it, else against the tree as it is. */
export const rowReceipt = (client: Client, row: Row): Promise<Receipt> =>
  getJson<Receipt>(client, `${ROOT}/${row.id}/${row.proof === 'signed' ? 'receipt' : 'proof'}`)

/** The newest signed checkpoint of a log that signs. */
export async function newestNote(client: Client): Promise<Note> {
  return readNote(await getText(client, `${ROOT}/checkpoint`))
}

/** How far a row has come on its way to what can be proven, in words. */
export const PROOF_STATES: Readonly<Record<string, string>> = {
  waiting: 'waits for its seal',
  sealed: 'sealed',
  in_tree: 'in the tree',
  signed: 'signed',
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
