/** What differs between two groups of spans: a sentence, how many there are, and a card for each attribute. */
import { counted } from '@sightline/contracts/counted'
import { useState } from 'preact/hooks'
import {
  type Comparison,
  compareQuery,
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
import { useQuery } from '../shell/use-query.ts'
import './differences.css'

/** Asks over the time range that is chosen. */
export function FoundDifferences({ comparison }: { comparison: Comparison }) {
  const { range, tick } = useTime()
  const key = JSON.stringify([comparison, range, tick])
  const { data, error, loading } = useQuery(key, (signal) => loadDifferences(newClient(signal), comparison, range))
  return (
    <div class="two-groups" aria-busy={loading}>
      {error && <Failure message={error} />}
      {loading && !data && <Loading what="Comparing" />}
      {data && !error && <Answer comparison={comparison} data={data} />}
    </div>
  )
}

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
