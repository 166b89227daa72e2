/** Whether a query that somebody wrote finds what one that is known to be right finds, now. */
import type { Live, Sample } from './live.ts'

/** Between two questions the system goes on: a difference counts when it is there twice. */
const TRIES = 2
const TRACES = 200

/** `nothing`: there is nothing that the right one finds, so nothing can be said. */
export type Comparison = 'equal' | 'different' | 'nothing'

/** Spans of the newest traces. Rejects with a QueryError when the query is refused. */
export function compareSpans(live: Live, query: string, rightOne: string): Promise<Comparison> {
  return compare(
    async (traceql) => {
      const traces = await live.search(traceql, TRACES)
      return traces.flatMap(({ traceId, spans }) => spans.map((span) => `${traceId} ${span}`))
    },
    query,
    rightOne,
  )
}

/** Lines of the last hour, by what they say, of whom and of which request. Rejects likewise. */
export function compareLines(live: Live, query: string, rightOne: string): Promise<Comparison> {
  return compare(
    async (logql) => {
      const lines = await live.lines(logql)
      return lines.map(({ labels, line }) => `${labels.service_name} ${labels.span_id} ${line}`)
    },
    query,
    rightOne,
  )
}

/** Series by their labels, values within a tenth of each other. Rejects likewise. */
export async function compareSeries(
  ask: (query: string) => Promise<Sample[]>,
  query: string,
  rightOne: string,
): Promise<Comparison> {
  const wanted = await ask(rightOne)
  if (wanted.length === 0) return 'nothing'
  const found = new Map((await ask(query)).map((sample) => [labelsOf(sample), sample.value]))
  const near = (value: number, other = Number.NaN) => Math.abs(value - other) <= Math.max(Math.abs(value) / 10, 1e-9)
  const same = wanted.every((sample) => near(sample.value, found.get(labelsOf(sample))))
  return same && found.size === wanted.length ? 'equal' : 'different'
}

function labelsOf({ labels: { __name__, ...labels } }: Sample): string {
  return JSON.stringify(Object.entries(labels).sort())
}

async function compare(
  ask: (query: string) => Promise<string[]>,
  query: string,
  rightOne: string,
): Promise<Comparison> {
  for (let tries = 0; tries < TRIES; tries++) {
    const wanted = (await ask(rightOne)).sort()
    if (wanted.length === 0) return 'nothing'
    const found = (await ask(query)).sort()
    if (JSON.stringify(found) === JSON.stringify(wanted)) return 'equal'
  }
  return 'different'
}
