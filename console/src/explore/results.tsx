/** What a query found, unless it searches for traces: as chart, table, logs, one trace: whatever fits the answer. */
import { counted } from '@sightline/contracts/counted'
import { useMemo } from 'preact/hooks'
import { displayName, type Field, type Frame, numberFields } from '../data/frame.ts'
import type { Panel, Target } from '../data/grafana-json.ts'
import { isEmpty } from '../data/query.ts'
import { reduceValues } from '../data/reduce.ts'
import { type PanelData, type PanelRun, runPanel } from '../data/run-panel.ts'
import type { SourceId } from '../data/source-id.ts'
import { TimeSeries } from '../panels/timeseries.tsx'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { useSize } from '../shell/use-size.ts'
import { DataTable } from '../views/data-table.tsx'
import { TraceView } from '../views/trace-view.tsx'
import { unitOf, volumeQuery } from './derived.ts'
import { FoundLines, LINES_ASKED, linesOrder } from './found-lines.tsx'
import { GoLive, isLive } from './line-tools.tsx'
import { LiveLines } from './live-lines.tsx'
import { NothingFound } from './nothing-found.tsx'

interface ResultsProps {
  readonly source: Exclude<SourceId, 'postgres'>
  readonly query: string
}

export function Results(props: ResultsProps) {
  const { params } = useAddress()
  return props.source === 'loki' && isLive(params) ? <LiveLines query={props.query} /> : <Asked {...props} />
}

function Asked({ source, query }: ResultsProps) {
  const { range, tick } = useTime()
  const [box, size] = useSize<HTMLDivElement>()
  const order = linesOrder(useAddress().params)
  const panel = useMemo(() => panelFor(source, query, order), [source, query, order])
  const key = size.width ? JSON.stringify([source, query, source === 'loki' && order, range, tick]) : undefined
  const { data: run, loading } = useQuery(key, (signal) =>
    runPanel(panel, { range, variables: new Map(), dashboard: {}, width: size.width, signal }),
  )
  return (
    <div class="results" ref={box} aria-busy={loading}>
      {loading && <Loading what={run ? 'Asking again' : 'Asking'} />}
      {run?.error && <Failure message={run.error} />}
      {run?.data && <Answer source={source} query={query} data={run.data} run={run} panel={panel} size={size} />}
    </div>
  )
}

/** A query in Explore is a panel of one target, so it runs as panels do. */
function panelFor(source: ResultsProps['source'], query: string, order: 'newest' | 'oldest'): Panel {
  const target: Target = {
    refId: 'A',
    datasource: { type: source, uid: source },
    ...(source === 'tempo' ? { query } : { expr: query }),
    ...(source === 'prometheus' && { range: true, exemplar: true, legendFormat: '__auto' }),
    ...(source === 'loki' && { maxLines: LINES_ASKED, direction: order === 'oldest' ? 'forward' : 'backward' }),
  }
  return {
    id: 0,
    type: 'timeseries',
    title: 'Result',
    targets: [target],
    fieldConfig: {
      defaults: { custom: { lineWidth: 1.5, fillOpacity: 8 }, ...(unitOf(query) && { unit: unitOf(query)! }) },
      overrides: [],
    },
    options: { legend: { displayMode: 'table', placement: 'bottom', calcs: ['mean', 'max', 'lastNotNull'] } },
  }
}

interface AnswerProps extends ResultsProps {
  readonly data: PanelData
  readonly run: PanelRun
  readonly panel: Panel
  readonly size: { width: number; height: number }
}

