/** Incidents (`npm run incident`): what one does to the system is no fault of the system, and has to be told from one. */
import { type RecentIncident, SETTLED_MS } from '@sightline/local/incident'
import { type Check, type Finding, fail, pass, warn } from './check.ts'
import type { Patient } from './patient.ts'

const STOP = 'npm run incident -- stop puts all back.'

const incident: Check = {
  id: 'incident',
  group: 'This machine',
  title: 'no incident is under way',
  async run({ incidents: [newest], isIncidentKilled }) {
    if (newest === undefined) return pass()
    const { name, startedAt, endedAt } = newest
    if (endedAt !== undefined) return pass(`${name} ended ${ago(endedAt)}`)
    if (isIncidentKilled) return fail(`the load of ${name} was killed, and its fault is still there`, STOP)
    return warn(`${name} was started ${ago(startedAt)}: what isn't well below may be its doing`, STOP)
  },
}

/** What an incident changes can be seen in these groups: machine, settings and ports it leaves alone. */
const TOUCHED = new Set(['One order', 'Clocks', 'Audit trail', 'Metrics', 'Boards', 'Queries of the docs'])

/** The finding, and that an incident may be the reason: one that is there, or that was while the check looks back. */
export function attributed(
  { group, looksBack = 0 }: Check,
  finding: Finding,
  { incidents: [newest] }: Patient,
): Finding {
  const isUnwell = finding.status === 'fail' || finding.status === 'warn'
  if (!isUnwell || newest === undefined || finding.incidents !== undefined || !TOUCHED.has(group)) return finding
  const { name, endedAt } = newest
  if (endedAt !== undefined && Date.now() - endedAt > looksBack * 1000) return finding
  const may =
    endedAt === undefined
      ? `The incident ${name} is under way and may be the reason: ${STOP}`
      : `The incident ${name}, which ended ${ago(endedAt)}, may be the reason.`
  return { ...finding, incidents: [name], remedy: [may, finding.remedy].filter(Boolean).join('\n') }
}

/** A part of a window of time; milliseconds since the epoch. `incident` is the one that was under way. */
export interface Period {
  from: number
  to: number
  incident?: RecentIncident
}

/** What happens before an incident's end is counted so much later, whatever begins meanwhile. */
const SCRAPED_MS = 6_000

/**
 * Divides the time from `from` to `to` into the incidents' times and those without one, the oldest first. Of two that follow each other at
 * once the first one's time reaches into the second's.
 */
export function periodsOf(incidents: readonly RecentIncident[], from: number, to: number): Period[] {
  const inOrder = incidents.toSorted((a, b) => a.startedAt - b.startedAt)
  const periods: Period[] = []
  let reached = from
  for (const [n, incident] of inOrder.entries()) {
    const { startedAt, endedAt = to } = incident
    const next = inOrder[n + 1]?.startedAt ?? to
    const begins = Math.max(from, startedAt)
    const ends = Math.min(to, Math.max(endedAt + SCRAPED_MS, Math.min(endedAt + SETTLED_MS, next)))
    if (ends <= begins) continue
    if (begins > reached) periods.push({ from: reached, to: begins })
    periods.push({ from: begins, to: ends, incident })
    reached = ends
  }
  return reached < to ? [...periods, { from: reached, to }] : periods
}

/** How much was lost, and during which incident if any. */
export interface Loss {
  lost: number
  incident?: RecentIncident
}

/**
 * What was lost, where it is known in which periods: during incidents that are over it is a remark and no fault, and that it was
 * during one is said in any case.
 */
export function lossFinding(told: string, remedy: string, losses: readonly Loss[]): Finding {
  const during = losses
    .toSorted((a, b) => b.lost - a.lost)
    .flatMap(({ lost, incident }) => (lost > 0 && incident ? [incident] : []))
  if (during.length === 0) return fail(told, remedy)
  const incidents = [...new Set(during.map(({ name }) => name))]
  const [noun, were] = incidents.length === 1 ? ['incident', 'was'] : ['incidents', 'were']
  const those = `the ${noun} ${incidents.join(' and ')}`
  if (losses.some(({ lost, incident }) => lost > 0 && incident === undefined))
    return { ...fail(`${told}; in part while ${those} ${were} under way`, remedy), incidents }
  if (during.some(({ endedAt }) => endedAt === undefined))
    return { ...fail(`${told}; all of it since ${those} began`, `${STOP}\n${remedy}`), incidents }
  const ended = Math.max(...during.map(({ endedAt = 0 }) => endedAt))
  const detail = `${told}; all of it while ${those} ${were} under way, which ended ${ago(ended)}`
  return { ...warn(detail, 'Nothing: a quarter of an hour after its end it is forgotten here.'), incidents }
}

/** `3 min ago`, for times in milliseconds since the epoch. */
function ago(time: number): string {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000))
  return seconds < 90 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`
}

/** For --json: the one that is under way, or the last; null when there was none for an hour. */
export function incidentAsJson({ incidents: [newest] }: Patient): object | null {
  if (newest === undefined) return null
  const { name, startedAt, endedAt } = newest
  const ended_at = endedAt === undefined ? null : new Date(endedAt).toISOString()
  return { name, running: endedAt === undefined, started_at: new Date(startedAt).toISOString(), ended_at }
}

export const incidentChecks: readonly Check[] = [incident]
