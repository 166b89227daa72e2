/** Whatever services send spans: rate, failures and durations from spans alone, by TraceQL metrics. No metric is asked for. */
import { CustomVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import type { Board } from './board.ts'
import { ERROR_COLOR, OK_COLOR } from './colors.ts'
import { lines, logPanel, table } from './panels.ts'
import { logLines, logRange, spanMetric, traces } from './queries.ts'
import { TEMPO } from './sources.ts'
import { colored, levelOverrides, serviceOverrides } from './styles.ts'
import { listVariable } from './variables.ts'

const OF_SERVICE = 'resource.service.name =~ "$service"'
/** What a service was asked for: a request, a message, or what it began by itself. */
const REQUESTS = `${OF_SERVICE} && (kind = server || kind = consumer || nestedSetParent < 0)`
const BY_SERVICE = 'by(resource.service.name)'
const BY_OPERATION = 'by(resource.service.name, name)'
const OPERATION = '{{resource.service.name}} {{name}}'
/** Few enough that a quiet service has requests in most of them. */
const POINTS = 60
/** More lines than this are no picture. */
const TOP = 'topk(10)'

const service = () =>
  listVariable(
    'service',
    'Service',
    TEMPO,
    // Grafana's Tempo data source calls a question for the values of a label type 1.
    {
      refId: 'TempoDatasourceVariableQueryEditor-VariableQuery',
      type: 1,
      label: 'resource.service.name',
      stream: '',
    },
    'Services that have sent spans in the time range.',
  )

const slower = () =>
  new CustomVariableBuilder('slower')
    .label('Slower than')
    .description('How long a request takes at least to be listed among the slow ones.')
    .values('10ms,50ms,100ms,500ms,1s,5s')
    .current({ selected: true, text: '100ms', value: '100ms' })

export const spans: Board = {
  uid: 'sightline-spans',
  title: 'Services from spans',
  description:
    'Every service that sends spans, whatever it is: rate, failures, durations and operations, counted from the spans themselves.',
  variables: [service(), slower()],
  rows: [
    {
      title: 'Services',
      lines: [
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Requests',
                description:
                  'Per second, by service: spans of requests and messages that came in, and of what a service began by itself.',
                unit: 'reqps',
                points: POINTS,
                overrides: serviceOverrides,
                queries: [spanMetric(`{ ${REQUESTS} } | rate() ${BY_SERVICE}`, '{{resource.service.name}}')],
              }),
            ],
            [
              8,
              lines({
                title: 'Failed requests',
                description: 'Those of them per second whose span has the status error, by service.',
                unit: 'reqps',
                points: POINTS,
                noValue: 'No request failed in this time range.',
                overrides: serviceOverrides,
                queries: [
                  spanMetric(`{ ${REQUESTS} && status = error } | rate() ${BY_SERVICE}`, '{{resource.service.name}}'),
                ],
              }),
            ],
            [
              8,
              lines({
                title: 'How they end',
                description: 'Shares of all requests by the status of their span; red is the share that failed.',
                share: true,
                points: POINTS,
                fill: 60,
                overrides: [
                  ['error', colored(ERROR_COLOR)],
                  ['ok', colored(OK_COLOR)],
                  ['unset', colored('#5794f2')],
                ],
                queries: [spanMetric(`{ ${REQUESTS} } | rate() by(status)`, '{{status}}')],
              }),
            ],
          ],
        },
        {
          height: 8,
          panels: [
            [
              12,
              lines({
                title: 'Duration (p50, p95, p99)',
                description:
                  'Of all requests of the chosen services together. TraceQL counts durations in buckets that double: a quantile lies within one.',
                unit: 's',
                points: POINTS,
                queries: [spanMetric(`{ ${REQUESTS} } | quantile_over_time(duration, .5, .95, .99)`, '{{p}}')],
              }),
            ],
            [
              12,
              lines({
                title: 'Duration by service (p95)',
                description: 'One request in twenty takes longer than this.',
                unit: 's',
                points: POINTS,
                overrides: serviceOverrides,
                queries: [
                  spanMetric(
                    `{ ${REQUESTS} } | quantile_over_time(duration, .95) ${BY_SERVICE}`,
                    '{{resource.service.name}}',
                  ),
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Operations',
      lines: [
        {
          height: 9,
          panels: [
            [
              8,
              lines({
                title: 'Called most',
                description: 'Requests per second by service and name of the span; the ten that are called most.',
                unit: 'reqps',
                points: POINTS,
                queries: [spanMetric(`{ ${REQUESTS} } | rate() ${BY_OPERATION} | ${TOP}`, OPERATION)],
              }),
            ],
            [
              8,
              lines({
                title: 'Fail most',
                description: 'Failed requests per second by service and name of the span; the ten that fail most.',
                unit: 'reqps',
                points: POINTS,
                noValue: 'No request failed in this time range.',
                queries: [spanMetric(`{ ${REQUESTS} && status = error } | rate() ${BY_OPERATION} | ${TOP}`, OPERATION)],
              }),
            ],
            [
              8,
              lines({
                title: 'Slowest (p95)',
                description: 'p95 by service and name of the span; the ten that are slowest.',
                unit: 's',
                points: POINTS,
                queries: [
                  spanMetric(`{ ${REQUESTS} } | quantile_over_time(duration, .95) ${BY_OPERATION} | ${TOP}`, OPERATION),
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Traces',
      lines: [
        {
          height: 9,
          panels: [
            [
              12,
              table({
                title: 'Slow traces',
                description:
                  'The newest fifty with a request slower than chosen above, the slowest first. A click on an id opens the trace.',
                noValue: 'No request was that slow in this time range.',
                sortBy: { displayName: 'Duration', desc: true },
                queries: [traces(`{ ${REQUESTS} && duration > $slower }`, 50)],
              }),
            ],
            [
              12,
              table({
                title: 'Failed traces',
                description:
                  'The newest fifty with a span of a chosen service that failed. A click on an id opens the trace.',
                noValue: 'No request failed in this time range.',
                queries: [traces(`{ ${OF_SERVICE} && status = error }`, 50)],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Log records',
      lines: [
        {
          height: 10,
          panels: [
            [
              8,
              lines({
                title: 'Lines by level',
                description: 'How many log records of the chosen services came in, by level.',
                bars: true,
                stacked: true,
                points: 120,
                noValue: 'No log record came in this time range.',
                overrides: levelOverrides,
                queries: [
                  logRange(
                    'sum by (detected_level) (count_over_time({service_name=~"$service"} [$__interval]))',
                    '{{detected_level}}',
                  ),
                ],
              }),
            ],
            [
              16,
              logPanel({
                title: 'Lines',
                description: 'The newest log records of the chosen services. A line opens to its fields and its trace.',
                noValue: 'No log record came in this time range.',
                queries: [logLines('{service_name=~"$service"}', 200)],
              }),
            ],
          ],
        },
      ],
    },
  ],
}
