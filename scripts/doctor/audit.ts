/** The audit trail: the order's row, its seal, the chain, and what waits in the outbox or was given up. */
import { setTimeout as delay } from 'node:timers/promises'
import type { AuditVerification } from '@sightline/contracts'
import { counted } from '@sightline/contracts/counted'
import { ask, rows } from './ask.ts'
import { type Check, fail, pass, skip } from './check.ts'
import { meetingCheck, rowExpectations } from './order.ts'

const GROUP = 'Audit trail'
const PAUSE_MS = 200

const row = meetingCheck({
  id: 'audit-row',
  group: GROUP,
  title: 'the order has its audit row, once',
  needs: ['order'],
  within: 6,
  expectations: rowExpectations,
  remedy: () =>
    'order-service hands events on, audit-service writes them: npm run audit shows the newest rows, both logs say why one is missing.',
})

const SEALED_WITHIN = 8
/** Seals looked at: a second's work. */
const NEWEST = 20_000

const sealed: Check = {
  id: 'sealed',
  group: GROUP,
  title: "the order's row is sealed",
  needs: ['audit-row'],
  seconds: 12,
  async run(patient, signal) {
    const began = performance.now()
    const within = SEALED_WITHIN * patient.patience
    const url = `${patient.urls.gateway}/api/v1/audit?trace_id=${patient.order!.trace_id}`
    for (;;) {
      const { json } = await ask<{ items?: { sealed: boolean }[] }>(url, signal, { headers: patient.credentials })
      const took = (performance.now() - began) / 1000
      if (json?.items?.[0]?.sealed) return pass(`after ${took.toFixed(1)} s`)
      if (took >= within) {
        const [waiting] = await rows<{ count: number; holder: number | null }>(patient, WAITING)
        const held = waiting?.holder
          ? ` Session ${waiting.holder} holds the lock that sealing needs: select * from pg_stat_activity where pid = ${waiting.holder}`
          : ''
        return fail(
          `not within ${within} s; ${counted(waiting?.count ?? 0, 'row')} without seal`,
          `Sealing is audit-service's work; its log says "rows could not be sealed for now" and why.${held}`,
        )
      }
      await delay(PAUSE_MS, undefined, { signal })
    }
  },
}

/** Who seals holds the one row of audit_sealing, for moments; someone who holds it for seconds keeps all others from it. */
const WAITING = `select (select count(*) from audit_unsealed)::int as count,
  (select l.pid from pg_locks l join pg_stat_activity a using (pid)
   where l.relation = 'audit_sealing'::regclass and l.granted and a.pid <> pg_backend_pid()
     and now() - a.xact_start > interval '2 seconds' limit 1) as holder`

const chain: Check = {
  id: 'audit-chain',
  group: GROUP,
  title: 'the newest seals fit their rows and orders',
  needs: ['port-gateway', 'port-audit-service', 'port-postgres'],
  seconds: 8,
  async run(patient, signal) {
    const [end] = await rows<{ last: number }>(
      patient,
      'select coalesce(max(position), 0)::int as last from audit_chain',
    )
    const from = Math.max(1, end!.last - NEWEST)
    const url = `${patient.urls.gateway}/api/v1/audit/verify?from=${from}`
    const { status, json, text } = await ask<AuditVerification>(url, signal, { headers: patient.credentials })
    if (status === 429) return skip('somebody else verifies the chain just now')
    if (status !== 200) throw new Error(`GET ${url} answered ${status}: ${text}`)
    const fault = json.first_broken
    if (json.status === 'intact') return pass(`${json.checked} seals from position ${from} on`)
    const detail = `audit row ${fault?.audit_id ?? 'unknown'}, position ${fault?.position ?? 'none'}: ${fault?.reason}`
    if (json.status === 'overdue') return fail(detail, "Sealing is audit-service's work: its log says why it can not.")
    return fail(
      detail,
      'npm run audit:verify looks at the whole chain. Somebody wrote past audit-service: find out who first (SECURITY.md).',
    )
  },
}

const outbox: Check = {
  id: 'outbox',
  group: GROUP,
  title: 'no audit event waits in the outbox',
  needs: ['port-postgres'],
  seconds: 8,
  async run(patient, signal) {
    const deadline = performance.now() + 5_000 * patient.patience
    for (;;) {
      const [found] = await rows<{ waiting: number; oldest: number }>(patient, OUTBOX)
      if (found!.waiting === 0) return pass()
      if (performance.now() > deadline)
        return fail(
          `${found!.waiting} wait, the oldest for ${Math.round(found!.oldest)} s`,
          'Nothing is lost: order-service tries again with a growing pause until audit-service takes them. Does audit-service answer?',
        )
      await delay(PAUSE_MS, undefined, { signal })
    }
  },
}

/** Those of this moment are on their way. */
const OUTBOX = `select count(*)::int as waiting,
  coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as oldest
  from outbox where dead_at is null and created_at < now() - interval '2 seconds'`

const deadLetters: Check = {
  id: 'dead-letters',
  group: GROUP,
  title: 'no audit event was given up',
  needs: ['port-postgres'],
  async run(patient) {
    const [found] = await rows<{ count: number; reason: string | null }>(
      patient,
      `select count(*)::int as count, (array_agg(last_error order by dead_at desc))[1] as reason from dead_letters`,
    )
    if (found!.count === 0) return pass()
    return fail(
      `${counted(found!.count, 'dead letter')}; the newest: ${found!.reason}`,
      `What they say: curl ${patient.urls.gateway}/api/v1/audit/dead-letters. When the cause is gone, send them again: npm run audit:replay`,
    )
  },
}

export const auditChecks: readonly Check[] = [row, sealed, chain, outbox, deadLetters]
