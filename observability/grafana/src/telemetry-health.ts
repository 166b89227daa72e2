/** Whether what the other boards show can be trusted: what telemetry waits, is lost, or isn't read. */
import type { Board } from './board.ts'
import { lines, number, table } from './panels.ts'
import { instantTable, range, withExemplars } from './queries.ts'
import { serviceOverrides, steps, zeroSteps } from './styles.ts'
import { serviceVariable } from './variables.ts'

const SERVICE = 'job=~"$service"'
const REQUESTS =
  'sum(rate(traces_spanmetrics_calls_total{service="gateway",span_kind="SPAN_KIND_SERVER"}[$__rate_interval]))'
const perRequest = (metric: string) =>
  `sum by (job, signal) (rate(${metric}{${SERVICE}}[$__rate_interval])) / on () group_left () (${REQUESTS} > 0)`

/** Traces by what was decided: in local mode with TRACES_SAMPLE, and by a Collector that samples. */
/** Traces are left out in batches, half a minute apart, and kept one by one: a shorter window would show now the one and now the other. */
const DECISIONS = '5m'
const DECIDED = `rate(embedded_sampled_traces_total[${DECISIONS}])`
const KEPT = `rate(embedded_sampled_traces_total{why!="left_out"}[${DECISIONS}])`
const COLLECTOR_DECIDED = `rate({__name__=~"otelcol_processor_tail_sampling_global_count_traces_sampled(_total)?"}[${DECISIONS}])`
const COLLECTOR_KEPT = COLLECTOR_DECIDED.replace('"}', '", sampled="true"}')
/** Of all traces; 1 where nobody decides. */
const KEPT_RATIO = `(sum(${KEPT}) / sum(${DECIDED}) or sum(${COLLECTOR_KEPT}) / sum(${COLLECTOR_DECIDED}) or vector(1))`
const SPAN_BYTES = 'sum(rate(telemetry_exported_bytes_total{signal="traces"}[$__rate_interval]))'
/** Local mode counts them; elsewhere the services' are divided as the traces are. */
const spanBytes = (decision: 'kept' | 'left_out', share: string) =>
  `sum(rate(embedded_sampled_span_bytes_total{decision="${decision}"}[${DECISIONS}])) or ${SPAN_BYTES} * on () ${share}`

