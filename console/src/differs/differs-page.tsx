/** /differs: two groups of spans, and the attributes that tell one from the other. */
import { counted } from '@sightline/contracts/counted'
import { useLayoutEffect, useState } from 'preact/hooks'
import {
  type Comparison,
  compareQuery,
  comparisonIn,
  type Difference,
  type Differences,
  type DifferentValue,
  isNamedIn,
  loadDifferences,
  narrowed,
  percent,
  sentence,
  sidesOf,
} from '../data/differs.ts'
import { exploreHref } from '../data/explore-address.ts'
import { newClient } from '../data/http.ts'
import type { RawRange } from '../data/time-range.ts'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { inTitle, useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import './differs-page.css'

export function DiffersPage() {
  const { params } = useAddress()
  const { range, tick } = useTime()
  const comparison = comparisonIn(params)
  useTitle(comparison?.selection ? `${inTitle(comparison.selection)} · What differs` : 'What differs')
  const key = comparison && JSON.stringify([comparison, range, tick])
  const { data, error, loading } = useQuery(key, (signal) => loadDifferences(newClient(signal), comparison!, range))
  return (
    <main class="page differs">
      <div class="page-head">
        <h1>What differs</h1>
        <p class="muted">
          Two groups of spans, and the attributes that tell one from the other: those whose shares lie furthest apart
          first.
        </p>
      </div>
      <Question comparison={comparison} />
      {comparison && error && <Failure message={error} />}
      {comparison && loading && !data && <Loading what="Comparing" />}
      {comparison && data && !error && (
        <div aria-busy={loading}>
          <Answer comparison={comparison} data={data} />
        </div>
      )}
    </main>
  )
}

const STARTS: readonly { title: string; spans: string; selection: string; against: string }[] = [
  { title: 'Errors against the rest', spans: 'kind = server', selection: 'status = error', against: '' },
  { title: 'Slow requests against the rest', spans: 'nestedSetParent < 0', selection: 'duration > 100ms', against: '' },
  {
    title: 'Slow statements against the rest',
    spans: 'name =~ "pg.query:.*"',
    selection: 'duration > 10ms',
    against: '',
  },
  {
    title: 'One service against another',
    spans: 'kind = server',
    selection: 'resource.service.name = "user-service"',
    against: 'resource.service.name = "order-service"',
  },
]

/** The filters, and the part of the time, that make the two groups. */
function Question({ comparison }: { comparison: Comparison | undefined }) {
  const { range, refreshNow } = useTime()
  const given = {
    spans: comparison?.spans ?? '',
    selection: comparison?.selection ?? '',
    against: comparison?.against ?? '',
  }
  const [text, setText] = useState(given)
  useLayoutEffect(() => setText(given), [given.spans, given.selection, given.against])
  const window = comparison?.window
  const field = (name: keyof typeof text, label: string, hint: string) => (
    <label>
      <span>{label}</span>
      <input
        value={text[name]}
        placeholder={hint}
        spellcheck={false}
        onInput={(event) => setText({ ...text, [name]: event.currentTarget.value })}
      />
    </label>
  )
  const ask = (event: Event) => {
    event.preventDefault()
    if (JSON.stringify(text) === JSON.stringify(given)) refreshNow()
    else setParams({ spans: text.spans || null, selection: text.selection, against: text.against || null })
  }
  const newest = { from: range.to - (range.to - range.from) / 4, to: range.to }
  return (
    <>
      <form class="differs-question" onSubmit={ask}>
        {field('spans', 'Of the spans', 'all of them')}
        {field('selection', 'select', 'status = error')}
        {field('against', 'and hold them against', 'the rest')}
        <button type="submit" class="primary">
          Compare
        </button>
      </form>
      <p class="differs-window">
        {window ? (
          <>
            Selected are only those between <time>{clock(window.from)}</time> and <time>{clock(window.to)}</time>.{' '}
            <button type="button" class="link" onClick={() => setParams({ window: null })}>
              At any time
            </button>
          </>
        ) : (
          <button
            type="button"
            class="link"
            onClick={() => setParams({ window: `${Math.round(newest.from)}-${Math.round(newest.to)}` })}
          >
            Select the newest quarter of the time range only, against what was before
          </button>
        )}
      </p>
      {!comparison && (
        <ul class="differs-starts" aria-label="Examples">
          {STARTS.map(({ title, ...filters }) => (
            <li key={title}>
              <button
                type="button"
                class="card"
                onClick={() =>
                  setParams({ ...filters, spans: filters.spans || null, against: filters.against || null })
                }
              >
                <span>{title}</span>
                <code>{compareQuery(filters)}</code>
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

const clock = (ms: number): string =>
  new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

/** So many attributes are shown at first: those further down differ little. */
const ATTRIBUTES = 12

function Answer({ comparison, data }: { comparison: Comparison; data: Differences }) {
  const time = useTime()
  const [whole, setWhole] = useState(false)
  const { window } = comparison
  const raw = window ? { from: String(Math.round(window.from)), to: String(Math.round(window.to)) } : time.raw
  const sides = sidesOf(comparison)
  const side = (name: string, count: number, query: string) => (
    <a class={`differs-side ${name}`} href={exploreHref('tempo', query, name === 'selected' ? raw : time.raw)}>
      {counted(count, name === 'selected' ? 'selected span' : 'other span')}
    </a>
  )
  if (data.selected === 0)
    return <NoData hint={`No span is selected: widen the filter or the time range. Others: ${data.others}.`} />
  if (data.others === 0) return <NoData hint="All spans are selected: there is nothing to hold them against." />
  const news = data.ranked.filter(({ attribute }) => !isNamedIn(comparison.selection, attribute))
  const shown = whole ? news : news.slice(0, ATTRIBUTES)
  const known = data.ranked.filter(({ attribute }) => isNamedIn(comparison.selection, attribute))
  return (
    <>
      <p class="differs-sentence">
        {sentence(data, comparison) ?? 'No attribute tells the selected spans from the others.'}
      </p>
      <p class="differs-legend">
        {side('selected', data.selected, sides.selected)} {side('others', data.others, sides.others)}
        <code>{compareQuery(comparison)}</code>
      </p>
      <ol class="differs-list" aria-label="Attributes by how much they differ">
        {shown.map((one) => (
          <AttributeCard key={one.attribute} difference={one} comparison={comparison} raw={raw} />
        ))}
      </ol>
      {news.length > ATTRIBUTES && (
        <button type="button" class="button" onClick={() => setWhole(!whole)}>
          {whole ? 'Only the first' : `${news.length - ATTRIBUTES} more attributes`}
        </button>
      )}
      {known.length > 0 && (
        <p class="muted">Named by the selection itself: {known.map(({ attribute }) => attribute).join(', ')}.</p>
      )}
    </>
  )
}

const SHOWN = 5

interface CardProps {
  readonly difference: Difference
  readonly comparison: Comparison
  readonly raw: RawRange
}

function AttributeCard({ difference, comparison, raw }: CardProps) {
  const [open, setOpen] = useState(false)
  const { attribute, values } = difference
  const shown = open ? values : values.slice(0, SHOWN)
  return (
    <li class="differs-attribute">
      <h2>{attribute}</h2>
      <table>
        <caption class="visually-hidden">Shares of each value of {attribute}</caption>
        <thead class="visually-hidden">
          <tr>
            <th scope="col">Value</th>
            <th scope="col">Selected</th>
            <th scope="col">Others</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((value) => (
            <ValueRow
              key={value.literal}
              value={value}
              href={exploreHref('tempo', narrowed(comparison, attribute, value), raw)}
            />
          ))}
        </tbody>
      </table>
      {values.length > SHOWN && (
        <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? 'Fewer' : `${values.length - SHOWN} more`}
        </button>
      )}
    </li>
  )
}

function ValueRow({ value, href }: { value: DifferentValue; href: string }) {
  const bar = (name: string, share: number) => (
    <td>
      <svg class="differs-bar" width="100%" height="8" aria-hidden="true">
        <rect class={name} width={`${share * 100}%`} height="8" rx="2" />
      </svg>
      <span>{percent(share)}</span>
    </td>
  )
  return (
    <tr>
      <th scope="row">
        <a href={href} title="Search the selected spans with this value">
          {value.literal === undefined ? <em>{value.text}</em> : value.text || '""'}
        </a>
      </th>
      {bar('selected', value.selected)}
      {bar('others', value.other)}
    </tr>
  )
}
