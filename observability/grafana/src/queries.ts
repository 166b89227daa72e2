/** Targets of panels, one function per language. */
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import { DataqueryBuilder as LokiQuery } from '@grafana/grafana-foundation-sdk/loki'
import { DataqueryBuilder as PromQuery, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import {
  MetricsQueryType,
  SearchTableType,
  DataqueryBuilder as TempoQuery,
} from '@grafana/grafana-foundation-sdk/tempo'
import { LOKI, POSTGRES, PROMETHEUS, TEMPO } from './sources.ts'

export type Query = Builder<Dataquery>

/** Drawn over time; `legend` may hold `{{label}}`. */
export const range = (expr: string, legend: string): PromQuery =>
  new PromQuery().datasource(PROMETHEUS).expr(expr).legendFormat(legend).range()

/** With single requests to click on, where the metric carries them. */
export const withExemplars = (expr: string, legend: string): PromQuery => range(expr, legend).exemplar(true)

/** The value now. */
export const instant = (expr: string, legend: string): PromQuery =>
  new PromQuery().datasource(PROMETHEUS).expr(expr).legendFormat(legend).instant()

/** The values now, a row per series with its labels as columns. */
export const instantTable = (expr: string): PromQuery =>
  new PromQuery().datasource(PROMETHEUS).expr(expr).format(PromQueryFormat.Table).instant()

/** Buckets of a histogram, for a heatmap. */
export const buckets = (expr: string): PromQuery =>
  new PromQuery()
    .datasource(PROMETHEUS)
    .expr(expr)
    .format(PromQueryFormat.Heatmap)
    .legendFormat('{{le}}')
    .range()
    .exemplar(true)

/** A row per trace that matches the TraceQL query. */
export const traces = (query: string, limit: number): TempoQuery =>
  new TempoQuery()
    .datasource(TEMPO)
    .queryType('traceql')
    .query(query)
    .limit(limit)
    .spss(3)
    .tableType(SearchTableType.Traces)

/** A row per span, with the attributes that the query selects; of each trace at most `perTrace` of the spans that match. */
export const spans = (query: string, limit: number, perTrace = 10): TempoQuery =>
  traces(query, limit).spss(perTrace).tableType(SearchTableType.Spans)

/** Spans counted or measured over time, by TraceQL. Grafana names the lines by their labels, the console by `legend`. */
export const spanMetric = (query: string, legend: string): Query => ({
  build: () =>
    Object.assign(
      new TempoQuery()
        .datasource(TEMPO)
        .queryType('traceql')
        .query(query)
        .metricsQueryType(MetricsQueryType.Range)
        .build(),
      { legendFormat: legend },
    ),
})

/** The trace with this id, or whose id the variable holds. */
export const oneTrace = (traceId: string): TempoQuery =>
  new TempoQuery().datasource(TEMPO).queryType('traceql').query(traceId)

/** Who calls whom, from the metrics of the service graph. */
export const serviceMap = (): TempoQuery =>
  new TempoQuery().datasource(TEMPO).queryType('serviceMap').serviceMapQuery('{}')

/** At most `maxLines` lines that match the LogQL query. */
export const logLines = (expr: string, maxLines: number): LokiQuery =>
  new LokiQuery().datasource(LOKI).expr(expr).queryType('range').maxLines(maxLines)

/** Lines counted over time; `legend` may hold `{{label}}`. */
export const logRange = (expr: string, legend: string): LokiQuery =>
  new LokiQuery().datasource(LOKI).expr(expr).queryType('range').legendFormat(legend)

/** A table by SQL, which Grafana and the console's server run as the role `dashboards`: db/migrations says what it may read. */
export const sqlTable = (rawSql: string): Query => ({
  build: () =>
    ({
      datasource: POSTGRES,
      format: 'table',
      editorMode: 'code',
      rawQuery: true,
      rawSql,
      refId: 'A',
    }) as unknown as Dataquery,
})