function Answer({ source, query, data, run, panel, size }: AnswerProps) {
  const { params } = useAddress()
  const spent = run.records.reduce((total, record) => total + record.millis, 0)
  const foot = (
    <p class="muted result-foot">
      {summary(data)} in {spent.toFixed(0)} ms
    </p>
  )
  if (isEmpty(data))
    return (
      <>
        {source === 'tempo' ? (
          <NothingFound query={query} range={data.range} />
        ) : (
          <NoData hint="Nothing matches in this time range. Try a longer one." />
        )}
        {source === 'loki' && (
          <p class="live-again">
            <GoLive />
          </p>
        )}
      </>
    )
  if (data.trace)
    return (
      <TraceView
        trace={data.trace}
        selected={params.get('span') ?? undefined}
        onSelect={(span) => setParams({ span }, true)}
      />
    )
  if (data.logs.length) {
    return (
      <>
        <Volume query={query} size={size} />
        <FoundLines query={query} lines={data.logs} range={data.range} spent={spent} />
      </>
    )
  }
  const series = data.frames.some((frame) => frame.name !== undefined)
  if (!series) {
    return (
      <>
        {foot}
        <div class="result-table">
          {data.frames[0] && <DataTable frame={data.frames[0]} variables={data.variables} label="Result" />}
        </div>
      </>
    )
  }
  return (
    <>
      <div class="result-chart">
        <TimeSeries panel={panel} data={data} {...size} />
      </div>
      {foot}
      <div class="result-table">
        <DataTable frame={latestTable(data.frames)} variables={data.variables} label="Latest values" />
      </div>
    </>
  )
}

function summary(data: PanelData): string {
  if (data.frames.some((frame) => frame.name !== undefined)) return `${data.frames.length} series`
  return counted(data.frames[0]?.fields[0]?.values.length ?? 0, 'row')
}

/** A row per series, a column per label, and the last value. */
function latestTable(frames: readonly Frame[]): Frame {
  const series = frames.flatMap((frame) => numberFields(frame).map((field) => ({ frame, field })))
  const labels = [...new Set(series.flatMap(({ field }) => Object.keys(field.labels ?? {})))]
    .filter((name) => name !== '__name__')
    .sort()
  const column = (name: string, values: unknown[], type: Field['type'] = 'string'): Field => ({
    name,
    type,
    values,
    config: {},
  })
  const columns = labels.length
    ? labels.map((label) =>
        column(
          label,
          series.map(({ field }) => field.labels?.[label] ?? ''),
        ),
      )
    : [
        column(
          'Series',
          series.map(({ frame, field }) => displayName(field, frame)),
        ),
      ]
  const values = series.map(({ field }) => reduceValues(field.values, 'lastNotNull'))
  return {
    refId: 'latest',
    fields: [
      ...columns,
      {
        ...column('Last', values, 'number'),
        config: { ...(series[0]?.field.config.unit && { unit: series[0].field.config.unit }) },
      },
    ],
  }
}

const LEVEL_COLORS: readonly [string, string][] = [
  ['error', '#f2495c'],
  ['warn', '#f2cc0c'],
  ['info', '#73bf69'],
  ['debug', '#5794f2'],
]

/** How many lines there were over time, by level: above the lines themselves. */
function Volume({ query, size }: { query: string; size: { width: number; height: number } }) {
  const { range, tick } = useTime()
  const panel = useMemo(
    (): Panel => ({
      id: 1,
      type: 'timeseries',
      title: 'Lines over time',
      maxDataPoints: 100,
      targets: [
        {
          refId: 'A',
          datasource: { type: 'loki', uid: 'loki' },
          expr: volumeQuery(query),
          legendFormat: '{{detected_level}}',
        },
      ],
      fieldConfig: {
        defaults: {
          unit: 'short',
          decimals: 0,
          custom: { drawStyle: 'bars', fillOpacity: 80, stacking: { mode: 'normal' }, lineWidth: 0, axisSoftMin: 0 },
        },
        overrides: LEVEL_COLORS.map(([level, fixedColor]) => ({
          matcher: { id: 'byName', options: level },
          properties: [{ id: 'color', value: { mode: 'fixed', fixedColor } }],
        })),
      },
      options: { legend: { displayMode: 'list' } },
    }),
    [query],
  )
  const { data: run } = useQuery(JSON.stringify([query, range, tick]), (signal) =>
    runPanel(panel, { range, variables: new Map(), dashboard: {}, width: size.width, signal }),
  )
  if (run?.error) return <Failure message={`Lines over time: ${run.error}`} />
  if (!run?.data || isEmpty(run.data)) return null
  return (
    <div class="result-volume">
      <TimeSeries panel={panel} data={run.data} {...size} />
    </div>
  )
}
