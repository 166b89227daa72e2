/** A round of queries. */
import type { Difference, Way, Window } from './answers.ts'
import * as apis from './apis.ts'
import { broken } from './broken.ts'
import { Choices, simplest } from './choices.ts'
import { compare, type Engines } from './compare.ts'
import * as logql from './logql.ts'
import * as traceql from './traceql.ts'

export interface Round {
  /** With how often each is asked. */
  readonly ways: readonly (readonly [way: Way, weight: number])[]
  /** One query, in place of random ones. */
  readonly ask?: string | undefined
  readonly from: number
  readonly queries: number
  readonly seed: number
}

/** At once: the slower engine is what is waited for. */
const CLIENTS = 4
const SHRINK_QUESTIONS = 60
const make: Record<Way, (choices: Choices, from: number) => string> = {
  search: traceql.search,
  metrics: traceql.metrics,
  instant: traceql.metrics,
  lines: logql.logs,
  newest: logql.logs,
  apart: logql.logs,
  range: logql.metrics,
  odd: logql.metrics,
  vector: logql.metrics,
  slip: (choices, from) => broken(choices, choices.once(3) ? traceql.metrics(choices, from) : traceql.search(choices)),
  misspelt: (choices) => broken(choices, choices.once(2) ? logql.metrics(choices) : logql.logs(choices)),
  tags: apis.tempo,
  labels: apis.loki,
}

interface Kind {
  readonly query: string
  readonly way: Way
  readonly found: Difference
  count: number
}

/** Asks one query, or random ones, in all these ways; prints each kind of difference that no document has when it is found, and in the end counts. */
export async function askAll(engines: Engines, window: Window, flags: Round): Promise<void> {
  const { ways } = flags
  if (flags.ask !== undefined) {
    for (const [way] of ways) {
      const { found, names } = await compare(engines, way, flags.ask, window)
      console.log(`${way}: ${found ? `${found.what}\n    ${found.example}\n    ${names.join(', ')}` : 'the same'}`)
    }
    return
  }
  const first = flags.from
  const last = first + flags.queries
  const kinds = new Map<string, Kind>()
  const meant = new Map<string, number>()
  let next = first
  let ended = 0
  const client = async () => {
    for (let number = next++; number < last; number = next++) {
      const choices = new Choices(flags.seed * 1_000_003 + number)
      const way = choices.way(...ways.map(([name, weight]) => [weight, () => name] as const))
      const query = make[way](choices, window.start)
      await file(way, choices.taken.slice(1), query, number)
    }
  }
  const documented = (names: readonly string[]) => {
    for (const name of names) meant.set(name, (meant.get(name) ?? 0) + 1)
    return names.length > 0
  }
  const file = async (way: Way, taken: readonly number[], query: string, number: number) => {
    const { found, names } = await compare(engines, way, query, window)
    if (found === undefined || documented(names)) return
    if (found.what === 'ended') {
      ended++
      return
    }
    const smallest = await simplest(
      taken,
      (smaller) => make[way](smaller, window.start),
      async (smaller) => {
        const less = await compare(engines, way, smaller, window)
        return less.found !== undefined && less.found.what !== 'ended' && less.names.length === 0
      },
      SHRINK_QUESTIONS,
    )
    const left = (await compare(engines, way, smallest, window)).found ?? found
    const key = `${way} ${left.what} ${shape(smallest)}`
    const seen = kinds.get(key)
    if (seen) seen.count++
    else {
      kinds.set(key, { query: smallest, way, found: left, count: 1 })
      console.log(`${way}: ${left.what}, query ${number}\n  ${smallest}\n    ${left.example}`)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  for (const [name, count] of [...meant].sort((a, b) => b[1] - a[1]))
    console.log(`meant to differ, ${count} times: ${name}`)
  const open = [...kinds.values()].map(({ way, query, found, count }) => ({ way, what: found.what, query, count }))
  const versions = [engines.tempo, engines.loki].flatMap((engine) => (engine ? [[engine.name, engine.version]] : []))
  console.log(
    JSON.stringify({
      ...Object.fromEntries(versions),
      queries: last - first,
      from: first,
      seed: flags.seed,
      ...(ended > 0 && { ended }),
      documented: Object.fromEntries(meant),
      open,
    }),
  )
}

/** The query without its values: what makes two differences one kind. */
function shape(query: string): string {
  return query
    .replace(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '"…"')
    .replace(/\b\d[\w.]*/g, 'N')
    .replace(/\b(span|resource|event|link|instrumentation)\.[\w.]+/g, '$1.x')
}
