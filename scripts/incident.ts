/**
 * `npm run incident -- list | start NAME | hint | answer | stop`: something goes wrong in the running system, and whoever finds
 * out what, and can show it, gets points (docs/incidents/README.md).
 *
 * Exit code 0: done, the answer is right. 1: the answer is wrong, or the system can't do it. 2: it was asked for wrongly.
 */
import { readFlags } from '@sightline/local/flags'
import { type IncidentState, readIncidentNote, solvedIncidents, stateOfIncident } from '@sightline/local/incident'
import { colour, explain } from '@sightline/local/terminal'
import { firingAlerts } from './incident/firing.ts'
import { answerIncident, type Grade, nextHint, scoreOf } from './incident/grade.ts'
import { incidents } from './incident/incidents/index.ts'
import { MECHANISMS, mechanismCalled } from './incident/mechanisms.ts'
import { assertRuns, type Place, placeOf } from './incident/place.ts'
import { alone, currentNote, endKilledIncident, incidentCalled, startIncident, stopIncident } from './incident/run.ts'
import { didYouMean } from './usage/closest.ts'

const usage = `npm run incident -- list [--mechanisms] | start NAME | hint | answer ... | stop   [--json]

Something goes wrong in the running system. Find out what, and show it.
  list            the incidents, which are solved with how many points, and which one runs; --mechanisms: the words for an answer
  start NAME      begins it, with load of its own, for 15 minutes at most; tells what was noticed
  hint            the next hint, and what it costs
  answer --service S --operation O --mechanism M --evidence E
                  S is a service, O a span's name, a route or a statement of it, M a word of list --mechanisms,
                  E a trace id, order:ID, audit:ID, or a query (TraceQL, LogQL, PromQL) that shows the fault
  stop            ends it: all is as before
  --json          answers for programs

100 points to begin with; a hint costs 10 and more, a wrong answer 15, evidence that can't be looked at nothing.`

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

const EXAMPLE =
  'npm run incident -- answer --service user-service --operation validate_user --mechanism slow-code --evidence 4bf92f3577b34da6a3ce929d0e0e4736'
const PARTS = ['service', 'operation', 'mechanism', 'evidence'] as const

const STATES: Record<IncidentState, string> = {
  starting: 'is being started',
  running: 'started, and runs',
  ended: 'started, and over by itself: answers are still taken, until npm run incident -- stop',
  killed: 'its load was killed, its fault is still there: npm run incident -- stop puts all back',
}

const [command = 'list', name, ...further] = positionals
const commands: Record<string, (place: Place) => Promise<void>> = { list, start, hint, answer, stop }
const asked = commands[command]
/** What is told before all else: that something was put back. */
let remark: string | undefined
assertWellAsked()
try {
  const place = placeOf()
  if (command === 'list') await list(place)
  else await alone(place, () => putBackThen(place, asked!))
} catch (error) {
  if (flags.json) console.log(JSON.stringify({ error: (error as Error).message }))
  else console.error(explain(error))
  process.exitCode = 1
}

/** Ends the program (2) with what is wrong, what was meant perhaps, and an example. */
function assertWellAsked(): void {
  if (asked === undefined)
    misused(
      `There is no "${command}".${didYouMean(command, Object.keys(commands))} There are: ${Object.keys(commands).join(', ')}.`,
    )
  const surplus = command === 'start' ? further : name === undefined ? [] : [name, ...further]
  if (surplus.length > 0)
    misused(
      `"${command}" has no use for "${surplus.join(' ')}".${command === 'answer' ? ` An answer's parts have names: ${EXAMPLE}` : ''}`,
    )
  if (command === 'start') assertIncident()
  if (command === 'answer') assertAnswer()
}

function assertIncident(): void {
  const names = incidents.map((incident) => incident.name)
  if (name === undefined)
    misused(`Which one? For example: npm run incident -- start ${names[0]}. There are: ${names.join(', ')}.`)
  if (!names.includes(name))
    misused(`There is no incident "${name}".${didYouMean(name, names)} There are: ${names.join(', ')}.`)
}

function assertAnswer(): void {
  const missing = PARTS.filter((part) => !flags[part])
  if (missing.length > 0)
    misused(`The answer has no ${missing.map((part) => `--${part}`).join(', ')}. For example: ${EXAMPLE}`)
  const words = Object.keys(MECHANISMS)
  if (mechanismCalled(flags.mechanism!) === undefined)
    misused(
      `"${flags.mechanism}" is no mechanism.${didYouMean(flags.mechanism!, words)} There are: ${words.join(', ')}. What they mean: npm run incident -- list --mechanisms`,
    )
}

/** Whose load was killed is put back first, whatever is asked; `stop` does that by itself. */
async function putBackThen(place: Place, work: (place: Place) => Promise<void>): Promise<void> {
  const killed = command === 'stop' ? null : await endKilledIncident(place)
  if (killed)
    remark = `The load of ${killed.name} was killed, and its fault stayed: that is put back now.${command === 'start' ? '' : ` Answers are still taken; again from the beginning: npm run incident -- start ${killed.name}`}`
  await work(place)
}

