/**
 * `npm run doctor`: sends one order through the running system and says what is well and what isn't, each with what to do.
 *
 *   npm run doctor                 the system of npm start; without one what can be told before a start
 *   npm run doctor -- --stack      the stack of docker-compose.yaml
 *   npm run doctor -- --json       one object, for programs
 *
 * Exit code 0 when all is well, 1 when something isn't, 2 when nothing runs or it was called wrongly.
 */
import { readFlags } from '@sightline/local/flags'
import { explain } from '@sightline/local/terminal'
import { examine, type Result } from './doctor/check.ts'
import { attributed, incidentAsJson } from './doctor/incident.ts'
import { checksFor, chosen, listOf } from './doctor/index.ts'
import { findPatient, MIN_FREE_MEGABYTES, type Patient } from './doctor/patient.ts'
import { report } from './doctor/report.ts'

const usage = `npm run doctor [-- --stack] [--json] [--list] [--only CHECK,...] [--boards FOLDER] [--docs FOLDER] [--min-free MEGABYTES]

Sends one order through the running system, then says what is well and what isn't, each with what to do about it.
  --stack      looks at the stack of docker-compose.yaml instead
  --json       one object: {"running", "well", "seconds", "incident": {"name", "running", "started_at", "ended_at"} or null,
               "checks": [{"id", "group", "title", "status", "detail", "remedy", "incident", "duration"}]}
  --list       the checks, and does nothing else
  --only       these checks, by their ids (--json has them), and what they need
  --boards     a folder of dashboards (Grafana's JSON) instead of the project's own
  --docs       a folder with traceql.md and logql.md instead of docs
  --min-free   megabytes that the disk must have left; ${MIN_FREE_MEGABYTES} by default
Exit code 0: all is well; 1: something isn't; 2: nothing runs, or it was called wrongly.`
const { values: flags } = readFlags(usage, {
  options: {
    stack: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    only: { type: 'string' },
    boards: { type: 'string' },
    docs: { type: 'string' },
    'min-free': { type: 'string', default: `${MIN_FREE_MEGABYTES}` },
  },
})
const minFreeMegabytes = Number(flags['min-free'])
if (!(minFreeMegabytes >= 0)) {
  console.error(`--min-free ${flags['min-free']} is no number of megabytes.\nUsage: ${usage}`)
  process.exit(2)
}

if (flags.list) {
  console.log(listOf(checksFor({ mode: flags.stack ? 'stack' : 'local', boards: flags.boards }, true)))
  process.exit(0)
}

try {
  const patient = findPatient({ stack: flags.stack, boards: flags.boards, docs: flags.docs, minFreeMegabytes })
  const isRunning = patient.mode === 'local' ? patient.running.length > 0 : await answers(patient)
  const all = checksFor(patient, isRunning)
  const results = await examine(flags.only ? chosen(all, flags.only.split(',')) : all, patient, attributed)
  const seconds = (Date.now() - patient.began) / 1000
  const isWell = results.every(({ status }) => status !== 'fail')
  if (flags.json) console.log(asJson(patient, results, isRunning, isWell, seconds))
  else console.log(report(results, seconds))
  process.exitCode = isRunning ? (isWell ? 0 : 1) : 2
} catch (error) {
  console.error(explain(error))
  process.exitCode = 2
}

async function answers({ urls }: Patient): Promise<boolean> {
  try {
    await fetch(`${urls.gateway}/health`, { signal: AbortSignal.timeout(5_000) })
    return true
  } catch {
    // Nobody there: the checks of the ports say more.
    return false
  }
}

function asJson(patient: Patient, checks: Result[], running: boolean, well: boolean, seconds: number): string {
  return JSON.stringify({ running, well, seconds, incident: incidentAsJson(patient), checks }, null, 2)
}
