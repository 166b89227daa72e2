/**
 * What the console's server answers from a capture, unpacked in a folder, in place of the audit trail and the database:
 *
 *   opened.json    {file, from, to, ...}: what the pages say of it
 *   audit.jsonl    rows as audit-service answers them, newest first
 *   rules.json     which alerts fired at its end, as Prometheus' /api/v1/rules says it
 *   panels.jsonl   {dashboard, panel, refId, answer}: what the SQL of panels found over the capture's range
 *   boards/        its dashboards
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { withMeta } from './page-meta.ts'
import { createPanelQuery } from './panel-query.ts'
import type { StaticFile } from './static-files.ts'

interface Answer {
  status: number
  body: object
}

export interface Captured {
  /** GET `path` of the API called `name`, where the capture has what to answer; undefined where the engine has. */
  answer(name: string, path: string, query: URLSearchParams): Answer | undefined
  /** What the panel showed when it was captured, whatever time and variables are asked for now. */
  panelQuery: ReturnType<typeof createPanelQuery>
  /** The page with what it is to say of the capture in it. */
  page(index: StaticFile): Promise<StaticFile>
}

interface Row {
  id: number
  [name: string]: unknown
}

const FILTERS = ['user_id', 'order_id', 'trace_id'] as const
const MOST_ROWS = 100

/** Reads small files at once, audit rows when somebody asks for them first. Throws what reading throws. */
export function readCaptured(folder: string): Captured {
  const opened = readFileSync(join(folder, 'opened.json'), 'utf8').trim()
  let rows: Row[] | undefined
  let answers: Map<string, object> | undefined
  return {
    answer(name, path, query) {
      if (name === 'prometheus') return firingOf(join(folder, 'rules.json'), path)
      if (name !== 'audit') return undefined
      if (path !== '/audit')
        return {
          status: 404,
          body: { detail: 'A capture has audit rows alone. The hash chain is checked where the system runs.' },
        }
      rows ??= readLines<Row>(join(folder, 'audit.jsonl'))
      return auditPage(rows, query)
    },
    panelQuery: createPanelQuery(join(folder, 'boards'), undefined, (dashboard, panel, refId) => {
      answers ??= new Map(
        readLines<{ dashboard: string; panel: number; refId: string; answer: object }>(
          join(folder, 'panels.jsonl'),
        ).map(({ answer, ...about }) => [keyOf(about.dashboard, about.panel, about.refId), answer]),
      )
      return answers.get(keyOf(dashboard, panel, refId))
    }),
    page: (index) => withMeta(index, 'sightline-capture', opened),
  }
}

interface Rules {
  data: { groups: { rules: { alerts?: unknown[] }[] }[] }
}

/** What fired at the capture's end: no rule is evaluated any more. */
function firingOf(file: string, path: string): Answer | undefined {
  if (path !== '/api/v1/rules' && path !== '/api/v1/alerts') return undefined
  if (!existsSync(file))
    return { status: 404, body: { error: 'The capture does not say it. Boards have the history of alerts.' } }
  const rules = JSON.parse(readFileSync(file, 'utf8')) as Rules
  if (path === '/api/v1/rules') return { status: 200, body: rules }
  const alerts = rules.data.groups.flatMap((group) => group.rules.flatMap((rule) => rule.alerts ?? []))
  return { status: 200, body: { status: 'success', data: { alerts } } }
}

const keyOf = (dashboard: string, panel: number, refId: string) => JSON.stringify([dashboard, panel, refId])

/** Without such a file there was nothing of it. */
function readLines<T>(path: string): T[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T)
}

/** A page of the rows that all filters let through; the cursor is the id of the last row seen. */
function auditPage(rows: readonly Row[], query: URLSearchParams): Answer {
  const limit = Number(query.get('limit') ?? 20)
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_ROWS)
    return { status: 422, body: { detail: `limit is a whole number from 1 to ${MOST_ROWS}.` } }
  const cursor = Number(query.get('cursor') || Number.POSITIVE_INFINITY)
  const found = rows.filter(
    (row) => row.id < cursor && FILTERS.every((name) => !query.get(name) || String(row[name]) === query.get(name)),
  )
  const items = found.slice(0, limit)
  return { status: 200, body: { items, next_cursor: found.length > limit ? String(items.at(-1)!.id) : null } }
}
