/** A search for traces by fields: each change writes the query, and a query from elsewhere is read into the fields. */
import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { newClient } from '../data/http.ts'
import { tempoTags, tempoTagValues } from '../data/tempo.ts'
import { Icon } from '../shell/icons.tsx'
import { useTime } from '../shell/time.tsx'
import { useQuery } from '../shell/use-query.ts'
import {
  NO_FIELDS,
  OPERATORS,
  readLength,
  type SearchFields,
  STATUSES,
  type TagCondition,
  toFields,
  toQuery,
} from './query-form.ts'
import './search-form.css'

interface SearchFormProps {
  /** What stands in the editor. */
  readonly text: string
  readonly onWrite: (query: string) => void
  readonly onRun: () => void
}

const NEW_TAG: TagCondition = { tag: '', op: '=', value: '' }

export function SearchForm({ text, onWrite, onRun }: SearchFormProps) {
  const written = useRef<string | undefined>(undefined)
  const [fields, setFields] = useState(() => toFields(text))
  // Before anything else is typed: later it would undo that.
  useLayoutEffect(() => {
    if (text !== written.current) setFields(toFields(text))
  }, [text])
  const shown = fields ?? NO_FIELDS
  const change = (patch: Partial<SearchFields>) => {
    const next = { ...shown, ...patch }
    written.current = toQuery(next)
    setFields(next)
    onWrite(written.current)
  }
  const rows = shown.tags.length === 0 ? [NEW_TAG] : shown.tags
  const setTag = (index: number, patch: Partial<TagCondition>) =>
    change({ tags: rows.map((row, i) => (i === index ? { ...row, ...patch } : row)) })
  const within = shown.service ? toQuery({ ...NO_FIELDS, service: shown.service }) : ''
  return (
    <form
      class="search-form"
      aria-label="Search by fields"
      onSubmit={(event) => {
        event.preventDefault()
        onRun()
      }}
    >
      {!fields && (
        <p class="search-form-word" role="status">
          The query in the editor says more than these fields can. What is entered here takes its place.
        </p>
      )}
      <Completed
        label="Service"
        value={shown.service}
        tag="resource.service.name"
        onInput={(service) => change({ service })}
      />
      <Completed
        label="Operation"
        value={shown.operation}
        tag="name"
        within={within}
        onInput={(operation) => change({ operation })}
      />
      <label>
        <span>Status</span>
        <select value={shown.status} onChange={(event) => change({ status: event.currentTarget.value })}>
          <option value="">any</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {status}
            </option>
          ))}
        </select>
      </label>
      <Length label="At least" hint="100ms" value={shown.min} onInput={(min) => change({ min })} />
      <Length label="At most" hint="1.5s" value={shown.max} onInput={(max) => change({ max })} />
      <fieldset class="search-tags">
        <legend>Attributes</legend>
        {rows.map((row, index) => (
          <TagRow key={index} row={row} within={within} onChange={(patch) => setTag(index, patch)}>
            <button
              type="button"
              class="icon-button"
              aria-label={`Remove attribute ${index + 1}`}
              title="Remove"
              disabled={shown.tags.length === 0}
              onClick={() => change({ tags: rows.filter((_row, i) => i !== index) })}
            >
              <Icon name="close" />
            </button>
          </TagRow>
        ))}
      </fieldset>
      <p class="search-form-end">
        <button type="button" class="button" onClick={() => change({ tags: [...rows, NEW_TAG] })}>
          Add an attribute
        </button>
        <button type="button" class="button" onClick={() => change(NO_FIELDS)}>
          Clear
        </button>
        <button type="submit" class="primary">
          Search
        </button>
      </p>
    </form>
  )
}

interface CompletedProps {
  readonly label: string
  readonly value: string
  readonly tag: string
  /** Values that occur in spans of this query only; '' for all. */
  readonly within?: string
  readonly onInput: (text: string) => void
  readonly hidden?: boolean
}

/** A field whose values are those of an attribute; they are asked for while it has the focus. */
function Completed({ label, value, tag, within = '', onInput, hidden = false }: CompletedProps) {
  const id = useId()
  const [wanted, setWanted] = useState(false)
  const { raw, range } = useTime()
  const key = wanted && tag ? JSON.stringify([tag, within, raw]) : undefined
  // Without them the field is one to type into.
  const { data: values = [] } = useQuery(key, (signal) => tempoTagValues(newClient(signal), tag, range, within))
  return (
    <label>
      <span class={hidden ? 'visually-hidden' : ''}>{label}</span>
      <input
        value={value}
        list={id}
        placeholder={hidden ? 'value' : 'any'}
        spellcheck={false}
        autocomplete="off"
        onFocus={() => setWanted(true)}
        onBlur={() => setWanted(false)}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <datalist id={id}>
        {values.map((one) => (
          <option key={`${one.type} ${one.value}`} value={optionText(one)} />
        ))}
      </datalist>
    </label>
  )
}

/** Text that looks like a number stays text. */
const optionText = ({ type, value }: { type: string; value: string }): string =>
  type === 'string' && /^(-?[\d.]+|true|false|nil)$/.test(value) ? JSON.stringify(value) : value

function Length({
  label,
  hint,
  value,
  onInput,
}: {
  label: string
  hint: string
  value: string
  onInput: (text: string) => void
}) {
  const id = useId()
  const wrong = value.trim() !== '' && readLength(value) === undefined
  return (
    <label>
      <span>{label}</span>
      <input
        class="length"
        value={value}
        placeholder={hint}
        spellcheck={false}
        aria-invalid={wrong}
        aria-describedby={wrong ? id : undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {wrong && (
        <span class="error-text" id={id}>
          a duration, as {hint}
        </span>
      )}
    </label>
  )
}

interface TagRowProps {
  readonly row: TagCondition
  readonly within: string
  readonly onChange: (patch: Partial<TagCondition>) => void
  readonly children: ComponentChildren
}

function TagRow({ row, within, onChange, children }: TagRowProps) {
  const id = useId()
  const [wanted, setWanted] = useState(false)
  const { raw, range } = useTime()
  const { data: scopes = [] } = useQuery(wanted ? JSON.stringify(raw) : undefined, (signal) =>
    tempoTags(newClient(signal), range),
  )
  const tags = scopes.flatMap(({ name, tags: own }) =>
    own.map((tag) => (name === 'intrinsic' ? tag : `${name}.${tag}`)),
  )
  const known = tags.includes(row.tag.trim())
  return (
    <div class="search-tag">
      <input
        value={row.tag}
        list={id}
        placeholder="span.http.route"
        aria-label="Attribute"
        spellcheck={false}
        autocomplete="off"
        onFocus={() => setWanted(true)}
        onInput={(event) => onChange({ tag: event.currentTarget.value })}
      />
      <datalist id={id}>
        {tags.map((tag) => (
          <option key={tag} value={tag} />
        ))}
      </datalist>
      <select aria-label="Comparison" value={row.op} onChange={(event) => onChange({ op: event.currentTarget.value })}>
        {OPERATORS.map((op) => (
          <option key={op} value={op}>
            {op}
          </option>
        ))}
      </select>
      <Completed
        label="Value"
        hidden
        value={row.value}
        tag={known ? row.tag.trim() : ''}
        within={within}
        onInput={(value) => onChange({ value })}
      />
      {children}
    </div>
  )
}