async function list(place: Place): Promise<void> {
  if (flags.mechanisms) {
    const words = Object.entries(MECHANISMS)
    const lines = words.map(
      ([word, { meaning, also }]) =>
        `${word.padEnd(20)} ${meaning}\n${' '.repeat(21)}${colour.dim(`also: ${also.join(', ')}`)}`,
    )
    const meanings = Object.fromEntries(words.map(([word, { meaning }]) => [word, meaning]))
    const also = Object.fromEntries(words.map(([word, { also }]) => [word, also]))
    return say({ mechanisms: meanings, also }, lines.join('\n'))
  }
  const note = readIncidentNote(place.home)
  const state = note && stateOfIncident(place.home, note)
  const solutions = solvedIncidents(place.home)
  const shown = incidents.map(({ name, title, level }) => ({ name, title, level, solved: solutions[name] ?? null }))
  const lines = shown.map(
    ({ name, title, level, solved }) =>
      `${name.padEnd(20)} ${'●'.repeat(level).padEnd(4)} ${title}${solved ? colour.green(`  ✔ ${solved.score} points`) : ''}${note?.name === name ? colour.yellow(`  ${STATES[state!]}`) : ''}`,
  )
  const away = await assertRuns(place).then(
    () => null,
    (error: Error) => error.message,
  )
  const next = away === null ? 'Begin one: npm run incident -- start NAME' : colour.yellow(away)
  say(
    { incidents: shown, started: note?.name ?? null, state, running: away === null },
    `${lines.join('\n')}\n\n${shown.filter(({ solved }) => solved).length} of ${shown.length} solved. ${next}`,
  )
}

async function start(place: Place): Promise<void> {
  const incident = incidentCalled(name!)
  const firing = await firingAlerts(place)
  const note = await startIncident(place, incident)
  const { title, symptom } = incident
  say(
    {
      started: incident.name,
      title,
      symptom,
      started_at: new Date(note.startedAt).toISOString(),
      score: scoreOf(note),
      fired_before: firing,
    },
    `${colour.bold(title)}\n\n  ${symptom}\n
${firing?.length ? `Of something earlier, these alerts fire already: ${firing.join(', ')}.\n` : ''}Load is on its way; within a minute it can be seen. It ends by itself after 15 minutes.
Where to look: the console, npm run trace, or the APIs of traces, logs and metrics (README.md).
Then: npm run incident -- answer --service S --operation O --mechanism M --evidence E
E is a trace id, order:ID, audit:ID, or a query in which the fault can be seen; what can't be looked at costs nothing.
The words for M: npm run incident -- list --mechanisms. Stuck: npm run incident -- hint`,
  )
}

async function hint(place: Place): Promise<void> {
  const next = nextHint(place)
  if (next === undefined) return say({ hint: null }, 'There are no more hints.')
  say(next, `${next.hint}\n\nThat cost ${next.cost} points; ${next.score} are left. Further hints: ${next.left}.`)
}

async function answer(place: Place): Promise<void> {
  const [service, operation, mechanism, evidence] = PARTS.map((part) => flags[part]!)
  const grade = await answerIncident(place, {
    service: service!,
    operation: operation!,
    mechanism: mechanism!,
    evidence: evidence!,
  })
  const { name: incident } = currentNote(place)
  say({ incident, ...grade }, report(grade))
  if (!grade.right) process.exitCode = 1
}

function report(grade: Grade): string {
  const { says, examined } = grade.evidence
  if (!examined)
    return `${colour.yellow('Not graded:')} the evidence could not be looked at: ${says}\n\nThat costs nothing: ${grade.score} points are left after ${time(grade.seconds)}.`
  const mark = (right: boolean | null) => (right ? colour.green('✔') : colour.red('✘'))
  const parts = [
    `${mark(grade.service)} service`,
    `${mark(grade.operation)} operation`,
    `${mark(grade.mechanism)} mechanism`,
    `${mark(grade.evidence.shows)} evidence: ${says}`,
  ]
  const end = grade.right
    ? `${colour.green('Right.')} ${grade.score} points after ${time(grade.seconds)}. End it: npm run incident -- stop`
    : grade.solved
      ? `Solved it is, with ${grade.score} points after ${time(grade.seconds)}: this answer changes nothing.`
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
  if (flags.json) console.log(JSON.stringify(remark ? { ...data, remark } : data))
  else console.log(remark ? `${colour.yellow(remark)}\n\n${text}` : text)
}

function misused(message: string): never {
  if (flags.json) console.log(JSON.stringify({ error: message }))
  else console.error(`${message}\nAll commands: npm run incident -- --help`)
  process.exit(2)
}
