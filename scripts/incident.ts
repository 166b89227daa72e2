/**
 * `npm run incident -- list | start NAME | hint | answer | stop`: something goes wrong in the running system, and whoever finds
 * out what, and can show it, gets points (docs/incidents/README.md).
 *
 * Exit code 0: done, the answer is right. 1: the answer is wrong, or the system can't do it. 2: it was asked for wrongly.
 */
import { readFlags } from '@sightline/local/flags'
import { readIncidentNote } from '@sightline/local/incident'
import { colour, explain } from '@sightline/local/terminal'
import { answerIncident, type Grade, nextHint, scoreOf } from './incident/grade.ts'
import { incidents } from './incident/incidents/index.ts'
import { MECHANISMS } from './incident/mechanisms.ts'
import { type Place, placeOf } from './incident/place.ts'
import { alone, currentNote, incidentCalled, startIncident, stopIncident } from './incident/run.ts'

const usage = `npm run incident -- list [--mechanisms] | start NAME | hint | answer ... | stop   [--json]

Something goes wrong in the running system. Find out what, and show it.
  list            the incidents, and which one runs; --mechanisms: the words for an answer
  start NAME      begins it, with load of its own, for 15 minutes at most; tells what was noticed
  hint            the next hint, and what it costs
  answer --service S --operation O --mechanism M --evidence E
                  E is a trace id, an order id, audit:ID, or a query (TraceQL, LogQL, PromQL) that shows the fault
  stop            ends it: all is as before
  --json          answers for programs`

const { values: flags, positionals } = readFlags(usage, {
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    mechanisms: { type: 'boolean', default: false },
    service: { type: 'string' },
    operation: { type: 'string' },
    mechanism: { type: 'string' },
    evidence: { type: 'string' },
  },
})

const [command = 'list', name] = positionals
const commands: Record<string, (place: Place) => Promise<void>> = { list, start, hint, answer, stop }
const asked = commands[command]
if (asked === undefined || positionals.length > (command === 'start' ? 2 : 1))
  misused(`There is no "${positionals.join(' ')}".`)
try {
  const place = placeOf()
  if (command === 'list') await asked(place)
  else await alone(place, () => asked(place))
} catch (error) {
  if (flags.json) console.log(JSON.stringify({ error: (error as Error).message }))
  else console.error(explain(error))
  process.exitCode = 1
}

async function list(place: Place): Promise<void> {
  if (flags.mechanisms) {
    const lines = Object.entries(MECHANISMS).map(([word, meaning]) => `${word.padEnd(20)} ${meaning}`)
    return say({ mechanisms: MECHANISMS }, lines.join('\n'))
  }
  const note = readIncidentNote(place.home)
  const shown = incidents.map(({ name, title, level }) => ({ name, title, level }))
  const lines = shown.map(
    ({ name, title, level }) =>
      `${name.padEnd(20)} ${'●'.repeat(level).padEnd(4)} ${title}${note?.name === name ? colour.yellow('  started') : ''}`,
  )
  say(
    { incidents: shown, started: note?.name ?? null },
    `${lines.join('\n')}\n\nBegin one: npm run incident -- start NAME`,
  )
}

async function start(place: Place): Promise<void> {
  if (name === undefined || !incidents.some((incident) => incident.name === name))
    misused(name === undefined ? 'Which one? start NAME' : `There is no incident "${name}": see list.`)
  const incident = incidentCalled(name)
  const note = await startIncident(place, incident)
  const { title, symptom } = incident
  say(
    {
      started: incident.name,
      title,
      symptom,
      started_at: new Date(note.startedAt).toISOString(),
      score: scoreOf(note),
    },
    `${colour.bold(title)}\n\n  ${symptom}\n
Load is on its way; within a minute it can be seen. It ends by itself after 15 minutes.
Where to look: the console, npm run trace, or the APIs of traces, logs and metrics (README.md).
Then: npm run incident -- answer --service S --operation O --mechanism M --evidence E
The words for M: npm run incident -- list --mechanisms. Stuck: npm run incident -- hint`,
  )
}

async function hint(place: Place): Promise<void> {
  const next = nextHint(place)
  if (next === undefined) return say({ hint: null }, 'There are no more hints.')
  say(next, `${next.hint}\n\nThat cost ${next.cost} points; ${next.score} are left. Further hints: ${next.left}.`)
}

async function answer(place: Place): Promise<void> {
  const { service, operation, mechanism, evidence } = flags
  if (!service || !operation || !mechanism || !evidence)
    misused('An answer has --service, --operation, --mechanism and --evidence.')
  if (!Object.hasOwn(MECHANISMS, mechanism)) misused(`"${mechanism}" is no mechanism: see list --mechanisms.`)
  const grade = await answerIncident(place, { service, operation, mechanism, evidence })
  const { name: incident } = currentNote(place)
  say({ incident, ...grade }, report(grade))
  if (!grade.right) process.exitCode = 1
}

function report(grade: Grade): string {
  const mark = (right: boolean) => (right ? colour.green('✔') : colour.red('✘'))
  const parts = [
    `${mark(grade.service)} service`,
    `${mark(grade.operation)} operation`,
    `${mark(grade.mechanism)} mechanism`,
    `${mark(grade.evidence.shows)} evidence: ${grade.evidence.says}`,
  ]
  const end = grade.right
    ? `${colour.green('Right.')} ${grade.score} points after ${time(grade.seconds)}. End it: npm run incident -- stop`
    : `Not yet: ${grade.score} points are left after ${time(grade.seconds)}. Try again, or: npm run incident -- hint`
  return `${parts.join('\n')}\n\n${end}`
}

function time(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

async function stop(place: Place): Promise<void> {
  const note = await stopIncident(place)
  if (note === null) return say({ stopped: null }, 'No incident was running.')
  say(
    { stopped: note.name, solved: note.solved ?? null },
    `${note.name} is over: all is as it was before. What happened is told in docs/incidents/${note.name}.md`,
  )
}

function say(data: object, text: string): void {
  console.log(flags.json ? JSON.stringify(data) : text)
}

function misused(message: string): never {
  if (flags.json) console.log(JSON.stringify({ error: message }))
  else console.error(`${message}\nUsage: ${usage}`)
  process.exit(2)
}
