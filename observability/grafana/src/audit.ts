/** The audit trail: its rows, their seals, and what still waits. */
import type { Board } from './board.ts'
import { OK_COLOR, PERCENTILE_COLORS } from './colors.ts'
import { lines, number, table } from './panels.ts'
import { instant, range, sqlTable } from './queries.ts'
import { colored, steps, zeroSteps } from './styles.ts'
import { textVariable } from './variables.ts'

const VERIFIED = [
  {
    type: 'value',
    options: {
      '1': { text: 'intact', color: 'green', index: 0 },
      '0': { text: 'BROKEN', color: 'red', index: 1 },
      '-1': { text: 'not verified yet', color: 'blue', index: 2 },
    },
  },
]

/** What is no number is no id. A literal that is cast by itself would be read before it is looked at. */
const numberOf = (name: string) =>
  `CASE WHEN \${${name}:sqlstring} ~ '\\A[0-9]{1,9}\\Z' THEN (\${${name}:sqlstring} || '')::integer END`
/** By id as far as the time range reaches, because ids have an index. A filter is a comparison of the column itself, or nothing at all. */
const SQL = `SELECT id, recorded_at, event_type, action, user_id, order_id, source, request_id, trace_id,
  coalesce('sealed at ' || (SELECT min(position) FROM audit_chain WHERE audit_id = a.id), 'waits for its seal') AS proof
FROM audit_logs a
WHERE $__timeFilter(recorded_at)
  AND id >= audit_id_at($__timeFrom()::timestamptz - interval '1 minute')
  AND id < audit_id_at($__timeTo()::timestamptz + interval '1 minute')
  AND (\${user_id:sqlstring} = '' OR user_id = ${numberOf('user_id')})
  AND (\${order_id:sqlstring} = '' OR order_id = ${numberOf('order_id')})
  AND (\${trace_id:sqlstring} = '' OR trace_id = \${trace_id:sqlstring})
ORDER BY id DESC
LIMIT 200`