export const telemetryHealth: Board = {
  uid: 'sightline-telemetry',
  title: 'Telemetry health',
  description:
    'Whether the other boards can be trusted: what the services export, what waits, what was dropped, and whether Prometheus reads everyone.',
  variables: [serviceVariable()],
  rows: [
    {
      title: 'At a glance',
      lines: [
        {
          height: 4,
          panels: [
            [
              6,
              number({
                title: 'Dropped',
                description:
                  'Spans and log records lost by the services in the time range. Requests are never affected; the boards are.',
                unit: 'none',
                thresholds: zeroSteps(),
                decimals: 0,
                queries: [range(`sum(increase(telemetry_dropped_total{${SERVICE}}[$__range])) or vector(0)`, 'lost')],
              }),
            ],
            [
              6,
              number({
                title: 'Exported',
                description: 'Spans and log records per second that the backend took.',
                unit: 'ops',
                queries: [range(`sum(rate(telemetry_exported_total{${SERVICE}}[$__rate_interval]))`, 'exported')],
              }),
            ],
            [
              6,
              number({
                title: 'Fullest queue',
                description: 'At 100 % a service begins to drop.',
                unit: 'percentunit',
                decimals: 1,
                thresholds: steps([null, 'green'], [0.5, 'yellow'], [0.8, 'red']),
                queries: [
                  range(`max(telemetry_queue_size{${SERVICE}} / telemetry_queue_capacity{${SERVICE}})`, 'full'),
                ],
              }),
            ],
            [
              6,
              number({
                title: 'Targets down',
                description: 'Programs that Prometheus can’t read.',
                unit: 'none',
                thresholds: zeroSteps(),
                queries: [range('count(up == 0) or vector(0)', 'down')],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Services',
      lines: [
        {
          height: 8,
          panels: [
            [
              12,
              lines({
                title: 'Exported',
                description: 'Spans and log records per second that the backend took, by service.',
                unit: 'ops',
                queries: [
                  range(
                    `sum by (job, signal) (rate(telemetry_exported_total{${SERVICE}}[$__rate_interval]))`,
                    '{{job}} {{signal}}',
                  ),
                ],
              }),
            ],
            [
              12,
              lines({
                title: 'Dropped',
                description:
                  'queue_full: more than the backend takes. export_failed: the backend is away. shutdown: lost while stopping.',
                unit: 'ops',
                thresholds: zeroSteps(),
                queries: [
                  range(
                    `sum by (job, signal) (rate(telemetry_dropped_total{${SERVICE}}[$__rate_interval]))`,
                    '{{job}} {{signal}}',
                  ),
                ],
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
                title: 'Waiting for export',
                description: 'Share of each queue that is taken.',
                unit: 'percentunit',
                queries: [
                  range(
                    `max by (job, signal) (telemetry_queue_size{${SERVICE}} / telemetry_queue_capacity{${SERVICE}})`,
                    '{{job}} {{signal}}',
                  ),
                ],
              }),
            ],
            [
              12,
              lines({
                title: 'Duration of an export (p95)',
                description: 'How long the backend takes to accept a batch.',
                unit: 's',
                queries: [
                  withExemplars(
                    `histogram_quantile(0.95, sum by (le, job, signal) (rate(telemetry_export_duration_seconds_bucket{${SERVICE}}[$__rate_interval])))`,
                    '{{job}} {{signal}}',
                  ),
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'What a request leaves',
      lines: [
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Spans and log records of a request',
                description: 'What each service sends for one request at the gateway. npm run bill has it as a table.',
                unit: 'short',
                queries: [range(perRequest('telemetry_exported_total'), '{{job}} {{signal}}')],
              }),
            ],
            [
              8,
              lines({
                title: 'Bytes of a request',
                description: 'OTLP before compression, by service and signal.',
                unit: 'decbytes',
                queries: [range(perRequest('telemetry_exported_bytes_total'), '{{job}} {{signal}}')],
              }),
            ],
            [
              8,
              lines({
                title: 'Series',
                description:
                  'Samples that each program gives at a scrape. A line that climbs with the requests is a label with too many values: npm run bill -- --check names it.',
                unit: 'short',
                overrides: serviceOverrides,
                queries: [range('sum by (job) (scrape_samples_scraped)', '{{job}}')],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'What is kept',
      lines: [
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Traces kept',
                description:
                  'Of those that came in, over five minutes, by TRACES_SAMPLE or the Collector. 100 % where nobody decides. Metrics are made of all of them (docs/sampling.md).',
                unit: 'percentunit',
                queries: [range(KEPT_RATIO, 'kept')],
              }),
            ],
            [
              8,
              lines({
                title: 'Why traces are kept',
                description:
                  'Traces per second, over five minutes, by the policy that keeps them; a trace may have several reasons in the Collector. None where nobody decides.',
                unit: 'ops',
                queries: [
                  range(
                    `sum by (why) (${DECIDED}) or sum by (why) (label_replace(rate({__name__=~"otelcol_processor_tail_sampling_count_traces_sampled(_total)?", sampled="true"}[${DECISIONS}]), "why", "$1", "policy", "(.+)")) or label_replace(vector(0), "why", "nobody decides", "", "") unless on () (${DECIDED} or ${COLLECTOR_DECIDED})`,
                    '{{why}}',
                  ),
                ],
              }),
            ],
            [
              8,
              lines({
                title: 'Bytes of spans kept and saved',
                description:
                  'Per second. Local mode with TRACES_SAMPLE counts the bytes of all spans, over five minutes. Elsewhere it is the OTLP of the services, divided as their traces are: an estimate, because failed and slow traces have more spans than others.',
                unit: 'Bps',
                queries: [
                  range(spanBytes('kept', KEPT_RATIO), 'kept'),
                  range(spanBytes('left_out', `(1 - ${KEPT_RATIO})`), 'saved'),
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Backends',
      lines: [
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Spans received',
                description:
                  'Spans per second that the Collector (in local mode: the embedded backend) accepted and refused.',
                unit: 'ops',
                queries: [
                  range(
                    'sum(rate({__name__=~"otelcol_receiver_accepted_spans(_total)?"}[$__rate_interval])) or sum(rate(embedded_accepted_items_total{signal="traces"}[$__rate_interval]))',
                    'accepted',
                  ),
                  range(
                    'sum(rate({__name__=~"otelcol_receiver_refused_spans(_total)?"}[$__rate_interval])) or sum(rate(embedded_rejected_items_total{signal="traces"}[$__rate_interval])) or vector(0)',
                    'refused',
                  ),
                ],
              }),
            ],
            [
              8,
              lines({
                title: 'Log records received',
                description: 'The same for log records.',
                unit: 'ops',
                queries: [
                  range(
                    'sum(rate({__name__=~"otelcol_receiver_accepted_log_records(_total)?"}[$__rate_interval])) or sum(rate(embedded_accepted_items_total{signal="logs"}[$__rate_interval]))',
                    'accepted',
                  ),
                  range(
                    'sum(rate({__name__=~"otelcol_receiver_refused_log_records(_total)?"}[$__rate_interval])) or sum(rate(embedded_rejected_items_total{signal="logs"}[$__rate_interval])) or vector(0)',
                    'refused',
                  ),
                ],
              }),
            ],
            [
              8,
              lines({
                title: 'Memory',
                description: 'Resident memory of every program that reports it.',
                unit: 'bytes',
                overrides: serviceOverrides,
                queries: [range('max by (job) (process_resident_memory_bytes)', '{{job}}')],
              }),
            ],
          ],
        },
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Processor',
                description: 'Seconds of processor time per second.',
                unit: 'percentunit',
                overrides: serviceOverrides,
                queries: [range('sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))', '{{job}}')],
              }),
            ],
            [
              8,
              lines({
                title: 'Event loop lag (p99)',
                description: 'How late the services’ event loops run. Above 100 ms requests queue inside the process.',
                unit: 's',
                overrides: serviceOverrides,
                thresholds: steps([null, 'green'], [0.1, 'red']),
                queries: [range(`max by (job) (nodejs_eventloop_lag_p99_seconds{${SERVICE}})`, '{{job}}')],
              }),
            ],
            [
              8,
              table({
                title: 'Scrapes',
                description:
                  'What Prometheus reads every 5 s: whether it answers, how long that takes, how many series it gives.',
                queries: [
                  instantTable('max by (job) (up)'),
                  instantTable('max by (job) (scrape_duration_seconds)'),
                  instantTable('sum by (job) (scrape_samples_scraped)'),
                ],
                transformations: [
                  { id: 'merge', options: {} },
                  {
                    id: 'organize',
                    options: {
                      excludeByName: { Time: true },
                      indexByName: { job: 0, 'Value #A': 1, 'Value #B': 2, 'Value #C': 3 },
                      renameByName: {
                        job: 'Target',
                        'Value #A': 'State',
                        'Value #B': 'Duration',
                        'Value #C': 'Samples',
                      },
                    },
                  },
                ],
                overrides: [
                  [
                    'State',
                    [
                      {
                        id: 'mappings',
                        value: [
                          {
                            type: 'value',
                            options: {
                              '1': { text: 'up', color: 'green', index: 0 },
                              '0': { text: 'down', color: 'red', index: 1 },
                            },
                          },
                        ],
                      },
                      { id: 'custom.cellOptions', value: { type: 'color-text' } },
                    ],
                  ],
                  ['Duration', [{ id: 'unit', value: 's' }]],
                  ['Samples', [{ id: 'unit', value: 'short' }]],
                ],
              }),
            ],
          ],
        },
      ],
    },
  ],
}
