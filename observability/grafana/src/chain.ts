/** Rate, errors, duration of the chain; its map, its objectives, its failed requests. */
import { alertNumber, alertTable, budgetNumber, toObjectives } from './alerts.ts'
import type { Board } from './board.ts'
import { ERROR_COLOR, LATE_COLOR, OK_COLOR, REFUSED_COLOR } from './colors.ts'
import { bars, heatmap, lines, logPanel, nodeGraph, number, tracePanel } from './panels.ts'
import { buckets, instant, logLines, logRange, oneTrace, range, serviceMap, withExemplars } from './queries.ts'
import { requests } from './requests.ts'
import {
  colored,
  errorSteps,
  latencySteps,
  levelOverrides,
  percentileOverrides,
  serviceOverrides,
  steps,
} from './styles.ts'
import { labelVariable, serviceVariable, textVariable } from './variables.ts'

const GATEWAY = 'service="gateway", span_kind="SPAN_KIND_SERVER"'
const SERVED = 'service=~"gateway|$service", span_kind="SPAN_KIND_SERVER"'
const ROUTES = 'job=~"$service", http_route=~"$route", http_route!~"/metrics|/health|/ready"'
const calls = (labels: string, by = '') =>
  `sum ${by}(rate(traces_spanmetrics_calls_total{${labels}}[$__rate_interval]))`
const latency = (labels: string, by: string) =>
  `sum by (${by}) (rate(traces_spanmetrics_latency_bucket{${labels}}[$__rate_interval]))`

/** Zero instead of nothing as long as none has failed. */
const errorRatio = (labels: string, by = '') =>
  `(${calls(`${labels}, status_code="STATUS_CODE_ERROR"`, by)} or 0 * ${calls(labels, by)}) / ${calls(labels, by)}`

/** Share of requests whose client went away before there was an answer; no line for a service as long as none has. */
const gaveUp = () => {
  const counted = (more = '') =>
    `sum by (job) (rate(http_server_request_duration_seconds_count{${ROUTES}${more}}[$__rate_interval]))`
  return `${counted(', error_type="client_closed_request"')} / ${counted()}`
}

const percentile = (quantile: number) =>
  `histogram_quantile(${quantile}, sum by (le) (rate(http_server_request_duration_seconds_bucket{${ROUTES}}[$__rate_interval])))`

/** What the gateway answered, by the code that it sent; a request whose client went away first got none. */
const REFUSED = 'http_response_status_code=~"4.."'
const ANSWERS = [
  ['2xx', 'http_response_status_code=~"[123]..", http_response_status_code!="202"', OK_COLOR],
  ['202, audit later', 'http_response_status_code="202"', LATE_COLOR],
  ['4xx, refused', REFUSED, REFUSED_COLOR],
  ['5xx, failed', 'http_response_status_code=~"5.."', ERROR_COLOR],
  ['none, client gave up', 'http_response_status_code=""', '#8e9aab'],
] as const

/** Zero instead of nothing as long as none was refused. */
const refusedRatio = `(${calls(`${GATEWAY}, ${REFUSED}`)} or 0 * ${calls(GATEWAY)}) / ${calls(GATEWAY)}`