export const audit: Board = {
  uid: 'sightline-audit',
  title: 'Audit',
  description:
    'One row per order, linked to its trace, sealed in a hash chain and provable in a Merkle tree: the rows, their seals, and what still waits.',
  variables: [
    textVariable('user_id', 'User', 'Rows of one user.'),
    textVariable('order_id', 'Order', 'The row of one order.'),
    textVariable('trace_id', 'Trace id', 'Rows of one trace.'),
  ],
  rows: [
    {
      title: 'State',
      lines: [
        {
          height: 4,
          panels: [
            [
              6,
              number({
                title: 'Hash chain',
                description:
                  'Result of the last verification. Broken means that a row was changed or lost behind the service’s back, or waits too long for its seal: npm run audit:verify names it.',
                unit: 'none',
                sparkline: false,
                mappings: VERIFIED,
                thresholds: steps([null, 'blue']),
                // The gauge is 0 before the first verification, which is no verdict yet.
                queries: [
                  instant(
                    'min(audit_verify_ok and on (instance) audit_verify_timestamp_seconds > 0) or vector(-1)',
                    'chain',
                  ),
                ],
              }),
            ],
            [
              4,
              number({
                title: 'Sealed rows',
                description: 'Length of the hash chain.',
                unit: 'none',
                queries: [range('max(audit_chain_length)', 'rows')],
              }),
            ],
            [
              4,
              number({
                title: 'In the tree',
                description: 'Rows in the Merkle tree: each of them can be proven.',
                unit: 'none',
                queries: [range('max(audit_tree_size)', 'rows')],
              }),
            ],
            [
              5,
              number({
                title: 'Not provable yet',
                description:
                  'Sealed rows that are not in the tree. They come in within a second; an old chain comes in by batches.',
                unit: 'none',
                thresholds: steps([null, 'green'], [10_000, 'yellow'], [100_000, 'red']),
                queries: [range('max(audit_chain_length) - max(audit_tree_size)', 'rows')],
              }),
            ],
            [
              5,
              number({
                title: 'Seal lag',
                description: 'Age of the oldest row without a seal.',
                unit: 's',
                thresholds: steps([null, 'green'], [60, 'yellow'], [300, 'red']),
                queries: [range('max(audit_seal_lag_seconds)', 'lag')],
              }),
            ],
          ],
        },
        {
          height: 4,
          panels: [
            [
              6,
              number({
                title: 'Unsealed rows',
                description: 'Rows that are stored but not in the chain yet; they are sealed in batches.',
                unit: 'none',
                thresholds: steps([null, 'green'], [1000, 'yellow'], [10_000, 'red']),
                queries: [range('sum(audit_unsealed_rows)', 'rows')],
              }),
            ],
            [
              6,
              number({
                title: 'In the outbox',
                description: 'Events that are committed with their orders and not delivered yet.',
                unit: 'none',
                thresholds: steps([null, 'green'], [10, 'yellow'], [1000, 'red']),
                queries: [range('sum(outbox_pending)', 'events')],
              }),
            ],
            [
              6,
              number({
                title: 'Outbox age',
                description:
                  'Age of the oldest event in the outbox. Minutes mean that audit-service is away, not slow. Nothing is lost meanwhile.',
                unit: 's',
                thresholds: steps([null, 'green'], [10, 'yellow'], [60, 'red']),
                queries: [range('max(outbox_oldest_age_seconds)', 'age')],
              }),
            ],
            [
              6,
              number({
                title: 'Given up',
                description: 'Events that audit-service refused for good. They are kept in dead_letters.',
                unit: 'none',
                thresholds: zeroSteps(),
                queries: [range('sum(outbox_dead_letters)', 'events')],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Flow',
      lines: [
        {
          height: 8,
          panels: [
            [
              8,
              lines({
                title: 'Events received',
                description:
                  'New rows per second, and deliveries of events that were there already (which change nothing).',
                unit: 'ops',
                overrides: [
                  ['recorded', colored(OK_COLOR)],
                  ['duplicate', colored(PERCENTILE_COLORS.p95)],
                ],
                queries: [range('sum by (outcome) (rate(audit_events_total[$__rate_interval]))', '{{outcome}}')],
              }),
            ],
            [
              8,
              lines({
                title: 'Deliveries',
                description: 'By the request itself, or later by the relay. A failed one is tried again.',
                unit: 'ops',
                queries: [
                  range(
                    'sum by (path, outcome) (rate(outbox_deliveries_total[$__rate_interval]))',
                    '{{path}} {{outcome}}',
                  ),
                ],
              }),
            ],
            [
              8,
              lines({
                title: 'Outbox and unsealed rows',
                description: 'What waits: events for delivery, rows for their seal.',
                unit: 'none',
                queries: [range('sum(outbox_pending)', 'outbox'), range('sum(audit_unsealed_rows)', 'unsealed')],
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'Rows',
      lines: [
        {
          height: 14,
          panels: [
            [
              24,
              table({
                title: 'Audit table',
                description:
                  'The latest 200 rows of the time range, by the filters above. The trace id leads to the request that caused the row.',
                noValue: 'No row matches.',
                queries: [sqlTable(SQL)],
                overrides: [
                  [
                    'trace_id',
                    [
                      {
                        id: 'links',
                        value: [
                          {
                            title: 'Open the trace',
                            url: '/d/sightline-chain?${__url_time_range}&var-trace_id=${__value.raw}',
                          },
                        ],
                      },
                    ],
                  ],
                  ['id', [{ id: 'custom.width', value: 90 }]],
                  ['user_id', [{ id: 'custom.width', value: 90 }]],
                  ['order_id', [{ id: 'custom.width', value: 90 }]],
                ],
              }),
            ],
          ],
        },
      ],
    },
  ],
}
