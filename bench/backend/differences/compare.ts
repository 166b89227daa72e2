/** Asks the backend and another engine the same query, and tells whether what differs is documented. */
import { type Answer, ask, type Difference, difference, type Ignore, type Way, type Window } from './answers.ts'
import { KINDS } from './documented.ts'
import { DATA_SECONDS, type Engines } from './fill.ts'
import type { Kind } from './kind.ts'
import { reprinted } from './rewrite.ts'
import { ODD_PART } from './spans.ts'

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
    if (!known.has(key)) known.set(key, ask(from, way, text, over))
    return known.get(key)!
  }
  const differ = async (here: string, there: string, over: Window, ignore?: Ignore) =>
    difference(await answer(engines.backend, here, over), await answer(other, there, over), ignore)

  const found = await differ(query, query, window)
  if (found === undefined) return { found, names: [] }
  // What is refused for how it is written is taken once a change has had it printed anew: no change is the reason then.
  const written = reprinted(isTraces(way) ? 'traceql' : 'logql', query)
  const bySpelling = found.what === 'refused there' && (await differ(query, written, window)) === undefined
  const candidates = KINDS.filter(
    (kind) => kind.ways.includes(way) && applies(kind, query, way, found) && (!bySpelling || kind.refused),
  )
  const sets = [...candidates.map((kind) => [kind]), ...pairs(candidates), candidates]
  let rest = found
  for (const set of sets) {
    if (set.length === 0) continue
    const without = set.reduce((text, kind) => kind.without?.(text, way) ?? text, query)
    const asThere = set.reduce((text, kind) => kind.asThere?.(text, way) ?? text, without)
    const over = set.some((kind) => kind.tidy) ? tidy(window) : window
    const ignoring = set.flatMap(({ ignores }) => (ignores ? [ignores] : []))
    const left = await differ(asThere, without, over, (part, key, here, there) =>
      ignoring.some((ignores) => ignores({ way, query, part, key, here, there })),
    )
    const refused = found.what === 'refused there' && set.some((kind) => kind.refused?.test(found.example))
    if (left === undefined || refused) return { found, names: set.map(({ name }) => name) }
    rest = left
  }
  return { found: rest, names: [] }
}

function applies(kind: Kind, query: string, way: Way, found: Difference): boolean {
  if (kind.query?.test(query) === false) return false
  if (kind.refused) return found.what === 'refused there' && kind.refused.test(found.example)
  const changes = [kind.without, kind.asThere].filter((change) => change !== undefined)
  return changes.length === 0 || changes.some((change) => change(query, way) !== query)
}

function pairs<T>(all: readonly T[]): T[][] {
  return all.flatMap((one, i) => all.slice(i + 1).map((other) => [one, other]))
}

/** Without the part in which traces without a root, or with several, begin. */
function tidy(window: Window): Window {
  return { ...window, start: window.start + Math.ceil((ODD_PART * DATA_SECONDS) / window.step + 2) * window.step }
}

/** Whether Tempo is asked. */
export function isTraces(way: Way): boolean {
  return way === 'search' || way === 'metrics' || way === 'instant'
}
