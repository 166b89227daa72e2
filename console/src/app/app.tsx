/** The frame around every page, and which page an address means. */
import { lazy, Suspense } from 'preact/compat'
import { useEffect, useState } from 'preact/hooks'
import { AlertsPage } from '../alerts/alerts-page.tsx'
import { AuditPage } from '../audit/audit-page.tsx'
import { DashboardPage } from '../dashboards/dashboard-page.tsx'
import type { Absentee } from '../data/absent.ts'
import { absentHere, isAbsent } from '../data/absent-here.ts'
import { capturedRange } from '../data/capture.ts'
import { findEntry, loadDashboard, loadEntries } from '../data/dashboards.ts'
import { beginOfData, fillingRange } from '../data/first-sight.ts'
import type { DashboardEntry } from '../data/grafana-json.ts'
import { newClient } from '../data/http.ts'
import { placesClosed } from '../data/places.ts'
import type { RawRange } from '../data/time-range.ts'
import { DiffersPage } from '../differs/differs-page.tsx'
import { MapPage } from '../map/map-page.tsx'
import { ServicesPage } from '../services/services-page.tsx'
import { AbsentNote } from '../shell/absent-note.tsx'
import { ErrorBoundary } from '../shell/error-boundary.tsx'
import { Failure, Loading } from '../shell/states.tsx'
import { TimeControls, TimeProvider } from '../shell/time.tsx'
import { useTitle } from '../shell/title.ts'
import { useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { TracePage } from '../trace/trace-page.tsx'
import { TracesPage } from '../traces/traces-page.tsx'
import { CaptureBanner } from './capture-banner.tsx'
import { Home } from './home.tsx'
import { TopBar } from './top-bar.tsx'

/** The editor is a third of all code; boards shouldn't wait for it. */
const ExplorePage = lazy(() => import('../explore/explore-page.tsx'))

/** The page that this part of an address means, where it would have nothing to show. */
const closedPlace = (page: string) => placesClosed(absentHere()).find(({ path }) => path === `/${page}`)

const DEFAULT_RANGE = capturedRange() ?? { from: 'now-1h', to: 'now' }

export function App() {
  const { path } = useAddress()
  const [, page = '', id = ''] = path.split('/')
  const { data: entries, error } = useQuery('entries', (signal) => {
    // The board will want it; by then it is there.
    if (page === 'd') void dataBegan()
    return loadEntries(signal)
  })
  const entry = entries && page === 'd' ? findEntry(entries, id) : undefined
  if (entries && entry && !entry.without) return <DashboardRoute key={entry.uid} entry={entry} entries={entries} />
  // What fires is to be seen while it does.
  const refresh = page === 'alerts' ? '10s' : 'off'
  const hasTime = HAS_TIME.has(page) && !closedPlace(page)
  return (
    <TimeProvider defaults={DEFAULT_RANGE} defaultRefresh={refresh}>
      <TopBar entries={entries ?? []} page={page}>
        {hasTime && <TimeControls defaultRefresh={refresh} />}
      </TopBar>
      <CaptureBanner />
      <ErrorBoundary key={path}>
        {error && <Failure message={error} />}
        {!entries && !error && <Loading />}
        {entries && <Route page={page} id={id} entries={entries} />}
      </ErrorBoundary>
    </TimeProvider>
  )
}

const HAS_TIME = new Set(['explore', 'differs', 'services', 'alerts', 'map', 'audit', 'traces'])

function Route({ page, id, entries }: { page: string; id: string; entries: readonly DashboardEntry[] }) {
  if (page === '') return <Home entries={entries} />
  const closed = closedPlace(page)
  if (closed) return <Absent title={closed.title} absent={[closed.needs]} />
  if (page === 'trace') return <TracePage key={id} traceId={id} />
  if (page === 'differs') return <DiffersPage />
  if (page === 'traces') return <TracesPage />
  if (page === 'services') return <ServicesPage />
  if (page === 'alerts') return <AlertsPage />
  if (page === 'map') return <MapPage />
  if (page === 'audit') return <AuditPage />
  if (page === 'explore') {
    return (
      <Suspense fallback={<Loading what="Loading the editor" />}>
        <ExplorePage />
      </Suspense>
    )
  }
  const entry = page === 'd' ? findEntry(entries, id) : undefined
  if (entry?.without) return <Absent title={entry.title} absent={entry.without} />
  return <Nowhere message={page === 'd' ? `There is no dashboard "${id}".` : 'There is no such page.'} />
}

/** A page that would be empty says why. */
function Absent({ title, absent }: { title: string; absent: readonly Absentee[] }) {
  useTitle(title)
  return (
    <main class="page">
      <h1>{title}</h1>
      <AbsentNote absent={absent} />
    </main>
  )
}

function Nowhere({ message }: { message: string }) {
  useTitle('Not found')
  return (
    <main class="page">
      <Failure message={message} />
    </main>
  )
}

/** A dashboard brings its own time range and refresh, so it frames itself. */
function DashboardRoute({ entry, entries }: { entry: DashboardEntry; entries: readonly DashboardEntry[] }) {
  const { data, error } = useQuery(entry.file, async (signal) => {
    const [dashboard, began] = await Promise.all([loadDashboard(entry, signal), dataBegan()])
    return { dashboard, began }
  })
  const dashboard = data?.dashboard
  const refresh = dashboard?.refresh || 'off'
  const range = useFillingRange(capturedRange() ?? dashboard?.time ?? DEFAULT_RANGE, data?.began)
  return (
    <TimeProvider defaults={range} defaultRefresh={refresh}>
      <TopBar entries={entries} page="d" uid={entry.uid}>
        <TimeControls defaultRefresh={refresh} />
      </TopBar>
      <CaptureBanner />
      {error && <Failure message={error} />}
      {!dashboard && !error && <Loading what="Loading the dashboard" />}
      <ErrorBoundary>{dashboard && <DashboardPage dashboard={dashboard} />}</ErrorBoundary>
    </TimeProvider>
  )
}

const BEGAN_KEPT_MS = 60_000
let beganAsked: { readonly at: number; readonly answer: Promise<number | undefined> } | undefined

/** Without metrics, or with a range in the address, a board shows that range, and its panels say what is missing. */
function dataBegan(): Promise<number | undefined> {
  if (isAbsent('prometheus') || new URLSearchParams(location.search).has('from')) return Promise.resolve(undefined)
  const at = Date.now()
  if (!beganAsked || at - beganAsked.at > BEGAN_KEPT_MS)
    beganAsked = { at, answer: beginOfData(newClient(), at).catch(() => undefined) }
  return beganAsked.answer
}

/** `board`, or as much of it as there is data for: it grows each minute until it is the board's own. */
function useFillingRange(board: RawRange, began: number | undefined): RawRange {
  const [now, setNow] = useState(Date.now)
  const range = fillingRange(board, began, now)
  const whole = range === board
  useEffect(() => {
    if (whole) return undefined
    const timer = setInterval(() => setNow(Date.now()), 60_000)
    return () => clearInterval(timer)
  }, [whole])
  return range
}
