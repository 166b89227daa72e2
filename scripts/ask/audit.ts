/** The tool that shows rows of the audit trail, through the public API. */
import { startError } from '@sightline/local/settings'
import { oneLine } from '@sightline/local/terminal'
import { z } from 'zod'
import type { Row } from './answer.ts'
import { getJson } from './system.ts'
import { defineTool, limit, traceId } from './tool.ts'

interface Page {
  items: (Row & { id: number })[]
}

export const audit = defineTool({
  name: 'audit',
  title: 'audit rows: of an order, of a trace, one by its id, or the newest',
  about:
    'Rows of the audit trail through the public API: by order id, by trace id, by audit id (audit:7), or the newest ones. sealed says that the row stands in the hash chain. An order without a row waits in the outbox: map and traces with { name = "relay_audit_event" } say more.',
  example: '42',
  positionals: ['of'],
  parameters: {
    of: z.string().optional().describe('an order id, a trace id, or audit:ID; without it the newest rows'),
    before: z.int().optional().describe('only rows whose audit id is below this one: the next page'),
    limit: limit('rows', 20, 100),
  },
  async run({ of, before, limit }, { gateway, credentials }) {
    const query = auditQuery(of)
    // A cursor passes over all rows from its id on.
    const isOne = 'cursor' in query
    const asked = {
      limit: String(isOne ? 1 : limit),
      ...(before === undefined ? {} : { cursor: String(before) }),
      ...query,
    }
    const { items } = await getJson<Page>('The gateway', gateway, {
      path: '/api/v1/audit',
      query: asked,
      headers: credentials,
    })
    const rows = isOne ? items.filter(({ id }) => String(id) === of!.slice('audit:'.length)) : items
    return {
      facts: {},
      lists: [
        {
          name: 'rows',
          rows: rows.length > 1 ? rows.map(inBrief) : rows,
          total: !isOne && items.length === limit ? 'more' : rows.length,
          next: (shown) => ({ before: rows[shown - 1]?.id }),
          hint: 'of with audit:ID for all of a row',
          ...(rows.length === 1 ? { line: rowInFull } : {}),
        },
      ],
      nothing:
        of === undefined
          ? 'The audit trail is empty.'
          : `There is no audit row of ${of}. Is it sent yet? traces with { name = "relay_audit_event" }`,
    }
  },
})

/** Throws a startError when it is none of the three. */
function auditQuery(of: string | undefined): Record<string, string> {
  if (of === undefined) return {}
  const [, auditId] = /^audit:(\d{1,15})$/.exec(of) ?? []
  if (auditId) return { cursor: String(Number(auditId) + 1) }
  if (/^\d{1,15}$/.test(of)) return { order_id: of }
  if (/^[0-9a-f]{32}$/i.test(of)) return { trace_id: traceId.parse(of) }
  throw startError(`"${of}" is no order id (42), no trace id (32 hexadecimal digits) and no audit:ID (audit:7).`)
}

function inBrief({ id, recorded_at, action, user_id, order_id, sealed, trace_id }: Row): Row {
  return { id, recorded_at, action, user_id, order_id, sealed, trace_id }
}

const rowInFull = (row: Row) =>
  Object.entries(row)
    .map(([name, value]) => `${name.padEnd(12)}${oneLine(typeof value === 'string' ? value : JSON.stringify(value))}`)
    .join('\n')
