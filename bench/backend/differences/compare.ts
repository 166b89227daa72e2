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
import { ALL, comparedIn, cut, writtenOf } from './compared.ts'
import { KINDS } from './documented.ts'
import { DATA_SECONDS } from './fill.ts'
import type { Confirmation, Kind, Place } from './kind.ts'
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

interface Differing {
  readonly ignore?: Ignore
  /** What is made of the answer here, one after the other. */
  readonly changes?: readonly ((answer: Answer) => Answer)[]
}

/** Compares the answers to one query. */
export async function compare(engines: Engines, way: Way, query: string, window: Window): Promise<Comparison> {
  const other = isTraces(way) ? engines.tempo! : engines.loki!
  const known = new Map<string, Promise<Answer>>()
  const answer = (from: typeof other, text: string, over: Window, by = way) => {
    const key = `${from.name} ${over.start} ${by} ${text}`
    if (!known.has(key)) known.set(key, from.ask(by, text, over))
    return known.get(key)!
  }
  const isConfirmed = async ({ way: by, query: text, has }: Confirmation) => {
    const given = await answer(other, text, window, by)
    return 'parts' in given && given.parts[0]![1].keys().some(has)
  }
  const differ = async (here: string, there: string, over: Window, { ignore, changes = [] }: Differing = {}) => {
    // Of a part of the time Tempo has series of nothing but zeros, for spans of the rest.
    const clean = (one: Answer) => (over === window ? one : withoutZeros(one))
    const compared = /^(metrics|instant)$/.test(way) ? comparedIn(here) : undefined
    if (compared === undefined) {
      const [mine, yours] = [await answer(engines.backend, here, over), await answer(other, there, over)]
      return difference(clean(mine), clean(yours), ignore)
    }
    const inAll = (text: string) => writtenOf({ ...comparedIn(text)!, most: ALL })
    const [all, told] = [await answer(engines.backend, inAll(here), over), await answer(engines.backend, here, over)]
    const own = difference(cut(all, compared.most), cut(told, compared.most))
    if (own !== undefined) return { ...own, what: `${own.what}, of the values told here` }
    // Of a part of the time the interval before it has a say in which values are the most frequent there.
    const most = over === window ? compared.most : ALL
    const yours = await answer(other, over === window ? there : inAll(there), over)
    const asThere = changes.reduce((one, change) => change(one), all)
    return difference(cut(clean(asThere), most), cut(clean(yours), most), ignore)
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
  const [everywhere, some] = [
    candidates.filter((kind) => kind.everywhere),
    candidates.filter((kind) => !kind.everywhere),
  ]
  const chosen = [...ofSize(0, some), ...ofSize(1, some), ...ofSize(2, some), ...ofSize(3, some), some]
  const sets = chosen.map((set) => [...everywhere, ...set])
  let rest = found
  for (const set of sets) {
    if (set.length === 0) continue
    const without = set.reduce((text, kind) => kind.without?.(text, way) ?? text, query)
    const asThere = set.reduce((text, kind) => kind.asThere?.(text, way) ?? text, without)
    const over = set.some((kind) => kind.tidy) ? tidy(window) : window
    const unsure: Confirmation[] = []
    const ignores = (place: Place) => {
      const kind = set.find((one) => one.ignores?.(place))
      if (kind?.confirmed) unsure.push(kind.confirmed(place))
      return kind !== undefined
    }
    const left = await differ(asThere, without, over, {
      ignore: (part, key, here, there) =>
        ignores({ way, query, askedHere: asThere, askedThere: without, window: over, part, key, here, there }),
      changes: set.flatMap(({ answered }) => (answered ? [answered] : [])),
    })
    const refused = found.what === 'refused there' && set.some((kind) => kind.refused?.test(found.example))
    const isDocumented = left === undefined && (await Promise.all(unsure.map(isConfirmed))).every((is) => is)
    if (isDocumented || refused) return { found, names: set.map(({ name }) => name) }
    rest = left ?? found
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
