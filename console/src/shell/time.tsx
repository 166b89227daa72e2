/** The time range and refresh of a page: kept in the address, resolved against the clock at every tick. */
import { type ComponentChildren, createContext } from 'preact'
import { useCallback, useContext, useEffect, useMemo, useState } from 'preact/hooks'
import { nowMs } from '../data/capture.ts'
import {
  parseDate,
  parseDuration,
  QUICK_RANGES,
  type RawRange,
  rangeLabel,
  refreshOf,
  resolveRange,
  type TimeRange,
} from '../data/time-range.ts'
import { Icon } from './icons.tsx'
import { Menu } from './menu.tsx'
import { setParams, useAddress } from './url.ts'
import './time.css'

export interface Time {
  readonly raw: RawRange
  readonly range: TimeRange
  /** Counts refreshes: a new number means "ask again". */
  readonly tick: number
  readonly refreshNow: () => void
}

const TimeContext = createContext<Time | undefined>(undefined)

/** Throws outside of a TimeProvider. */
export function useTime(): Time {
  const time = useContext(TimeContext)
  if (!time) throw new Error('useTime needs a TimeProvider above it.')
  return time
}

/** Puts it into the address. */
export const setRange = (raw: RawRange): void => setParams({ from: raw.from, to: raw.to })
/** Absolute, in ms: what zooming by drag ends in. */
export const zoomTo = (from: number, to: number): void =>
  setRange({ from: String(Math.round(from)), to: String(Math.round(to)) })

interface ProviderProps {
  readonly defaults: RawRange
  readonly defaultRefresh: string
  readonly children: ComponentChildren
}

const LAST_HOUR: RawRange = { from: 'now-1h', to: 'now' }

/** The address wins over the defaults; a range that can't be read is the last hour. */
export function TimeProvider({ defaults, defaultRefresh, children }: ProviderProps) {
  const { params } = useAddress()
  const from = params.get('from') ?? defaults.from
  const to = params.get('to') ?? defaults.to
  const refreshMs = parseDuration(refreshOf({ from, to }, params.get('refresh'), defaultRefresh))
  const [tick, setTick] = useState(0)
  const refreshNow = useCallback(() => setTick((count) => count + 1), [])
  useEffect(() => {
    if (!refreshMs) return undefined
    // A page nobody looks at asks nothing.
    const timer = setInterval(() => document.visibilityState === 'visible' && refreshNow(), refreshMs)
    return () => clearInterval(timer)
  }, [refreshMs, refreshNow])
  const time = useMemo((): Time => {
    const raw = { from, to }
    try {
      return { raw, range: resolveRange(raw, nowMs()), tick, refreshNow }
    } catch {
      return { raw: LAST_HOUR, range: resolveRange(LAST_HOUR, nowMs()), tick, refreshNow }
    }
  }, [from, to, tick, refreshNow])
  return <TimeContext.Provider value={time}>{children}</TimeContext.Provider>
}

const REFRESH_CHOICES = ['off', '5s', '10s', '30s', '1m', '5m']

/** Range, zoom and refresh, for the top bar. */
export function TimeControls({ defaultRefresh }: { defaultRefresh: string }) {
  const { raw, range, refreshNow } = useTime()
  const { params } = useAddress()
  const width = range.to - range.from
  return (
    <div class="time-controls">
      <Menu
        label={`Time range: ${rangeLabel(raw)}`}
        button={
          <>
            <Icon name="clock" /> {rangeLabel(raw)}
          </>
        }
      >
        {(close) => <RangeForm raw={raw} close={close} />}
      </Menu>
      <button
        type="button"
        class="icon-button"
        title="Zoom out"
        aria-label="Zoom out"
        onClick={() => zoomTo(range.from - width / 2, Math.min(range.to + width / 2, nowMs()))}
      >
        <Icon name="zoom-out" />
      </button>
      <button type="button" class="icon-button" title="Refresh" aria-label="Refresh" onClick={refreshNow}>
        <Icon name="refresh" />
      </button>
      <select
        aria-label="Refresh every"
        value={refreshOf(raw, params.get('refresh'), defaultRefresh)}
        onChange={(event) => setParams({ refresh: event.currentTarget.value }, true)}
      >
        {[...new Set([...REFRESH_CHOICES, defaultRefresh || 'off'])].map((choice) => (
          <option key={choice} value={choice}>
            {choice}
          </option>
        ))}
      </select>
    </div>
  )
}

function RangeForm({ raw, close }: { raw: RawRange; close: () => void }) {
  const [from, setFrom] = useState(readable(raw.from))
  const [to, setTo] = useState(readable(raw.to))
  const [error, setError] = useState('')
  const apply = (event: Event) => {
    event.preventDefault()
    const next = { from: writable(from), to: writable(to) }
    try {
      resolveRange(next, nowMs())
    } catch (cause) {
      setError((cause as Error).message)
      return
    }
    setRange(next)
    close()
  }
  return (
    <div class="range-form">
      <form onSubmit={apply}>
        <label>
          From <input value={from} onInput={(event) => setFrom(event.currentTarget.value)} spellcheck={false} />
        </label>
        <label>
          To <input value={to} onInput={(event) => setTo(event.currentTarget.value)} spellcheck={false} />
        </label>
        {error && (
          <p class="error-text" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="primary">
          Apply
        </button>
      </form>
      <ul>
        {QUICK_RANGES.map(({ label, raw: quick }) => (
          <li key={label}>
            <button
              type="button"
              class="menu-item"
              aria-current={quick.from === raw.from && quick.to === raw.to ? 'true' : undefined}
              onClick={() => {
                setRange(quick)
                close()
              }}
            >
              {label}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}

const readable = (text: string): string => (/^\d{9,}$/.test(text) ? new Date(Number(text)).toISOString() : text)
const writable = (text: string): string => {
  const trimmed = text.trim()
  if (trimmed.startsWith('now') || /^\d+$/.test(trimmed)) return trimmed
  const ms = parseDate(trimmed)
  return Number.isNaN(ms) ? trimmed : String(ms)
}
