/** The panel types of our boards with their common settings. What differs from board to board is a parameter. */
import * as bargauges from '@grafana/grafana-foundation-sdk/bargauge'
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  LogsDedupStrategy,
  LogsSortOrder,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import { type DashboardLink, type Panel, PanelBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import * as gauges from '@grafana/grafana-foundation-sdk/gauge'
import * as heatmaps from '@grafana/grafana-foundation-sdk/heatmap'
import * as logs from '@grafana/grafana-foundation-sdk/logs'
import * as nodegraphs from '@grafana/grafana-foundation-sdk/nodegraph'
import * as stats from '@grafana/grafana-foundation-sdk/stat'
import * as tables from '@grafana/grafana-foundation-sdk/table'
import * as texts from '@grafana/grafana-foundation-sdk/text'
import * as series from '@grafana/grafana-foundation-sdk/timeseries'
import type { Query } from './queries.ts'
import { type Property, plain, type steps } from './styles.ts'

export type PanelSpec = Builder<Panel>
type Thresholds = ReturnType<typeof steps>
type Overrides = readonly (readonly [name: string, properties: Property[]])[]

interface Common {
  readonly title: string
  /** What it shows, how to read it, and what to do when it looks bad. */
  readonly description: string
  readonly queries: readonly Query[]
  readonly unit?: string
  readonly decimals?: number
  readonly thresholds?: Thresholds
  readonly overrides?: Overrides
  readonly min?: number
  readonly max?: number
  readonly noValue?: string
  /** Most points to ask for, where fewer than pixels look better. */
  readonly points?: number
  readonly links?: readonly { title: string; url: string }[]
  /** Where a click on a value leads. */
  readonly dataLinks?: readonly { title: string; url: string }[]
  /** For a panel that links lead to; ids of others follow from their places. From 100 on. */
  readonly id?: number
}

interface Settable {
  title(title: string): this
  description(description: string): this
  unit(unit: string): this
  decimals(decimals: number): this
  min(min: number): this
  max(max: number): this
  noValue(text: string): this
  maxDataPoints(points: number): this
  links(links: Builder<DashboardLink>[]): this
  dataLinks(links: Builder<DashboardLink>[]): this
  id(id: number): this
  thresholds(thresholds: Thresholds): this
  targets(targets: Query[]): this
  overrideByName(name: string, properties: Property[]): this
}

function common<P extends Settable>(panel: P, spec: Common): P {
  panel.title(spec.title).description(spec.description)
  panel.targets(spec.queries.map((query, i) => withRefId(query, String.fromCharCode(65 + i))))
  if (spec.unit) panel.unit(spec.unit)
  if (spec.decimals !== undefined) panel.decimals(spec.decimals)
  if (spec.min !== undefined) panel.min(spec.min)
  if (spec.max !== undefined) panel.max(spec.max)
  if (spec.noValue) panel.noValue(spec.noValue)
  if (spec.points) panel.maxDataPoints(spec.points)
  if (spec.thresholds) panel.thresholds(spec.thresholds)
  if (spec.id) panel.id(spec.id)
  if (spec.dataLinks)
    panel.dataLinks(
      spec.dataLinks.map((link) => ({ build: () => ({ ...link, targetBlank: false }) as unknown as DashboardLink })),
    )
  if (spec.links)
    panel.links(
      spec.links.map((link) => ({
        build: () =>
          ({
            ...link,
            type: 'link',
            icon: '',
            tooltip: '',
            tags: [],
            asDropdown: false,
            targetBlank: false,
            includeVars: false,
            keepTime: false,
          }) as DashboardLink,
      })),
    )
  for (const [name, properties] of spec.overrides ?? []) panel.overrideByName(name, [...properties])
  return panel
}

const withRefId = (query: Query, refId: string): Query => ({ build: () => Object.assign(query.build(), { refId }) })

interface Lines extends Common {
  /** 0-100 */
  readonly fill?: number
  readonly stacked?: boolean
  /** Stacked to the whole: each line is its share. */
  readonly share?: boolean
  readonly bars?: boolean
  readonly legendTable?: boolean
  readonly legend?: boolean
  /** Draws the thresholds as lines. */
  readonly limits?: boolean
}

/** A time series. */
export function lines(spec: Lines): PanelSpec {
  const legend = new VizLegendOptionsBuilder().placement(LegendPlacement.Bottom).showLegend(spec.legend !== false)
  const panel = common(new series.PanelBuilder(), { min: 0, ...spec })
    .lineWidth(spec.bars ? 0 : 1.5)
    .fillOpacity(spec.fill ?? (spec.bars ? 80 : 8))
    .gradientMode(spec.bars ? GraphGradientMode.None : GraphGradientMode.Opacity)
    .showPoints(VisibilityMode.Never)
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
    .legend(
      spec.legendTable
        ? legend.displayMode(LegendDisplayMode.Table).calcs(['lastNotNull', 'max'])
        : legend.displayMode(LegendDisplayMode.List).calcs([]),
    )
  if (spec.bars) panel.drawStyle('bars' as never)
  if (spec.stacked || spec.share)
    panel.stacking(new StackingConfigBuilder().mode(spec.share ? StackingMode.Percent : StackingMode.Normal).group('A'))
  if (spec.limits) panel.thresholdsStyle({ build: () => ({ mode: 'dashed' }) } as never)
  return panel
}

interface Number extends Common {
  readonly sparkline?: boolean
  readonly background?: boolean
  readonly mappings?: unknown[]
  readonly names?: boolean
}

/** One large number, with its past behind it. */
export function number(spec: Number): PanelSpec {
  const panel = common(new stats.PanelBuilder(), { thresholds: plain(), ...spec })
    .colorMode(spec.background ? BigValueColorMode.Background : BigValueColorMode.Value)
    .graphMode(spec.sparkline === false ? BigValueGraphMode.None : BigValueGraphMode.Area)
    .textMode(spec.names ? BigValueTextMode.ValueAndName : BigValueTextMode.Value)
    .reduceOptions(lastValue())
  if (spec.mappings) panel.mappings(spec.mappings as never)
  return panel
}

const lastValue = () => new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false)

