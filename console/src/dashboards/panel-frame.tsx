/** A panel's frame: title, what it means, its menu, and the states loading, empty, failed. */
import { useMemo, useState } from 'preact/hooks'
import { sourceOf } from '../data/datasources.ts'
import { exploreHref } from '../data/explore-address.ts'
import type { Dashboard, Panel } from '../data/grafana-json.ts'
import { interpolate, type Variables } from '../data/interpolate.ts'
import { panelLinks } from '../data/links.ts'
import { type PanelRun, runPanel, showsNothing } from '../data/run-panel.ts'
import { panelComponent } from '../panels/registry.ts'
import { Icon } from '../shell/icons.tsx'
import { Menu } from '../shell/menu.tsx'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { type Time, useTime } from '../shell/time.tsx'
import { setParams } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { useSeen, useSize } from '../shell/use-size.ts'
import { Inspector } from './inspector.tsx'
import './panel-frame.css'

interface FrameProps {
  readonly panel: Panel
  readonly variables: Variables
  readonly dashboard: Dashboard
  readonly alone?: boolean
}

export function PanelFrame({ panel, variables, dashboard, alone = false }: FrameProps) {
  const time = useTime()
  const [seenRef, seen] = useSeen<HTMLElement>()
  const [bodyRef, size] = useSize<HTMLDivElement>()
  const [inspecting, setInspecting] = useState(false)
  const ready = seen && size.width > 0
  const values = useMemo(() => JSON.stringify([...variables]), [variables])
  const { data: run, loading } = useQuery(
    ready ? JSON.stringify([panel.id, values, time.range, time.tick]) : undefined,
    (signal) => runPanel(panel, { range: time.range, variables, dashboard, width: size.width, signal }),
  )
  const title = interpolate(panel.title ?? '', variables, 'text')
  return (
    <article
      class={`panel type-${panel.type}${panel.transparent ? ' transparent' : ''}`}
      ref={seenRef}
      data-panel={panel.id}
      data-title={title}
      aria-busy={loading}
      aria-label={title || panel.type}
    >
      <header class="panel-head">
        <h3>{title}</h3>
        {panel.description && (
          <span class="panel-info" tabIndex={0} role="note" aria-label={panel.description}>
            <Icon name="info" />
            <span class="hint" aria-hidden="true">
              {interpolate(panel.description, variables, 'text')}
            </span>
          </span>
        )}
        {run?.data &&
          panelLinks(panel.links, run.data.variables).map((link) => (
            <a key={link.href} class="panel-link" href={link.href}>
              {link.title}
            </a>
          ))}
        <PanelMenu
          panel={panel}
          title={title}
          variables={run?.data?.variables ?? variables}
          dashboard={dashboard}
          time={time}
          alone={alone}
          onInspect={() => setInspecting(true)}
        />
      </header>
      {loading && run && <span class="panel-loading" aria-hidden="true" />}
      <div class="panel-body" ref={bodyRef}>
        <PanelBody panel={panel} run={run} size={size} />
      </div>
      {inspecting && <Inspector panel={panel} title={title} run={run} onClose={() => setInspecting(false)} />}
    </article>
  )
}

function PanelBody({
  panel,
  run,
  size,
}: {
  panel: Panel
  run: PanelRun | undefined
  size: { width: number; height: number }
}) {
  const Component = panelComponent(panel.type)
  if (!Component)
    return (
      <p class="state unsupported" data-state="unsupported">
        Panels of type “{panel.type}” can’t be drawn by this console. Grafana shows them.
      </p>
    )
  if (!run) return <Loading />
  if (run.error) return <Failure message={run.error} />
  if (!run.data) return null
  if (showsNothing(panel, run.data))
    return <NoData {...(panel.fieldConfig?.defaults?.noValue && { hint: panel.fieldConfig.defaults.noValue })} />
  return <Component panel={panel} data={run.data} width={size.width} height={size.height} />
}

interface MenuProps {
  readonly panel: Panel
  readonly title: string
  readonly variables: Variables
  readonly dashboard: Dashboard
  readonly time: Time
  readonly alone: boolean
  readonly onInspect: () => void
}

function PanelMenu({ panel, title, variables, dashboard, time, alone, onInspect }: MenuProps) {
  const explore = exploreLink(panel, variables, dashboard, time)
  return (
    <Menu label={`Menu of ${title || panel.type}`} button={<Icon name="more" />} className="icon-button panel-menu">
      {(close) => (
        <>
          <button
            type="button"
            class="menu-item"
            onClick={() => setParams({ viewPanel: alone ? null : String(panel.id) })}
          >
            <Icon name="expand" /> {alone ? 'Back to the dashboard' : 'View alone'}
          </button>
          {explore && (
            <a class="menu-item" href={explore}>
              <Icon name="search" /> Explore
            </a>
          )}
          <button
            type="button"
            class="menu-item"
            onClick={() => {
              close()
              onInspect()
            }}
          >
            <Icon name="info" /> Inspect
          </button>
        </>
      )}
    </Menu>
  )
}

/** The first query, as it was asked, in Explore. */
function exploreLink(panel: Panel, variables: Variables, dashboard: Dashboard, time: Time): string | undefined {
  const target = panel.targets?.[0]
  const text = target?.expr ?? target?.query
  if (!target || !text) return undefined
  try {
    const source = sourceOf(target, panel, dashboard.templating?.list ?? [])
    return source.id === 'postgres'
      ? undefined
      : exploreHref(source.id, interpolate(text, variables, source.language), time.raw)
  } catch {
    // A data source that isn't here: the panel's body says so.
    return undefined
  }
}
