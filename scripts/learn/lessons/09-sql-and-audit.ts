import { type Lesson, near, verdict, withTraceId, wrong } from '../question.ts'

/** Lesson 9: what happens in the database, and what stays there. */
export const sqlAndAudit: Lesson = {
  id: '9',
  title: 'SQL, locks and the audit trail',
  minutes: 15,
  page: '09-sql-and-audit.md',
  questions: [
    {
      ask: 'Which statement of user-service has taken the most time in all, by its db_query_summary, over the last hour?',
      async check(answer, live) {
        const series = 'increase(db_client_operation_duration_seconds_sum{job="user-service"}[1h])'
        const sums = await live.metric(`sum by (db_query_summary) (${series})`)
        const most = Math.max(0, ...sums.map(({ value }) => value))
        if (most === 0)
          return wrong('Prometheus has seen no statement yet: npm run load -- --count 50, and wait ten seconds.')
        const named = sums.find(({ labels }) => labels.db_query_summary === answer.trim())
        // Two that lie close together may have changed places since.
        return verdict(
          named !== undefined && named.value > 0.9 * most,
          'Sum increase(db_client_operation_duration_seconds_sum{...}[1h]) by db_query_summary; the first row is the answer.',
        )
      },
    },
    {
      ask: 'Send an order while audit-service is down, and wait until it is back. What is the trace id of the order?',
      check: (answer, live) =>
        withTraceId(answer, async (traceId) => {
          const delivery = (await live.trace(traceId))?.find(({ name }) => name === 'deliver_audit_event')
          if (!delivery) return wrong('This trace has no span deliver_audit_event: was it an order?')
          if (delivery.attributes['audit.status'] !== 'pending') {
            return wrong(
              'This order got its audit row at once: audit-service was running. End it with kill -9 right before you send.',
            )
          }
          const { json } = await live.api(`/api/v1/audit?trace_id=${traceId}`)
          const rows = (json?.items as unknown[] | undefined)?.length
          return verdict(
            rows === 1,
            'The order has no audit row yet: npm start brings audit-service back after ten seconds; ask again then.',
          )
        }),
    },
    {
      ask: 'How many rows does the hash chain hold?',
      async check(answer, live) {
        const { status, json } = await live.api('/api/v1/audit/verify')
        if (status !== 200) return wrong('The chain is being verified right now. Ask again in a moment.')
        return verdict(near(answer, Number(json?.checked), 0.02), 'npm run audit:verify counts them.')
      },
    },
  ],
}
