/** Where one can go, and the time range of where one is. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { absentHere } from '../data/absent-here.ts'
import type { DashboardEntry } from '../data/grafana-json.ts'
import { placesWithout } from '../data/places.ts'
import { isTraceId } from '../data/tempo.ts'
import { withParams } from '../data/url.ts'
import { Icon, type IconName } from '../shell/icons.tsx'
import { applyTheme, storedTheme, type Theme } from '../shell/theme.ts'
import { navigate, useAddress } from '../shell/url.ts'
import { Firing } from './firing.tsx'
import { Keys } from './keys.tsx'
import './top-bar.css'

const PLACES_HERE = placesWithout(absentHere())

interface TopBarProps {
  readonly entries: readonly DashboardEntry[]
  readonly page: string
  readonly uid?: string
  readonly children?: ComponentChildren
}

export function TopBar({ entries, page, uid, children }: TopBarProps) {
  const { params } = useAddress()
  // Moving from board to board keeps what time one looks at.
  const kept = { from: params.get('from'), to: params.get('to'), refresh: params.get('refresh') }
  const own = entries.filter(({ tags, without }) => tags.includes('sightline') && !without)
  const link = (href: string, text: ComponentChildren, current: boolean) => (
    <a key={href} href={withParams(href, kept)} aria-current={current ? 'page' : undefined}>
      {text}
    </a>
  )
  const nav = useRef<HTMLElement>(null)
  // On a phone the pages are a line that moves sideways: where one is, is in sight.
  useEffect(() => {
    const [line, current] = [nav.current!, nav.current!.querySelector<HTMLElement>('[aria-current]')]
    if (current) line.scrollLeft = current.offsetLeft - line.offsetLeft - (line.clientWidth - current.offsetWidth) / 2
  }, [page, uid, own.length])
  return (
    <header class="top-bar">
      <a class="brand" href="/" aria-label="Sightline: all dashboards">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <circle cx="16" cy="16" r="14" fill="#ff9830" />
          <circle cx="16" cy="16" r="9" class="brand-eye" />
          <path
            d="M7 16h4l2-5 4 10 3-7 1.5 2H25"
            fill="none"
            stroke="#ff9830"
            stroke-width="2"
            stroke-linecap="round"
            stroke-linejoin="round"
          />
        </svg>
        <span>Sightline</span>
      </a>
      <nav aria-label="Main" ref={nav}>
        {own.map((entry) =>
          link(`/d/${encodeURIComponent(entry.uid)}`, entry.title, page === 'd' && entry.uid === uid),
        )}
        <span class="nav-gap" aria-hidden="true" />
        {PLACES_HERE.map(({ path, title, short = title }) =>
          link(
            path,
            path === '/alerts' ? (
              <>
                {short}
                <Firing />
              </>
            ) : (
              short
            ),
            page === path.slice(1),
          ),
        )}
      </nav>
      <TraceJump />
      <div class="top-end">
        {children}
        <Keys />
        <ThemeButton />
      </div>
    </header>
  )
}

/** A trace id pasted anywhere in sight is a question: show me. */
function TraceJump() {
  const [text, setText] = useState('')
  return (
    <form
      class="trace-jump"
      onSubmit={(event) => {
        event.preventDefault()
        if (isTraceId(text)) navigate(`/trace/${text.trim().toLowerCase()}`)
      }}
    >
      <input
        value={text}
        placeholder="Trace id"
        aria-label="Open a trace by its id"
        spellcheck={false}
        data-find
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </form>
  )
}

const NEXT: Record<Theme, { theme: Theme; icon: IconName; text: string }> = {
  system: { theme: 'light', icon: 'auto', text: 'Colours: as the system' },
  light: { theme: 'dark', icon: 'sun', text: 'Colours: light' },
  dark: { theme: 'system', icon: 'moon', text: 'Colours: dark' },
}

function ThemeButton() {
  const [theme, setTheme] = useState(storedTheme)
  const { theme: next, icon, text } = NEXT[theme]
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={text}
      title={text}
      onClick={() => {
        applyTheme(next)
        setTheme(next)
      }}
    >
      <Icon name={icon} />
    </button>
  )
}
