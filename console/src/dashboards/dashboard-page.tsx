/** /d/<uid>: a dashboard's variables, rows and panels. */
import { useMemo } from 'preact/hooks'
import { allPanels, type Dashboard } from '../data/grafana-json.ts'
import { newClient } from '../data/http.ts'
import { single } from '../data/interpolate.ts'
import { Icon } from '../shell/icons.tsx'
import { Failure, Loading } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { type PlacedPanel, type Section, toSections } from './grid.ts'
import { PanelFrame } from './panel-frame.tsx'
import { VariableBar } from './variable-bar.tsx'
import { type ResolvedVariable, resolveVariables, variableValues } from './variables.ts'
import './dashboard-page.css'

export function DashboardPage({ dashboard }: { dashboard: Dashboard }) {
  const { params } = useAddress()
  const time = useTime()
  const definitions = dashboard.templating?.list ?? []
  const chosen = useMemo(() => chosenValues(params), [params])
  const key = JSON.stringify([
    dashboard.uid,
    [...chosen],
    time.raw,
    definitions.some((one) => one.type === 'query') ? Math.floor(time.tick / 6) : 0,
  ])
  const { data: variables, error } = useQuery(key, (signal) =>
    resolveVariables(definitions, chosen, newClient(signal), time.range),
  )
  const alone = params.get('viewPanel')
  const panel = alone && allPanels(dashboard).find((one) => String(one.id) === alone)?.title
  useTitle(panel ? `${panel} · ${dashboard.title}` : dashboard.title)
  return (
    <main class="page dashboard">
      <div class="page-head">
        <h1 title={dashboard.description}>{dashboard.title}</h1>
        {variables && <VariableBar variables={variables} />}
      </div>
      {error && <Failure message={error} />}
      {!variables && !error && <Loading what="Loading the dashboard" />}
      {variables &&
        (alone ? (
          <AlonePanel id={alone} dashboard={dashboard} variables={variables} />
        ) : (
          <Sections dashboard={dashboard} variables={variables} />
        ))}
    </main>
  )
}

function chosenValues(params: URLSearchParams): ReadonlyMap<string, readonly string[]> {
  const names = [...params.keys()].filter((name) => name.startsWith('var-'))
  return new Map(
    names.map((name) => [name.slice(4), params.getAll(name).map((value) => (value === 'All' ? '$__all' : value))]),
  )
}

interface BodyProps {
  readonly dashboard: Dashboard
  readonly variables: readonly ResolvedVariable[]
}

function Sections({ dashboard, variables }: BodyProps) {
  const { params } = useAddress()
  const sections = useMemo(() => toSections(dashboard.panels ?? [], variables), [dashboard, variables])
  const toggled = new Set((params.get('rows') ?? '').split(',').filter(Boolean))
  return (
    <>
      {sections.map((section) => {
        const id = String(section.row?.id ?? section.row?.title ?? '')
        const collapsed = Boolean(section.row?.collapsed) !== toggled.has(id)
        const toggle = () => {
          if (!toggled.delete(id)) toggled.add(id)
          setParams({ rows: toggled.size ? [...toggled].join(',') : null }, true)
        }
        return (
          <SectionView
            key={id}
            section={section}
            collapsed={Boolean(section.row) && collapsed}
            onToggle={toggle}
            variables={variables}
            dashboard={dashboard}
          />
        )
      })}
    </>
  )
}

interface SectionProps extends BodyProps {
  readonly section: Section
  readonly collapsed: boolean
  readonly onToggle: () => void
}

function SectionView({ section, collapsed, onToggle, variables, dashboard }: SectionProps) {
  return (
    <section class="board-section" aria-label={section.row?.title ?? 'Panels'}>
      {section.row && (
        <h2 class="row-title">
          <button type="button" aria-expanded={!collapsed} onClick={onToggle}>
            <Icon name={collapsed ? 'chevron-right' : 'chevron-down'} /> {section.row.title}
          </button>
        </h2>
      )}
      {!collapsed && (
        <div class="board-grid">
          {section.panels.map((placed) => (
            <Placed
              key={`${placed.panel.id}/${placed.scope?.value ?? ''}`}
              placed={placed}
              variables={variables}
              dashboard={dashboard}
            />
          ))}
        </div>
      )}
    </section>
  )
}

function Placed({ placed, variables, dashboard }: BodyProps & { placed: PlacedPanel }) {
  const { panel, x, y, w, h, scope } = placed
  const values = useMemo(() => {
    const all = variableValues(variables)
    return scope ? new Map([...all, [scope.name, single(scope.value)] as const]) : all
  }, [variables, scope])
  return (
    <div class="board-cell" style={{ '--x': x + 1, '--y': y + 1, '--w': w, '--h': h }}>
      <PanelFrame panel={panel} variables={values} dashboard={dashboard} />
    </div>
  )
}

function AlonePanel({ id, dashboard, variables }: BodyProps & { id: string }) {
  const panel = allPanels(dashboard).find((one) => String(one.id) === id)
  if (!panel) return <Failure message={`This dashboard has no panel ${id}.`} />
  return (
    <div class="board-alone">
      <PanelFrame panel={panel} variables={variableValues(variables)} dashboard={dashboard} alone />
    </div>
  )
}
