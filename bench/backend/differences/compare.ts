/** Asks the backend and another engine the same query, and tells whether what differs is documented. */
import {
  type Answer,
  type Difference,
  difference,
  type Ignore,
  type TraceWay,
  type Way,
  type Window,
} from './answers.ts'
import { KINDS } from './documented.ts'
import { DATA_SECONDS } from './fill.ts'
import type { Kind } from './kind.ts'
import type { Asked } from './lasting.ts'
import { reprinted } from './rewrite.ts'
import { ODD_PART } from './spans.ts'

export interface Engines {
  readonly backend: Asked
  readonly tempo: Asked | undefined
  readonly loki: Asked | undefined
}

export interface Comparison {
  /** undefined when both say the same; without what is documented, where that is not all. */
  readonly found: Difference | undefined
  /** The documented kinds that explain all of it; empty when they don't. */
  readonly names: readonly string[]
}

/** Compares the answers to one query. */
export async function compare(engines: Engines, way: Way, query: string, window: Window): Promise<Comparison> {
  const other = isTraces(way) ? engines.tempo! : engines.loki!
  const known = new Map<string, Promise<Answer>>()
  const answer = (from: typeof other, text: string, over: Window) => {
    const key = `${from.name} ${over.start} ${text}`
    if (!known.has(key)) known.set(key, from.ask(way, text, over))
    return known.get(key)!
  }
  const differ = async (here: string, there: string, over: Window, ignore?: Ignore) => {
    // Of a part of the time Tempo has series of nothing but zeros, for spans of the rest.
    const [mine, yours] = [await answer(engines.backend, here, over), await answer(other, there, over)]
    return over === window
      ? difference(mine, yours, ignore)
      : difference(withoutZeros(mine), withoutZeros(yours), ignore)
  }

  const found = await differ(query, query, window)
  if (found === undefined || found.what === 'ended') return { found, names: [] }
  // What is refused for how it is written is taken once a change has had it printed anew: no change is the reason then.
  const isQuery = way !== 'tags' && way !== 'labels'
  const written = isQuery ? reprinted(isTraces(way) ? 'traceql' : 'logql', query) : query
  const bySpelling = isQuery && found.what === 'refused there' && (await differ(query, written, window)) === undefined
  const candidates = KINDS.filter(
    (kind) => kind.ways.includes(way) && applies(kind, query, way, found) && (!bySpelling || kind.refused),
  )
  const sets = [...ofSize(1, candidates), ...ofSize(2, candidates), ...ofSize(3, candidates), candidates]
  let rest = found
  for (const set of sets) {
    if (set.length === 0) continue
    const without = set.reduce((text, kind) => kind.without?.(text, way) ?? text, query)
    const asThere = set.reduce((text, kind) => kind.asThere?.(text, way) ?? text, without)
    const over = set.some((kind) => kind.tidy) ? tidy(window) : window
    const ignoring = set.flatMap(({ ignores }) => (ignores ? [ignores] : []))
    const left = await differ(asThere, without, over, (part, key, here, there) =>
      ignoring.some((ignores) => ignores({ way, query, window: over, part, key, here, there })),
    )
    const refused = found.what === 'refused there' && set.some((kind) => kind.refused?.test(found.example))
    if (left === undefined || refused) return { found, names: set.map(({ name }) => name) }
    rest = left
  }
  return { found: rest, names: [] }
}

function applies(kind: Kind, query: string, way: Way, found: Difference): boolean {
  if (kind.query?.test(query) === false) return false
  if (kind.here && (found.what !== 'refused here' || !kind.here.test(found.example))) return false
  if (kind.refused) return found.what === 'refused there' && kind.refused.test(found.example)
  const changes = [kind.without, kind.asThere].filter((change) => change !== undefined)
  return changes.length === 0 || changes.some((change) => change(query, way) !== query)
}

/** Each choice of so many of them, in their order. */
function ofSize<T>(size: number, all: readonly T[]): T[][] {
  if (size === 0) return [[]]
  return all.flatMap((one, i) => ofSize(size - 1, all.slice(i + 1)).map((others) => [one, ...others]))
}

/** Without the part in which traces without a root, or with several, begin. */
function tidy(window: Window): Window {
  return { ...window, start: window.start + Math.ceil((ODD_PART * DATA_SECONDS) / window.step + 2) * window.step }
}

/** Less is 0: an average of several values is so far off there. */
const LEAST = 1e-12

/** Without samples of 0, and the series that have no others. */
function withoutZeros(answer: Answer): Answer {
  if (!('parts' in answer) || answer.parts[0]![0] !== 'series') return answer
  const samples = [...answer.parts[1]![1]].filter(
    ([, value]) => typeof value !== 'number' || !(Math.abs(value) < LEAST),
  )
  const series = [...answer.parts[0]![1]].filter(([key]) => samples.some(([place]) => place.startsWith(`${key} @`)))
  return {
    parts: [
      ['series', new Map(series)],
      ['samples', new Map(samples)],
    ],
  }
}

const TRACE_WAYS: ReadonlySet<string> = new Set<TraceWay>(['search', 'metrics', 'instant', 'slip', 'tags'])

/** Whether Tempo is asked. */
export const isTraces = (way: Way): way is TraceWay => TRACE_WAYS.has(way)