export const chain: Board = {
  uid: 'sightline-chain',
  tags: ['start-here'],
  title: 'Chain',
  description:
    'From the gateway through the three services to PostgreSQL: how many requests, how many fail, how long they take, and which ones.',
  variables: [
    serviceVariable(),
    labelVariable(
      'route',
      'Route',
      'label_values(http_server_request_duration_seconds_count{job=~"$service", http_route!~"/metrics|/health|/ready"}, http_route)',
      'Routes of the chosen services.',
    ),
    textVariable('trace_id', 'Trace id', 'A trace to show below; a click on one in the table puts its id here.'),
  ],
  rows: [
    {
      title: 'At a glance',
      lines: [
        {
          height: 4,
          panels: [
            [
              4,
              number({
                title: 'Requests',
                description: 'Requests per second that enter at the gateway. Health probes are not counted.',
                unit: 'reqps',
                queries: [range(calls(GATEWAY), 'requests')],
              }),
            ],
            [
              3,
              number({
                title: 'Error ratio',
                description:
                  'Share of requests the gateway answered with a 5xx. The objective allows 0.1 %. Click for these requests.',
                unit: 'percentunit',
                thresholds: errorSteps(),
                queries: [range(errorRatio(GATEWAY), 'errors')],
                dataLinks: [{ title: 'The failed requests', url: toObjectives('failed') }],
              }),
            ],
            [
              3,
              number({
                title: 'Refused',
                description:
                  'Share of requests the gateway answered with a 4xx: an unknown product, not enough stock, a wrong field. The caller’s doing, and no error of the service.',
                unit: 'percentunit',
                queries: [range(refusedRatio, 'refused')],
              }),
            ],
            [
              3,
              number({
                title: 'p95',
                description:
                  '95 % of requests are answered faster than this, as seen at the gateway. The objective is 250 ms.',
                unit: 's',
                thresholds: latencySteps(),
                queries: [withExemplars(`histogram_quantile(0.95, ${latency(GATEWAY, 'le')})`, 'p95')],
                dataLinks: [{ title: 'The slow requests', url: toObjectives('slow') }],
              }),
            ],
            [4, budgetNumber('availability')],
            [4, budgetNumber('latency')],
            [3, alertNumber()],
          ],
        },
        { height: 4, panels: [[24, alertTable()]] },
      ],
    },
    {
      title: 'Rate, errors, duration',
      lines: [
        {
          height: 8,
          panels: [
            [
              6,
              lines({
                title: 'Requests',
                description: 'Requests per second that each service answered.',
                unit: 'reqps',
                overrides: serviceOverrides,
                queries: [range(calls(SERVED, 'by (service) '), '{{service}}')],
              }),
            ],
            [
              6,
              lines({
                title: 'Answers',
                description:
                  'What callers got from the gateway, requests per second. 4xx is refused: the caller’s doing. 5xx is failed: ours. 202: the order is safe, its audit row follows.',
                unit: 'reqps',
                stacked: true,
                fill: 40,
                overrides: ANSWERS.map(([name, , color]) => [name, colored(color)] as const),
                queries: ANSWERS.map(([name, code]) => range(calls(`${GATEWAY}, ${code}`), name)),
              }),
            ],
            [
              6,
              lines({
                title: 'Errors',
                description:
                  'Share of requests each service answered with a 5xx. Where the line of a service rises alone, the fault is in it or below it. Requests whose client went away first are no errors, and have a line of their own.',
                unit: 'percentunit',
                overrides: serviceOverrides,
                thresholds: errorSteps(),
                queries: [
                  range(errorRatio(SERVED, 'by (service) '), '{{service}}'),
                  range(gaveUp(), '{{job}}: client gave up'),
                ],
              }),
            ],
            [
              6,
              lines({
                title: 'p95 by service',
                description:
                  '95th percentile of each service, waiting for the services behind it included. Diamonds are single requests: click for the trace.',
                unit: 's',
                overrides: serviceOverrides,
                queries: [withExemplars(`histogram_quantile(0.95, ${latency(SERVED, 'le, service')})`, '{{service}}')],
              }),
            ],
          ],
        },
        {
          height: 9,
          panels: [
            [
              12,
              lines({
                title: 'Duration',
                description:
                  'Percentiles of the chosen services and routes, with the objective of 250 ms. Diamonds are single requests: click for the trace.',
                unit: 's',
                overrides: percentileOverrides,
                thresholds: steps([null, 'green'], [0.25, 'red']),
                limits: true,
                queries: [
                  range(percentile(0.5), 'p50'),
                  withExemplars(percentile(0.95), 'p95'),
                  range(percentile(0.99), 'p99'),
                ],
              }),
            ],
            [
              12,
              heatmap({
                points: 90,
                title: 'Duration of all requests',
                description:
                  'How many requests took how long. A second band is a second kind of request, or trouble that percentiles hide. Diamonds are single requests.',
                unit: 's',
                queries: [
                  buckets(
                    `sum by (le) (increase(http_server_request_duration_seconds_bucket{${ROUTES}}[$__rate_interval]))`,
                  ),
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Service map',
      lines: [
        {
          height: 11,
          panels: [
            [
              16,
              nodeGraph({
                title: 'Service dependency map',
                description:
                  'Who calls whom: requests per second, p95 and share of failures of each service and connection, over the whole time range. Red is failed (5xx or no answer), yellow refused (4xx); Grafana’s own map draws both red. Click for traces.',
                queries: [serviceMap()],
              }),
            ],
            [
              8,
              bars({
                title: 'Slowest routes (p95)',
                description: '95th percentile of the slowest routes over the time range.',
                unit: 's',
                thresholds: latencySteps(),
                queries: [
                  instant(
                    `sort_desc(topk(9, histogram_quantile(0.95, sum by (le, job, http_request_method, http_route) (rate(http_server_request_duration_seconds_bucket{${ROUTES}}[$__range]))) > 0))`,
                    '{{job}} {{http_request_method}} {{http_route}}',
                  ),
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Error traces and logs',
      lines: [
        {
          height: 11,
          panels: [
            [
              13,
              requests({
                title: 'Error traces',
                description:
                  'The latest requests that a chosen service, or the gateway, answered with a 5xx (failed), a 4xx (refused) or a 202 (accepted, audit row later). A click on the id opens the trace below and shows its log lines.',
                noValue: 'No request failed or was refused in this time range.',
                query:
                  '{ resource.service.name =~ "gateway|$service" && kind = server && (span.http.response.status_code >= 400 || span.http.response.status_code = 202) }',
                link: {
                  title: 'Show below',
                  url: '/d/sightline-chain?${__url_time_range}&${service:queryparam}&${route:queryparam}&var-trace_id=${__value.raw}',
                },
              }),
            ],
            [
              11,
              [
                [
                  3,
                  lines({
                    title: 'Log lines by level',
                    description: 'How many lines the chosen services wrote, by level.',
                    unit: 'short',
                    decimals: 0,
                    bars: true,
                    stacked: true,
                    legend: false,
                    points: 120,
                    overrides: levelOverrides,
                    queries: [
                      logRange(
                        'sum by (level) (count_over_time({service_name=~"gateway|$service"} | trace_id=~"${trace_id:raw}.*" [$__interval]))',
                        '{{level}}',
                      ),
                    ],
                  }),
                ],
                [
                  8,
                  logPanel({
                    title: 'Logs',
                    description:
                      'Lines of the chosen services and the gateway; of one trace when an id is given above. A line opens to its fields and its trace.',
                    queries: [logLines('{service_name=~"gateway|$service"} | trace_id=~"${trace_id:raw}.*"', 300)],
                  }),
                ],
              ],
            ],
          ],
        },
        {
          height: 15,
          panels: [
            [
              24,
              tracePanel({
                title: 'Trace ${trace_id}',
                description:
                  'The trace chosen above. The dark line along the bars is the critical path: only what lies on it made the request as slow as it was.',
                queries: [oneTrace('${trace_id}')],
              }),
            ],
          ],
        },
      ],
    },
  ],
}
