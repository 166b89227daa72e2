/** /differs: two groups of spans, and the attributes that tell one from the other. */
import { useLayoutEffect, useState } from 'preact/hooks'
import { type Comparison, compareQuery, comparisonIn } from '../data/differs.ts'
import { useTime } from '../shell/time.tsx'
import { inTitle, useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { FoundDifferences } from '../views/differences.tsx'
import './differs-page.css'

export function DiffersPage() {
  const { params } = useAddress()
  const comparison = comparisonIn(params)
  useTitle(comparison?.selection ? `${inTitle(comparison.selection)} · What differs` : 'What differs')
  return (
    <main class="page">
      <div class="page-head">
        <h1>What differs</h1>
        <p class="muted">
          Two groups of spans, and the attributes that tell one from the other: those whose shares lie furthest apart
          first.
        </p>
      </div>
      <Question comparison={comparison} />
      {comparison && <FoundDifferences comparison={comparison} />}
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
