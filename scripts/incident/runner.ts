/**
 * `node scripts/incident/runner.ts STARTED_AT RATE`: load and background of the incident that the note names, until it is told
 * to end (SIGTERM), 15 minutes are over, or the system is gone. Started by `npm run incident -- start`, never by hand.
 */
import { startSecond } from '@sightline/local'
import { incidentPidOf, readIncidentNote } from '@sightline/local/incident'
import { livingProcess } from '@sightline/local/process-identity'
import { until } from '@sightline/service-kit/poll'
import { sendLoad } from './load.ts'
import { PORT_OF, placeOf } from './place.ts'
import { endIncident, incidentCalled, keepNote, LONGEST_MS } from './run.ts'

const [startedAt, rate, port] = process.argv.slice(2).map(Number)
const place = placeOf()
const note = readIncidentNote(place.home)
if (note === null || note.startedAt !== startedAt) throw new Error(`there is no note of an incident of ${startedAt}`)
const incident = incidentCalled(note.name)

const told = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => told.abort())
const over = AbortSignal.any([told.signal, AbortSignal.timeout(LONGEST_MS - (Date.now() - note.startedAt))])

const ended = new AbortController()
const background = place.owner && incident.background?.(place.owner, ended.signal)
const plan = incident.secondProcess
const second =
  plan && (await startSecond(plan.of, { portName: PORT_OF[plan.of], port: port!, role: plan.role }, place.settings))
// Whoever started this writes its pid file, and waits for what follows.
await until('the pid file', 10, () => livingProcess(incidentPidOf(place.home)) === process.pid)
keepNote(place, { ...note, loadedAt: Date.now() })
await sendLoad(place, incident, rate!, over)
ended.abort()
await background
await second?.stop()
// Told to end, it leaves the rest to who told it; a system that is gone is put back by its next start.
if (over.aborted && !told.signal.aborted) await endIncident(place, note)
process.exit(0)
