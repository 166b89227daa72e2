/** The queries that were asked, and those that have a name: a click asks one again. */
import type { ComponentChildren } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { isToday, localDateTime, localTime } from '../data/time-range.ts'
import { Icon } from '../shell/icons.tsx'
import { forgotten, named, type Queries, refusal, unnamed } from './query-store.ts'
import './query-lists.css'

interface ListProps {
  readonly queries: Queries
  /** False: the browser keeps it not. */
  readonly onChange: (change: (queries: Queries) => Queries) => boolean
  readonly onAsk: (query: string) => void
}

const NOT_KEPT = 'This browser keeps nothing for this page, or has no room left: it is gone when the page is left.'

export function QueryHistory({ queries, onChange, onAsk }: ListProps) {
  const { history } = queries
  if (history.length === 0) return <p class="muted">What is asked here is listed here, in this browser only.</p>
  return (
    <>
      <List label="History">
        {history.map(({ query, at }) => (
          <Row
            key={query}
            query={query}
            onAsk={onAsk}
            deletes="Forget the query"
            onDelete={() => onChange((now) => forgotten(now, query))}
          >
            <time class="muted">{isToday(at) ? localTime(at) : localDateTime(at)}</time>
          </Row>
        ))}
      </List>
      <DeleteAll label="Forget all" onDelete={() => onChange((now) => ({ ...now, history: [] }))} />
    </>
  )
}

export function SavedQueries({ queries, onChange, onAsk, text }: ListProps & { text: string }) {
  const [name, setName] = useState('')
  const [word, setWord] = useState('')
  const save = (event: Event) => {
    event.preventDefault()
    const refused = refusal(queries, name, text)
    if (refused) {
      setWord(refused)
      return
    }
    const replaces = queries.saved.some((one) => one.name === name.trim())
    const kept = onChange((now) => named(now, name, text))
    setWord(kept ? `${replaces ? 'Saved in place of the former' : 'Saved'} “${name.trim()}”.` : NOT_KEPT)
    setName('')
  }
  return (
    <>
      <form class="save-query" onSubmit={save}>
        <label>
          <span class="visually-hidden">Name</span>
          <input
            value={name}
            maxLength={100}
            placeholder="Name for the query in the editor"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary">
          Save
        </button>
        <span role="status">{word}</span>
      </form>
      {queries.saved.length > 0 && (
        <>
          <List label="Saved queries">
            {queries.saved.map((one) => (
              <Row
                key={one.name}
                query={one.query}
                name={one.name}
                onAsk={onAsk}
                deletes={`Delete “${one.name}”`}
                onDelete={() => onChange((now) => unnamed(now, one.name))}
              />
            ))}
          </List>
          <DeleteAll label="Delete all" onDelete={() => onChange((now) => ({ ...now, saved: [] }))} />
        </>
      )}
    </>
  )
}

const List = ({ label, children }: { label: string; children: ComponentChildren }) => (
  <ul class="query-list" aria-label={label}>
    {children}
  </ul>
)

interface RowProps {
  readonly query: string
  readonly name?: string
  readonly onAsk: (query: string) => void
  readonly deletes: string
  readonly onDelete: () => void
  readonly children?: ComponentChildren
}

function Row({ query, name, onAsk, deletes, onDelete, children }: RowProps) {
  const root = useRef<HTMLLIElement>(null)
  const remove = () => {
    // The keyboard goes on where the row was.
    const next = root.current?.nextElementSibling ?? root.current?.previousElementSibling
    const place = next?.querySelector<HTMLElement>('.icon-button') ?? toolOf(root.current)
    place?.focus()
    onDelete()
  }
  return (
    <li ref={root}>
      <button type="button" class="query-ask" title={query} onClick={() => onAsk(query)}>
        {name !== undefined && <strong>{name}</strong>}
        <code>{query}</code>
      </button>
      {children}
      <button type="button" class="icon-button small" aria-label={deletes} title={deletes} onClick={remove}>
        <Icon name="close" />
      </button>
    </li>
  )
}

/** Where the keyboard is left when a list is gone. */
const toolOf = (element: Element | null) => element?.closest<HTMLElement>('.query-tool')

/** Asks back: all of them are soon gone. */
function DeleteAll({ label, onDelete }: { label: string; onDelete: () => void }) {
  const [sure, setSure] = useState(false)
  return (
    <button
      type="button"
      class="button"
      onBlur={() => setSure(false)}
      onClick={(event) => {
        setSure(!sure)
        if (!sure) return
        toolOf(event.currentTarget)?.focus()
        onDelete()
      }}
    >
      {sure ? `${label}: sure?` : label}
    </button>
  )
}