/** An arc from min to max. */
export const gauge = (spec: Common): PanelSpec =>
  common(new gauges.PanelBuilder(), spec).reduceOptions(lastValue()).showThresholdMarkers(true)

/** A bar per series: its last value. */
export const bars = (spec: Common): PanelSpec =>
  common(new bargauges.PanelBuilder(), { min: 0, ...spec })
    .displayMode(BarGaugeDisplayMode.Gradient)
    .orientation(VizOrientation.Horizontal)
    .reduceOptions(lastValue())

/** Buckets over time. */
export const heatmap = (spec: Common): PanelSpec =>
  common(new heatmaps.PanelBuilder(), spec)
    .calculate(false)
    .color(
      new heatmaps.HeatmapColorOptionsBuilder()
        .mode(heatmaps.HeatmapColorMode.Scheme)
        .scheme('Oranges')
        .exponent(0.5)
        .steps(64),
    )
    .cellGap(1)
    .yAxis(new heatmaps.YAxisConfigBuilder().unit(spec.unit ?? 's'))

/** The service map. */
export const nodeGraph = (spec: Common): PanelSpec => common(new nodegraphs.PanelBuilder(), spec)

/** Log lines, newest first. */
export const logPanel = (spec: Common): PanelSpec =>
  common(new logs.PanelBuilder(), spec)
    .showTime(true)
    .wrapLogMessage(false)
    .enableLogDetails(true)
    .sortOrder(LogsSortOrder.Descending)
    .dedupStrategy(LogsDedupStrategy.None)

interface Table extends Common {
  /** Ids and options of Grafana's transformations. */
  readonly transformations?: readonly { id: string; options: Record<string, unknown> }[]
  readonly sortBy?: { displayName: string; desc: boolean }
}

/** Rows and columns. */
export function table(spec: Table): PanelSpec {
  const panel = common(new tables.PanelBuilder(), spec).transformations([...(spec.transformations ?? [])])
  if (spec.sortBy) panel.sortBy([{ build: () => spec.sortBy! }])
  return panel
}

/** The SDK has no builder for panels of one trace. */
export const tracePanel = (spec: Common): PanelSpec =>
  common(new PanelBuilder().type('traces') as unknown as PanelBuilder & Settable, spec)

interface Text {
  readonly title: string
  readonly description: string
  /** Markdown. */
  readonly content: string
  readonly id?: number
}

/** A note. */
export function text({ title, description, content, id }: Text): PanelSpec {
  const panel = new texts.PanelBuilder()
    .title(title)
    .description(description)
    .mode(texts.TextMode.Markdown)
    .content(content)
  return id ? panel.id(id) : panel
}
