/** A search for traces: what it found as points and as rows, how many that are, and ways on from there. */
import { counted } from '@sightline/contracts/counted'
import { useMemo, useState } from 'preact/hooks'
import { comparisonsOf, differsHref, spansOf } from '../data/differs.ts'
import { traceHref } from '../data/explore-address.ts'
import { type FoundTraces as Found, findTraces, type TraceRow } from '../data/found-traces.ts'
import { newClient } from '../data/http.ts'
import { countSpans } from '../data/tempo.ts'
import type { TimeRange } from '../data/time-range.ts'
import { withCount } from '../data/traceql-text.ts'
import { patchedParams, withParams } from '../data/url.ts'
import { TraceScatter } from '../panels/trace-scatter.tsx'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { FoundTraces } from './found-traces.tsx'
import { NothingFound } from './nothing-found.tsx'
import { extentOf, LIMITS, nextLimit, readLimit } from './trace-limits.ts'

interface Answer extends Found {
  readonly query: string
  readonly range: TimeRange
  readonly millis: number
}

/** `asked`: what the address says; undefined for the newest traces of all. */
export function TraceSearch({ asked }: { asked?: string }) {
  const query = asked ?? '{ }'
  const { params } = useAddress()
  const { range, tick } = useTime()
  const limit = readLimit(params.get('limit'))
  const { data, error, loading } = useQuery(JSON.stringify([query, range, limit, tick]), async (signal) => {
    const started = performance.now()
    const found = await findTraces(newClient(signal), query, range, limit)
    return { ...found, query, range, millis: performance.now() - started }
  })
  // What failed may be another question than the one that is answered; asked for more, the list stays.
  const answer: Answer | undefined = error && data?.query !== query ? undefined : data
  return (
    <section class="results" aria-busy={loading} aria-label={asked === undefined ? 'Newest traces' : 'Result'}>
      {error && <Failure message={error} />}
      {loading && !answer && <Loading what="Searching" />}
      {answer &&
        answer.rows.length === 0 &&
        !error &&
        (asked === undefined ? (
          <NoData hint="No trace in this time range. Send a request, or choose a longer range." />
        ) : (
          <NothingFound query={answer.query} range={answer.range} />
        ))}
      {answer && answer.rows.length > 0 && <Shown answer={answer} asked={asked} limit={limit} busy={loading} />}
    </section>
  )
}

interface ShownProps {
  readonly answer: Answer
  readonly asked: string | undefined
  readonly limit: number
  /** Asking again, maybe for more. */
  readonly busy: boolean
}

function Shown({ answer, asked, limit, busy }: ShownProps) {
  const { params } = useAddress()
  const { raw } = useTime()
  const { from, to } = raw
  const { rows, more, query, range } = answer
  const picks = params.getAll('pick')
  // The way back is the search with its ticks.
  const search = patchedParams(new URLSearchParams(), {
    source: 'tempo',
    query: asked,
    from,
    to,
    limit: params.get('limit'),
    sort: params.get('sort'),
    pick: picks,
  }).toString()
  const hrefOf = useMemo(() => (row: TraceRow) => traceHref(row.id, { search }), [search])
  const span = useMemo(() => extentOf(rows, range, more), [rows, range, more])
  return (
    <>
      {asked === undefined && <h2>Newest traces</h2>}
      <TraceScatter rows={rows} span={span} range={range} spans={spansOf(query).spans} hrefOf={hrefOf} />
      <div class="found-tools">
        <Count answer={answer} />
        {more && <CountSpans query={query} range={range} />}
        <Picked picks={picks} search={search} />
        <a class="button" href={withParams('/traces', { query, from, to })}>
          By operation
        </a>
        {comparisonsOf(query).map(({ title, comparison }) => (
          <a key={title} class="button" href={differsHref(comparison, raw)}>
            {title}
          </a>
        ))}
      </div>
      <FoundTraces rows={rows} picks={picks} order={params.get('sort') ?? '-start'} hrefOf={hrefOf} />
      {more && <More limit={limit} busy={busy} />}
    </>
  )
}

/** Nothing is said of what wasn't counted. */
function Count({ answer: { rows, more, millis } }: { answer: Answer }) {
  const failed = rows.filter(({ status }) => status === 'error').length
  return (
    <p class="muted result-foot" role="status">
      {more ? `The newest ${rows.length} traces` : `${counted(rows.length, 'trace')}, all there are`}
      {failed > 0 && `, ${failed} with an error`}
      {more && '; more exist'} · {millis.toFixed(0)} ms
    </p>
  )
}

/** Search answers with some and says nothing of the rest: who wants to know how many there are has them counted. */
function CountSpans({ query, range }: { query: string; range: TimeRange }) {
  const counting = withCount(query)
  const [asked, setAsked] = useState<string>()
  const key = JSON.stringify([query, range])
  const { data, error, loading } = useQuery(asked === key ? key : undefined, (signal) =>
    countSpans(newClient(signal), counting!, range),
  )
  if (counting === undefined) return null
  if (asked !== key)
    return (
      <button type="button" class="button" onClick={() => setAsked(key)}>
        Count all
      </button>
    )
  return (
    <span role="status" class={error ? 'error-text' : 'muted'}>
      {error ??
        (loading || data === undefined ? 'Counting…' : `${data.toLocaleString('en')} matching spans in the range`)}
    </span>
  )
}

function Picked({ picks, search }: { picks: readonly string[]; search: string }) {
  const [left, right] = picks
  return (
    <>
      {right ? (
        <a class="button" href={traceHref(left!, { compare: right, search })}>
          Compare
        </a>
      ) : (
        <span class="muted tick-hint">Tick two to compare them</span>
      )}
      {picks.length > 0 && (
        <button type="button" class="button" onClick={() => setParams({ pick: null }, true)}>
          Untick
        </button>
      )}
    </>
  )
}

function More({ limit, busy }: { limit: number; busy: boolean }) {
  const next = nextLimit(limit)
  return next === undefined ? (
    <p class="muted result-foot">No more than {LIMITS.at(-1)} are listed: a shorter time range shows older ones.</p>
  ) : (
    <button
      type="button"
      class="more-rows"
      aria-disabled={busy}
      onClick={() => !busy && setParams({ limit: String(next) }, true)}
    >
      {busy ? `Asking for ${limit}…` : `More: the newest ${next}`}
    </button>
  )
}
