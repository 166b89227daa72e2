/** What a statement's span says of how it went in PostgreSQL, for people; nothing of other spans. */
import type { Span } from './trace.ts'
import { formatNanos } from './units.ts'

export function statementFacts({ attributes, duration }: Pick<Span, 'attributes' | 'duration'>): [string, string][] {
  const numberOf = (name: string) => {
    const value = attributes[name]
    return value === undefined ? undefined : Number(value)
  }
  const [returned, changed] = [numberOf('db.response.returned_rows'), numberOf('postgresql.affected_rows')]
  const rows = [returned !== undefined && `${returned} returned`, changed !== undefined && `${changed} changed`]
  const serverMs = numberOf('postgresql.duration_ms')
  const facts: [string, string][] = []
  if (serverMs !== undefined) {
    const share = Math.round((serverMs * 1e8) / (duration || 1))
    facts.push(['In PostgreSQL', `${formatNanos(serverMs * 1e6)} (${share}%)`])
  }
  const known = rows.filter((one) => one !== false)
  if (known.length > 0) facts.push(['Rows', known.join(', ')])
  return facts
}
