/** What the services ask of PostgreSQL, and how PostgreSQL bears it. */
import type { Board } from './board.ts'
import { bars, gauge, lines, logPanel, number, table } from './panels.ts'
import { instant, instantTable, logLines, range, spans, sqlTable, withExemplars } from './queries.ts'
import { serviceOverrides, steps, zeroSteps } from './styles.ts'
import { serviceVariable } from './variables.ts'

const WORK = 'job=~"$service"'
const perStatement = (metric: string) => `sum by (db_query_summary) (rate(${metric}{${WORK}}[$__rate_interval]))`
const overRange = (metric: string, by: string) => `sum by (${by}) (rate(${metric}{${WORK}}[$__range]))`
const DURATION = 'db_client_operation_duration_seconds'

/** A statement tells its trace in application_name (service-kit/carrying-query.ts); who has none is shown by that name. */
const WAITING = `WITH session AS (
  SELECT pid, usename, state, query_start, xact_start, application_name, wait_event_type,
    coalesce(substring(application_name from '^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$'), '') AS trace_id,
    left(regexp_replace(query, '''[^'']*''', '?', 'g'), 300) AS statement
  FROM pg_stat_activity
)
SELECT waiting.usename AS "Waits", round(extract(epoch FROM clock_timestamp() - waiting.query_start)::numeric, 1) AS "For",
  waiting.trace_id AS "Its trace", coalesce(holder.usename, 'pid ' || blocker.pid) AS "Behind",
  CASE WHEN holder.trace_id <> '' THEN '' ELSE coalesce(holder.application_name, '') END AS "Program",
  coalesce(holder.state, '') AS "State",
  round(extract(epoch FROM clock_timestamp() - coalesce(holder.xact_start, now()))::numeric, 1) AS "In transaction for",
  coalesce(holder.trace_id, '') AS "Trace of the holder",
  waiting.statement AS "Statement", coalesce(holder.statement, '') AS "Last statement"
FROM session waiting
CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocker (pid)
LEFT JOIN session holder ON holder.pid = blocker.pid
WHERE waiting.wait_event_type = 'Lock'
ORDER BY waiting.query_start
LIMIT 100`

const toTrace = {
  id: 'links',
  value: [{ title: 'Open the trace', url: '/d/sightline-chain?${__url_time_range}&var-trace_id=${__value.raw}' }],
}

