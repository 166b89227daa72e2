/** The choices above a dashboard. Every change goes into the address, and from there into all queries. */
import { useLayoutEffect, useState } from 'preact/hooks'
import { Icon } from '../shell/icons.tsx'
import { Menu } from '../shell/menu.tsx'
import { setParams } from '../shell/url.ts'
import { ALL, type ResolvedVariable } from './variables.ts'
import './variable-bar.css'

export function VariableBar({ variables }: { variables: readonly ResolvedVariable[] }) {
  const visible = variables.filter(
    ({ definition }) => definition.hide !== 2 && definition.type !== 'constant' && definition.type !== 'datasource',
  )
  if (visible.length === 0) return null
  return (
    <div class="variables">
      {visible.map((variable) => (
        <Control key={variable.definition.name} variable={variable} />
      ))}
    </div>
  )
}

function Control({ variable }: { variable: ResolvedVariable }) {
  const { definition, error } = variable
  const label = definition.label || definition.name
  return (
    <div class="variable" title={error ?? definition.description ?? undefined}>
      <span class="variable-label" id={`var-${definition.name}`}>
        {label}
        {error && <Icon name="warning" />}
      </span>
      {definition.type === 'textbox' ? (
        <TextControl variable={variable} label={label} />
      ) : definition.multi ? (
        <MultiControl variable={variable} label={label} />
      ) : (
        <SingleControl variable={variable} label={label} />
      )}
    </div>
  )
}

const choose = (name: string, values: readonly string[]) => setParams({ [`var-${name}`]: values })

interface ControlProps {
  readonly variable: ResolvedVariable
  readonly label: string
}

function TextControl({ variable: { definition, selected }, label }: ControlProps) {
  const [text, setText] = useState(selected[0] ?? '')
  // The value and not the list, which is a new one at every refresh.
  useLayoutEffect(() => setText(selected[0] ?? ''), [selected[0]])
  const commit = () => text !== selected[0] && choose(definition.name, [text.trim()])
  return (
    <input
      value={text}
      aria-label={label}
      spellcheck={false}
      size={Math.min(Math.max(text.length + 1, 12), 34)}
      onInput={(event) => setText(event.currentTarget.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  )
}

function SingleControl({ variable: { definition, options, selected }, label }: ControlProps) {
  return (
    <select
      aria-label={label}
      value={selected[0]}
      onChange={(event) => choose(definition.name, [event.currentTarget.value])}
    >
      {definition.includeAll && <option value={ALL}>All</option>}
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.text}
        </option>
      ))}
    </select>
  )
}

function MultiControl({ variable: { definition, options, selected }, label }: ControlProps) {
  const [filter, setFilter] = useState('')
  const all = selected.includes(ALL)
  const text = all
    ? 'All'
    : selected.length === 0
      ? 'None'
      : selected.map((value) => options.find((option) => option.value === value)?.text ?? value).join(' + ')
  const toggle = (value: string) => {
    const next = all
      ? [value]
      : selected.includes(value)
        ? selected.filter((one) => one !== value)
        : [...selected, value]
    choose(definition.name, next.length ? next : [ALL])
  }
  return (
    <Menu label={`${label}: ${text}`} className="select-button" align="left" button={<span>{text}</span>}>
      {() => (
        <div class="options">
          <input
            value={filter}
            placeholder="Filter"
            aria-label={`Filter ${label}`}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
          {definition.includeAll && (
            <label class="option">
              <input type="checkbox" checked={all} onChange={() => choose(definition.name, [ALL])} /> All
            </label>
          )}
          {options
            .filter((option) => option.text.toLowerCase().includes(filter.toLowerCase()))
            .map((option) => (
              <label key={option.value} class="option">
                <input
                  type="checkbox"
                  checked={!all && selected.includes(option.value)}
                  onChange={() => toggle(option.value)}
                />{' '}
                {option.text}
              </label>
            ))}
        </div>
      )}
    </Menu>
  )
}
