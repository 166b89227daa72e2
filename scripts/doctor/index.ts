/** All checks, in the order in which they are told. */
import { startError } from '@sightline/local/settings'
import { auditChecks } from './audit.ts'
import { boardChecks, pagesCheck } from './boards.ts'
import type { Check } from './check.ts'
import { clockChecks } from './clocks.ts'
import { docsChecks } from './docs.ts'
import { incidentChecks } from './incident.ts'
import { machineChecks } from './machine.ts'
import { metricChecks } from './metrics.ts'
import { orderChecks } from './order.ts'
import type { Patient } from './patient.ts'
import { portChecks } from './ports.ts'
import { switchChecks } from './switches.ts'

/** Without a running system only what can be looked at then; the ports must be free for it. */
export function checksFor({ mode, boards }: Pick<Patient, 'mode' | 'boards'>, isRunning: boolean): readonly Check[] {
  const always = [...machineChecks, ...incidentChecks, ...switchChecks]
  if (!isRunning) return [...always, ...portChecks(mode, false)]
  return [
    ...always,
    ...portChecks(mode, true),
    ...orderChecks,
    ...clockChecks,
    ...auditChecks,
    ...metricChecks,
    pagesCheck,
    ...boardChecks({ mode, boards }),
    ...docsChecks,
  ]
}

/** Those of `ids`, and what they need. Throws when there is none of that name. */
export function chosen(checks: readonly Check[], ids: readonly string[]): readonly Check[] {
  const byId = new Map(checks.map((check) => [check.id, check]))
  const wanted = new Set<Check>()
  const add = (id: string) => {
    const check = byId.get(id)
    if (!check) throw startError(`There is no check "${id}". There are: ${[...byId.keys()].join(', ')}.`)
    for (const need of check.needs ?? []) add(need)
    wanted.add(check)
  }
  for (const id of ids) add(id)
  return checks.filter((check) => wanted.has(check))
}

/** As a table in Markdown: docs/doctor.md. */
export function listOf(checks: readonly Check[]): string {
  const rows = checks.map(
    ({ id, group, title, needs = [] }) =>
      `| \`${id}\` | ${group}: ${title} | ${needs.map((need) => `\`${need}\``).join(' ')} |`,
  )
  return ['| check | what is well when it passes | needs |', '|---|---|---|', ...rows].join('\n')
}
