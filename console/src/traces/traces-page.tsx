/** /traces?query=…: the newest traces a search finds, counted together by operation. */
import { counted } from '@sightline/contracts/counted'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { type Aggregate, addTrace, NO_TRACES } from '../data/aggregate.ts'
import { exploreHref, traceHref } from '../data/explore-address.ts'
import { flameByWork } from '../data/flame.ts'
import { type Client, newClient } from '../data/http.ts'
import type { Operation } from '../data/operations.ts'
import { fetchTrace, searchTraces } from '../data/tempo.ts'
import type { TimeRange } from '../data/time-range.ts'
import { formatNanos } from '../data/units.ts'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { inTitle, useTitle } from '../shell/title.ts'
import { navigate, setParams, useAddress } from '../shell/url.ts'
import { useZoom } from '../shell/use-zoom.ts'
import { FlameGraph } from '../views/flame-graph.tsx'
import { BY_SELF_TIME, OperationsTable } from '../views/operations-table.tsx'
import './traces-page.css'

const LIMITS = [20, 50, 100, 200]
const DEFAULT_LIMIT = 50

export function TracesPage() {
  const { params } = useAddress()
  const { raw, range, tick } = useTime()
  const query = params.get('query') ?? '{}'
  useTitle(`${inTitle(query)} · Traces by operation`)
  const limit = LIMITS.find((one) => String(one) === params.get('limit')) ?? DEFAULT_LIMIT
  const state = useAggregate(query, range, limit, tick)
  const byWork = params.get('view') === 'flame'
  const { sum } = state
  return (
    <main class="page traces-page">
      <div class="page-head">
        <h1>Traces by operation</h1>
        <fieldset class="tabs" aria-label="View">
          <button type="button" aria-pressed={!byWork} onClick={() => setParams({ view: null, zoom: null })}>
            Operations
          </button>
          <button type="button" aria-pressed={byWork} onClick={() => setParams({ view: 'flame', sort: null })}>
            Flame graph
          </button>
        </fieldset>
        <a class="button" href={exploreHref('tempo', query, raw)}>
          Back to the search
        </a>
        <label class="check">
          Newest
          <select
            value={String(limit)}
            aria-label="Traces at most"
            onChange={(event) => setParams({ limit: event.currentTarget.value })}
          >
            {LIMITS.map((one) => (
              <option key={one} value={String(one)}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="traces-says" role="status">
        <code>{query}</code> <Progress state={state} limit={limit} />
      </p>
      {state.error && <Failure message={state.error} />}
      {!state.error && state.found === undefined && <Loading what="Searching" />}
      {state.found === 0 && <NoData hint="Nothing matches in this time range. Try a longer one." />}
      {sum.traces > 0 && (byWork ? <Work sum={sum} /> : <Table sum={sum} query={query} />)}
    </main>
  )
}

/** The sums so far. */
interface Counting {
  readonly sum: Aggregate
  /** Traces the search found; undefined until it has. */
  readonly found?: number
  readonly done?: boolean
  readonly error?: string
}

/** What is asked for at once. */
const AT_ONCE = 4

/** A page of traces may be as large as all of this together; what is over isn't asked for. */
const MOST_SPANS = 300_000

function useAggregate(query: string, range: TimeRange, limit: number, tick: number): Counting {
  const [state, setState] = useState<Counting>({ sum: NO_TRACES })
  useEffect(() => {
    const controller = new AbortController()
    setState({ sum: NO_TRACES })
    countTraces(newClient(controller.signal), query, range, limit, (next) => {
      if (!controller.signal.aborted) setState(next)
    }).catch((cause: unknown) => {
      if (!controller.signal.aborted)
        setState({ sum: NO_TRACES, error: cause instanceof Error ? cause.message : String(cause) })
    })
    return () => controller.abort()
  }, [query, range.from, range.to, limit, tick])
  return state
}

/** Tells after each few traces how far it is. */
async function countTraces(
  client: Client,
  query: string,
  range: TimeRange,
  limit: number,
  onProgress: (state: Counting) => void,
): Promise<void> {
  const traces = await searchTraces(client, query, range, limit, 1)
  let sum = NO_TRACES
  onProgress({ sum, found: traces.length })
  for (let at = 0; at < traces.length && sum.spans < MOST_SPANS; at += AT_ONCE) {
    const few = traces.slice(at, at + AT_ONCE)
    const loaded = await Promise.all(few.map(({ traceID }) => fetchTrace(client, traceID)))
    for (const fetched of loaded) if (fetched) sum = addTrace(sum, fetched.trace)
    onProgress({ sum, found: traces.length })
  }
  onProgress({ sum, found: traces.length, done: true })
}

function Progress({ state, limit }: { state: Counting; limit: number }) {
  const { sum, found, done } = state
  if (found === undefined) return null
  const all = sum.traces === found ? counted(found, 'trace') : `${sum.traces} of ${counted(found, 'trace')}`
  return (
    <span class="muted">
      {all}, {counted(sum.spans, 'span')}, {formatNanos(sum.duration)} in all
      {found === limit && `; there may be more than the newest ${limit}`}
      {done && sum.spans >= MOST_SPANS && '; the others would be too many spans for a page'}
      {!done && '…'}
    </span>
  )
}

function Table({ sum, query }: { sum: Aggregate; query: string }) {
  const { params } = useAddress()
  const { raw } = useTime()
  const operations = useMemo(() => [...sum.operations.values()], [sum])
  const search = new URLSearchParams({ source: 'tempo', query, from: raw.from, to: raw.to }).toString()
  const [hrefOf, slowestHref] = useMemo(
    () => [
      ({ service, name }: Operation) => exploreHref('tempo', operationQuery(service, name), raw),
      ({ slowest: { traceId, spanId } }: Operation) => traceHref(traceId, { span: spanId, search }),
    ],
    [raw, search],
  )
  return (
    <div class="traces-body">
      <OperationsTable
        operations={operations}
        many
        order={params.get('sort') ?? BY_SELF_TIME}
        onOrder={(sort) => setParams({ sort }, true)}
        hrefOf={hrefOf}
        slowestHref={slowestHref}
      />
    </div>
  )
}

/** TraceQL for the spans of one operation. */
const operationQuery = (service: string, name: string): string =>
  `{ resource.service.name = ${JSON.stringify(service)} && name = ${JSON.stringify(name)} }`

function Work({ sum }: { sum: Aggregate }) {
  const { raw } = useTime()
  const flame = useMemo(() => flameByWork(sum.ways), [sum])
  const [window, setWindow] = useZoom(flame.full)
  return (
    <div class="traces-body flame-view">
      <p class="muted">
        Calls on the same way from the root are one box, as wide as their self time and all below, of all traces
        together. A click searches for them.
      </p>
      <FlameGraph
        flame={flame}
        window={window}
        onWindow={setWindow}
        label="Flame graph by work of all traces"
        onSelect={(box) => box && navigate(exploreHref('tempo', operationQuery(box.service, box.name), raw))}
      />
    </div>
  )
}
