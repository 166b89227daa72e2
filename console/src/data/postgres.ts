/** SQL targets: the console's server runs what the dashboard's file says (panel-query.ts), this side names it. */
import type { Field, FieldType, Frame } from './frame.ts'
import type { Target } from './grafana-json.ts'
import { postForm } from './http.ts'
import type { QueryContext, QueryResult } from './query.ts'
import { legendText } from './series.ts'

/** A data frame as Grafana's API writes it, or why there is none. `sql` and `executedQueryString`: as it was run. */
interface Answer {
  readonly schema?: {
    readonly fields: readonly { readonly name: string; readonly type: FieldType }[]
    readonly meta: { readonly executedQueryString: string }
  }
  /** [column][row] */
  readonly data?: { readonly values: readonly (readonly unknown[])[] }
  readonly sql?: string
}

/** A table, or with the format `time_series` a frame per combination of the text columns. */
export async function runPostgres(target: Target, context: QueryContext): Promise<QueryResult> {
  const { client, range, stepMs, panel } = context
  if (!panel) throw new Error('SQL is run for the panel of a dashboard only.')
  const refId = target.refId ?? 'A'
  const params = {
    dashboard: panel.dashboard,
    panel: String(panel.id),
    refId,
    from: String(range.from),
    to: String(range.to),
    intervalMs: String(stepMs),
    ...variablesIn(target.rawSql ?? '', context),
  }
  const { schema, data } = await postForm<Answer>(client, '/api/postgres/query', params, (answer) => {
    return { query: answer.schema?.meta.executedQueryString ?? answer.sql ?? '' }
  })
  const fields = (schema?.fields ?? []).map(
    ({ name, type }, i): Field => ({ name, type, config: {}, values: data?.values[i] ?? [] }),
  )
  const table: Frame = { refId, fields }
  return { frames: target.format === 'time_series' ? seriesOf(table) : [table], exemplars: [], logs: [] }
}

/** Built-in variables are the server's to compute. */
const variablesIn = (sql: string, { variables }: QueryContext): Record<string, readonly string[]> =>
  Object.fromEntries(
    [...variables]
      .filter(([name]) => !name.startsWith('__') && sql.includes(name))
      .map(([name, { values }]) => [`var-${name}`, values]),
  )

/** Rows of time, texts and numbers -> a line per combination of texts and number column. Without texts it is lines already. */
function seriesOf(table: Frame): Frame[] {
  const time = table.fields.find(({ type }) => type === 'time')
  const texts = table.fields.filter(({ type }) => type === 'string')
  if (!time || texts.length === 0) return [table]
  const numbers = table.fields.filter(({ type }) => type === 'number')
  const groups = Map.groupBy(time.values.keys(), (row) => JSON.stringify(texts.map(({ values }) => values[row])))
  return [...groups.values()].flatMap((rows) =>
    numbers.map((number): Frame => {
      const labels = Object.fromEntries(texts.map(({ name, values }) => [name, String(values[rows[0]!] ?? '')]))
      const legend = legendText(undefined, labels, number.name)
      const name = numbers.length > 1 ? `${number.name} ${legend}` : legend
      const take = ({ values }: Field) => rows.map((row) => values[row])
      return {
        refId: table.refId,
        name,
        fields: [
          { ...time, values: take(time) },
          { ...number, name, labels, values: take(number) },
        ],
      }
    }),
  )
}