export const database: Board = {
  uid: 'sightline-database',
  title: 'Database',
  description:
    'Statements, connections, transactions, locks, cache and size: what the services ask of PostgreSQL and how it bears it.',
  variables: [serviceVariable()],
  rows: [
    {
      title: 'At a glance',
      lines: [
        {
          height: 5,
          panels: [
            [
              4,
              number({
                title: 'Statements',
                description: 'Statements per second of the chosen services.',
                unit: 'ops',
                queries: [range(`sum(rate(${DURATION}_count{${WORK}}[$__rate_interval]))`, 'statements')],
              }),
            ],
            [
              4,
              number({
                title: 'p95',
                description: '95 % of statements are answered faster than this.',
                unit: 's',
                thresholds: steps([null, 'green'], [0.02, 'yellow'], [0.1, 'red']),
                queries: [
                  withExemplars(
                    `histogram_quantile(0.95, sum by (le) (rate(${DURATION}_bucket{${WORK}}[$__rate_interval])))`,
                    'p95',
                  ),
                ],
              }),
            ],
            [
              4,
              number({
                title: 'Failed statements',
                description:
                  'Statements per second that ended in an error. Refused orders are none: those are answers.',
                unit: 'ops',
                thresholds: steps([null, 'green'], [0.001, 'red']),
                queries: [
                  range(
                    `sum(rate(${DURATION}_count{${WORK}, error_type!=""}[$__rate_interval])) or vector(0)`,
                    'failed',
                  ),
                ],
              }),
            ],
            [
              4,
              gauge({
                title: 'Cache hits',
                description:
                  'Share of pages PostgreSQL found in memory. Below 99 % the working set no longer fits shared_buffers.',
                unit: 'percentunit',
                decimals: 1,
                min: 0.9,
                max: 1,
                thresholds: steps([null, 'red'], [0.95, 'yellow'], [0.99, 'green']),
                queries: [
                  range(
                    'max(pg_stat_database_blks_hit / (pg_stat_database_blks_hit + pg_stat_database_blks_read))',
                    'hits',
                  ),
                ],
              }),
            ],
            [
              4,
              gauge({
                title: 'Fullest pool',
                description: 'Connections in use of those a service may open; the fullest service counts.',
                unit: 'percentunit',
                decimals: 0,
                min: 0,
                max: 1,
                thresholds: steps([null, 'green'], [0.7, 'yellow'], [0.9, 'red']),
                queries: [
                  range(
                    `max(sum by (job) (db_client_connection_count{${WORK}, state="used"}) / sum by (job) (db_client_connection_max{${WORK}}))`,
                    'used',
                  ),
                ],
              }),
            ],
            [
              4,
              number({
                title: 'Waiting for locks',
                description: 'Sessions that wait for a lock another one holds.',
                unit: 'none',
                thresholds: zeroSteps(),
                queries: [range('max(pg_locks_waiting)', 'waiting')],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Statements',
      lines: [
        {
          height: 9,
          panels: [
            [
              12,
              lines({
                title: 'Statements by name',
                description: 'Statements per second, the ten most frequent.',
                unit: 'ops',
                stacked: true,
                fill: 25,
                queries: [range(`topk(10, ${perStatement(`${DURATION}_count`)})`, '{{db_query_summary}}')],
              }),
            ],
            [
              12,
              lines({
                title: 'p95 by statement',
                description:
                  '95th percentile of the ten slowest statements. Diamonds are single statements: click for the trace.',
                unit: 's',
                queries: [
                  withExemplars(
                    `topk(10, histogram_quantile(0.95, sum by (le, db_query_summary) (rate(${DURATION}_bucket{${WORK}}[$__rate_interval]))) > 0)`,
                    '{{db_query_summary}}',
                  ),
                ],
              }),
            ],
          ],
        },
        {
          height: 10,
          panels: [
            [
              12,
              table({
                title: 'Where the time goes',
                description:
                  'Each statement over the time range: how often, how long, and which share of a second it takes each second.',
                queries: [
                  instantTable(overRange(`${DURATION}_count`, 'db_query_summary, job')),
                  instantTable(
                    `${overRange(`${DURATION}_sum`, 'db_query_summary, job')} / ${overRange(`${DURATION}_count`, 'db_query_summary, job')}`,
                  ),
                  instantTable(
                    `histogram_quantile(0.95, sum by (le, db_query_summary, job) (rate(${DURATION}_bucket{${WORK}}[$__range])))`,
                  ),
                  instantTable(overRange(`${DURATION}_sum`, 'db_query_summary, job')),
                ],
                transformations: [
                  { id: 'merge', options: {} },
                  {
                    id: 'organize',
                    options: {
                      excludeByName: { Time: true },
                      indexByName: {
                        job: 0,
                        db_query_summary: 1,
                        'Value #A': 2,
                        'Value #B': 3,
                        'Value #C': 4,
                        'Value #D': 5,
                      },
                      renameByName: {
                        job: 'Service',
                        db_query_summary: 'Statement',
                        'Value #A': 'Per second',
                        'Value #B': 'Mean',
                        'Value #C': 'p95',
                        'Value #D': 'Time per second',
                      },
                    },
                  },
                ],
                sortBy: { displayName: 'Time per second', desc: true },
                overrides: [
                  ['Per second', [{ id: 'unit', value: 'ops' }]],
                  ['Mean', [{ id: 'unit', value: 's' }]],
                  [
                    'p95',
                    [
                      { id: 'unit', value: 's' },
                      { id: 'custom.cellOptions', value: { type: 'color-text' } },
                      {
                        id: 'thresholds',
                        value: {
                          mode: 'absolute',
                          steps: [
                            { value: null, color: 'green' },
                            { value: 0.02, color: 'yellow' },
                            { value: 0.1, color: 'red' },
                          ],
                        },
                      },
                    ],
                  ],
                  [
                    'Time per second',
                    [
                      { id: 'unit', value: 's' },
                      { id: 'custom.cellOptions', value: { type: 'gauge', mode: 'gradient' } },
                      { id: 'color', value: { mode: 'continuous-BlPu' } },
                    ],
                  ],
                ],
              }),
            ],
            [
              12,
              table({
                title: 'Slow statements',
                description:
                  'Single statements that took longer than 5 ms, with their text (values are never recorded) and their trace: of the newest hundred traces, the slowest first.',
                sortBy: { displayName: 'Duration', desc: true },
                queries: [
                  spans(
                    '{ resource.service.name =~ "$service" && kind = client && span.db.query.text != nil && duration > 5ms } | select(span.db.query.text, resource.service.name)',
                    100,
                  ),
                ],
                transformations: [
                  {
                    id: 'organize',
                    options: {
                      excludeByName: { spanID: true, name: true, traceName: true, traceService: true, kind: true },
                      indexByName: {
                        traceIdHidden: 0,
                        time: 1,
                        'service.name': 2,
                        duration: 3,
                        'db.query.text': 4,
                        'span.db.query.text': 4,
                      },
                      renameByName: {
                        'service.name': 'Service',
                        'db.query.text': 'Statement',
                        'span.db.query.text': 'Statement',
                      },
                    },
                  },
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Locks',
      lines: [
        {
          height: 7,
          panels: [
            [
              24,
              table({
                title: 'Who waits for whom',
                description:
                  'Statements that wait for a lock now, and who holds it: both traces are a click away. A holder that idles in a transaction shows its last statement.',
                noValue: 'No statement waits for a lock.',
                queries: [sqlTable(WAITING)],
                overrides: [
                  ['For', [{ id: 'unit', value: 's' }]],
                  ['In transaction for', [{ id: 'unit', value: 's' }]],
                  ['Its trace', [toTrace]],
                  ['Trace of the holder', [toTrace]],
                ],
              }),
            ],
          ],
        },
        {
          height: 9,
          panels: [
            [
              24,
              logPanel({
                title: 'What PostgreSQL writes',
                description:
                  'Its log, where it is read (local mode and the stack): slow statements with their plans, waits for locks, deadlocks, errors. A line of a statement leads to its trace.',
                noValue: 'No line: PostgreSQL wrote none in this time, or its log is not read here.',
                queries: [logLines('{service_name="postgresql"}', 200)],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Connections',
      lines: [
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Connections in use',
                description: 'Connections that carry a statement or an open transaction now, by service.',
                unit: 'none',
                decimals: 0,
                overrides: serviceOverrides,
                queries: [range(`sum by (job) (db_client_connection_count{${WORK}, state="used"})`, '{{job}}')],
              }),
            ],
            [
              8,
              lines({
                title: 'Callers waiting for a connection',
                description:
                  'More than zero for longer than a moment: the pool is too small, statements are slow, or connections leak.',
                unit: 'none',
                decimals: 0,
                overrides: serviceOverrides,
                thresholds: zeroSteps(),
                queries: [range(`sum by (job) (db_client_connection_pending_requests{${WORK}})`, '{{job}}')],
              }),
            ],
            [
              8,
              lines({
                title: 'Gave up waiting',
                description: 'Callers per second that waited in vain for a connection; each became a 503.',
                unit: 'ops',
                overrides: serviceOverrides,
                queries: [
                  range(
                    `sum by (job) (rate(db_client_connection_timeouts_total{${WORK}}[$__rate_interval]))`,
                    '{{job}}',
                  ),
                ],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'PostgreSQL',
      lines: [
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Transactions',
                description: 'Transactions per second that PostgreSQL committed and rolled back.',
                unit: 'ops',
                queries: [
                  range('max(rate(pg_stat_database_xact_commit[$__rate_interval]))', 'committed'),
                  range('max(rate(pg_stat_database_xact_rollback[$__rate_interval]))', 'rolled back'),
                ],
              }),
            ],
            [
              8,
              lines({
                title: 'Sessions and locks',
                description: 'Open sessions, those that wait for a lock, and deadlocks per second.',
                unit: 'none',
                queries: [
                  range('max(pg_stat_database_numbackends)', 'sessions'),
                  range('max(pg_locks_waiting)', 'waiting for a lock'),
                  range('max(rate(pg_stat_database_deadlocks[$__rate_interval]))', 'deadlocks/s'),
                ],
              }),
            ],
            [
              8,
              bars({
                title: 'Table sizes',
                description: 'Tables with their indexes on disk.',
                unit: 'bytes',
                thresholds: steps([null, 'blue']),
                queries: [instant('sort_desc(max by (relname) (pg_table_size_bytes))', '{{relname}}')],
              }),
            ],
          ],
        },
      ],
    },
  ],
}
