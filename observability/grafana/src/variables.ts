/** Choices above the boards. */
import {
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PROMETHEUS } from './sources.ts'

/** What `query` finds at that data source, several or all at once; kept in step with the time range. */
export const listVariable = (
  name: string,
  label: string,
  source: Parameters<QueryVariableBuilder['datasource']>[0],
  query: Parameters<QueryVariableBuilder['query']>[0],
  description: string,
): QueryVariableBuilder =>
  new QueryVariableBuilder(name)
    .label(label)
    .description(description)
    .datasource(source)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .current({ selected: true, text: 'All', value: '$__all' })

/** Values of a label of metrics. */
export const labelVariable = (name: string, label: string, query: string, description: string): QueryVariableBuilder =>
  listVariable(name, label, PROMETHEUS, query, description)

/** Free text, empty at first. */
export const textVariable = (name: string, label: string, description: string): TextBoxVariableBuilder =>
  new TextBoxVariableBuilder(name).label(label).description(description).defaultValue('')

/** Services of the chain, several or all. */
export const serviceVariable = () =>
  labelVariable(
    'service',
    'Service',
    'label_values(http_server_request_duration_seconds_count, job)',
    'Services of the chain. The gateway is always shown: every request enters there.',
  )
