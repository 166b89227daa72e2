/** Answers and points. */
import { type IncidentNote, noteSolved } from '@sightline/local/incident'
import { checkEvidence, type Verdict } from './evidence.ts'
import type { Incident } from './incident.ts'
import { mechanismCalled } from './mechanisms.ts'
import type { Place } from './place.ts'
import { currentNote, incidentCalled, keepNote } from './run.ts'

/** What a player says. */
export interface Answer {
  service: string
  operation: string
  mechanism: string
  /** See `checkEvidence`. */
  evidence: string
}

/**
 * What comes back: each part by itself, the points that are left, and how long it took so far. Where the evidence could not be
 * examined the parts are null: nothing was graded, and nothing is taken.
 */
export interface Grade {
  right: boolean
  service: boolean | null
  operation: boolean | null
  mechanism: boolean | null
  evidence: Verdict
  score: number
  seconds: number
  /** Whether it was solved by then: with this answer, or before. */
  solved: boolean
}

const FULL = 100
/** What the first, the second and each further hint costs. */
const HINT_COSTS = [10, 15, 20]
const WRONG_COSTS = 15

/** What the next hint costs after so many. */
export const hintCost = (hints: number): number => HINT_COSTS[Math.min(hints, HINT_COSTS.length - 1)]!

/** Points that are left, never below 0. */
export function scoreOf({ hints, wrong }: Pick<IncidentNote, 'hints' | 'wrong'>): number {
  let score = FULL - wrong * WRONG_COSTS
  for (let given = 0; given < hints; given++) score -= hintCost(given)
  return Math.max(0, score)
}

/** Grades an answer and notes it. Once solved, further answers change nothing. */
export async function answerIncident(place: Place, answer: Answer): Promise<Grade> {
  const note = currentNote(place)
  const incident = incidentCalled(note.name)
  const evidence = await checkEvidence(place, incident, note, answer.evidence)
  const seconds = note.solved?.seconds ?? Math.round((Date.now() - note.startedAt) / 1000)
  // Else a query that is none would be a way to try all words for nothing.
  if (!evidence.examined) {
    const score = note.solved?.score ?? scoreOf(note)
    const solved = note.solved !== undefined
    return { right: false, service: null, operation: null, mechanism: null, evidence, score, seconds, solved }
  }
  const parts = gradeParts(incident.cause, answer)
  const right = parts.service && parts.operation && parts.mechanism && evidence.shows
  const wrong = note.wrong + (right || note.solved ? 0 : 1)
  const score = note.solved?.score ?? scoreOf({ hints: note.hints, wrong })
  keepNote(place, { ...note, wrong, ...(right || note.solved ? { solved: { score, seconds } } : {}) })
  if (right && !note.solved) noteSolved(place.home, note.name, { score, seconds })
  return { right, ...parts, evidence, score, seconds, solved: right || note.solved !== undefined }
}

/** What is right of an answer's words. */
export function gradeParts(
  cause: Incident['cause'],
  { service, operation, mechanism }: Omit<Answer, 'evidence'>,
): { service: boolean; operation: boolean; mechanism: boolean } {
  return {
    service: [cause.service, cause.orService ?? cause.service].map(serviceName).includes(serviceName(service)),
    operation: cause.operations.some((one) => isSameOperation(one, operation)),
    mechanism: mechanismCalled(mechanism) === cause.mechanism,
  }
}

/** `Audit Service` and `audit` are audit-service. */
const serviceName = (name: string) =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_]+/g, '-')
    .replace(/-service$/, '')

/**
 * One operation has as many names as there are places to read it: a statement's span is `pg.query:find_user sightline`, a route is
 * `POST /api/v1/process` at the gateway, `POST /process` and `router - /process` in its service, and `/process` among the labels.
 */
function isSameOperation(one: string, other: string): boolean {
  const [a, b] = [operationName(one), operationName(other)]
  const isMethod = a.method === b.method || a.method === undefined || b.method === undefined
  return isMethod && a.steps.length === b.steps.length && a.steps.every((step, n) => isSameStep(step, b.steps[n]!))
}

function operationName(name: string) {
  const bare = name
    .trim()
    .toLowerCase()
    .replace(/^pg\.query:/, '')
    .replace(/ sightline$/, '')
    .replace(/^router - /, '')
  const [, method, path = bare] = /^(get|post|put|patch|delete)\s+(\/.*)$/.exec(bare) ?? []
  return { method, steps: path.replace(/^\/api\/v1\//, '/').split('/') }
}

/** A step of a route that is a variable fits whatever stands in its place. */
const isSameStep = (a: string, b: string) => a === b || (isVariable(a) && b !== '') || (isVariable(b) && a !== '')
const isVariable = (step: string) => /^(\{.*\}|:.+)$/.test(step)

/** The next hint and its price; undefined when there are no more. */
export function nextHint(place: Place): { hint: string; cost: number; left: number; score: number } | undefined {
  const note = currentNote(place)
  const incident: Incident = incidentCalled(note.name)
  const hint = incident.hints[note.hints]
  if (hint === undefined) return undefined
  const cost = note.solved ? 0 : hintCost(note.hints)
  const told = { ...note, hints: note.hints + 1 }
  keepNote(place, told)
  return { hint, cost, left: incident.hints.length - told.hints, score: note.solved?.score ?? scoreOf(told) }
}
