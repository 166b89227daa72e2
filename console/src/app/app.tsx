/** The frame around every page, and which page an address means. */
import { lazy, Suspense } from 'preact/compat'
import { AuditPage } from '../audit/audit-page.tsx'
import { DashboardPage } from '../dashboards/dashboard-page.tsx'
import { type DashboardEntry, findEntry, loadDashboard, loadEntries } from '../data/dashboards.ts'
import { MapPage } from '../map/map-page.tsx'
import { ErrorBoundary } from '../shell/error-boundary.tsx'
import { Failure, Loading } from '../shell/states.tsx'
import { TimeControls, TimeProvider } from '../shell/time.tsx'
import { useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { TracePage } from '../trace/trace-page.tsx'
import { Home } from './home.tsx'
import { TopBar } from './top-bar.tsx'

/** The editor is a third of all code; boards shouldn't wait for it. */
const ExplorePage = lazy(() => import('../explore/explore-page.tsx'))

const DEFAULT_RANGE = { from: 'now-1h', to: 'now' }

export function App() {
  const { path } = useAddress()
  const { data: entries, error } = useQuery('entries', loadEntries)
  const [, room, id] = path.split('/')
  if (room === 'd' || (!room && entries?.length)) {
    const entry = entries && (room === 'd' ? findEntry(entries, id ?? '') : undefined)
    if (room === 'd' && entry) return <DashboardRoom key={entry.uid} entry={entry} entries={entries} />
  }
  return (
    <TimeProvider defaults={DEFAULT_RANGE} defaultRefresh="off">
      <TopBar entries={entries ?? []} room={room ?? ''}>
        {HAS_TIME.has(room ?? '') && <TimeControls defaultRefresh="off" />}
      </TopBar>
      <ErrorBoundary key={path}>
        {error && <Failure message={error} />}
        {!entries && !error && <Loading />}
        {entries && <Room room={room ?? ''} id={id ?? ''} entries={entries} />}
      </ErrorBoundary>
    </TimeProvider>
  )
}

const HAS_TIME = new Set(['explore', 'map', 'audit'])

function Room({ room, id, entries }: { room: string; id: string; entries: readonly DashboardEntry[] }) {
  if (room === '') return <Home entries={entries} />
  if (room === 'trace') return <TracePage key={id} traceId={id} />
  if (room === 'map') return <MapPage />
  if (room === 'audit') return <AuditPage />
  if (room === 'explore') {
    return (
      <Suspense fallback={<Loading what="Loading the editor" />}>
        <ExplorePage />
      </Suspense>
    )
  }
  return <Failure message={room === 'd' ? `There is no dashboard "${id}".` : 'There is no such page.'} />
}

function DashboardRoom({ entry, entries }: { entry: DashboardEntry; entries: readonly DashboardEntry[] }) {
  const { data: dashboard, error } = useQuery(entry.file, (signal) => loadDashboard(entry, signal))
  const refresh = dashboard?.refresh || 'off'
  return (
    <TimeProvider defaults={dashboard?.time ?? DEFAULT_RANGE} defaultRefresh={refresh}>
      <TopBar entries={entries} room="d" uid={entry.uid}>
        <TimeControls defaultRefresh={refresh} />
      </TopBar>
      {error && <Failure message={error} />}
      {!dashboard && !error && <Loading what="Loading the dashboard" />}
      <ErrorBoundary>{dashboard && <DashboardPage dashboard={dashboard} />}</ErrorBoundary>
    </TimeProvider>
  )
}
