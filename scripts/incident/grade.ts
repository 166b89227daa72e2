/** Answers and points. */
import type { IncidentNote } from '@sightline/local/incident'
import { checkEvidence, type Verdict } from './evidence.ts'
import type { Incident } from './incident.ts'
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

/** What comes back: each part by itself, the points that are left, and how long it took so far. */
export interface Grade {
  right: boolean
  service: boolean
  operation: boolean
  mechanism: boolean
  evidence: Verdict
  score: number
  seconds: number
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
  const { cause } = incident
  const parts = {
    service: same(answer.service, cause.service),
    operation: cause.operations.some((operation) => isNamed(operation, answer.operation)),
    mechanism: same(answer.mechanism, cause.mechanism),
    evidence: await checkEvidence(place, incident, note, answer.evidence),
  }
  const right = parts.service && parts.operation && parts.mechanism && parts.evidence.shows
  const seconds = note.solved?.seconds ?? Math.round((Date.now() - note.startedAt) / 1000)
  const wrong = note.wrong + (right || note.solved ? 0 : 1)
  const score = note.solved?.score ?? scoreOf({ hints: note.hints, wrong })
  keepNote(place, { ...note, wrong, ...(right || note.solved ? { solved: { score, seconds } } : {}) })
  return { right, ...parts, score, seconds }
}

/** A span of a statement is named after it: `pg.query:find_user sightline` is find_user, too. */
function isNamed(operation: string, given: string): boolean {
  return same(operation, given) || same(operation, given.replace(/^pg\.query:/, '').replace(/ sightline$/, ''))
}

const same = (a: string, b: string) => a.trim().toLowerCase() === b.trim().toLowerCase()

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
