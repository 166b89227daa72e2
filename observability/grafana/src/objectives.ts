/** Service levels: what is left of their budgets, what fires, which requests burn them, and what to do. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { alertNumber, alertTable, budgetNumber, OBJECTIVES, PANEL_IDS } from './alerts.ts'
import type { Board } from './board.ts'
import { lines, number, text } from './panels.ts'
import { range } from './queries.ts'
import { requests } from './requests.ts'
import { colored, steps } from './styles.ts'

const GATEWAY = 'resource.service.name = "gateway" && kind = server'

const windowColors = [
  ['30 s', colored('#f2cc0c')],
  ['2 min', colored('#ff9830')],
  ['5 min', colored('#ff7383')],
  ['1 h', colored('#5794f2')],
] as const

/** How many times faster than allowed a budget burns, over the windows that alerts look at. */
const burnRate = (title: string, description: string, ratio: string, allowed: number) =>
  lines({
    title,
    description,
    unit: 'short',
    overrides: windowColors,
    thresholds: steps([null, 'green'], [6, 'yellow'], [14.4, 'red']),
    limits: true,
    queries: [
      ['30s', '30 s'],
      ['2m', '2 min'],
      ['5m', '5 min'],
      ['1h', '1 h'],
    ].map(([window, legend]) => range(`${ratio}${window} / ${allowed}`, legend!)),
  })

/** The part of docs/slo.md that says what to do. */
function runbook(): string {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/slo.md'), 'utf8')
  return page.slice(page.indexOf('\n## Runbook\n') + '\n## Runbook\n'.length).trim()
}

export const objectives: Board = {
  uid: OBJECTIVES,
  title: 'Objectives',
  description:
    '99.9 % of requests answered without a 5xx, 95 % within 250 ms: what is left of that, what fires, which requests it counts, and what to do.',
  variables: [],
  rows: [
    {
      title: 'At a glance',
      lines: [
        {
          height: 4,
          panels: [
            [6, budgetNumber('availability')],
            [6, budgetNumber('latency')],
            [6, alertNumber()],
            [
              6,
              number({
                title: 'Held back',
                description:
                  'Alerts that Alertmanager tells nobody about: a page of the same objective fires, or somebody silenced them. 0 without an Alertmanager, too.',
                unit: 'none',
                sparkline: false,
                queries: [range('sum(alertmanager_alerts{state="suppressed"}) or vector(0)', 'held back')],
              }),
            ],
          ],
        },
        { height: 6, panels: [[24, alertTable()]] },
      ],
    },
    {
      title: 'Burn rates',
      lines: [
        {
          height: 8,
          panels: [
            [
              12,
              burnRate(
                'Availability: burn rate',
                'How many times faster than allowed the error budget burns: at 1 it lasts just as long as it should. Two windows above 6 (30 s and 2 min) are an alert to watch, two above 14.4 (5 min and 1 h) a page.',
                'gateway:request_errors:ratio_rate',
                0.001,
              ),
            ],
            [
              12,
              burnRate(
                'Latency: burn rate',
                'The same for the 5 % of requests that may take longer than 250 ms; at 20 every request is slow.',
                'gateway:request_slow:ratio_rate',
                0.05,
              ),
            ],
          ],
        },
      ],
    },
    {
      title: 'Requests that burn the budget',
      lines: [
        {
          height: 9,
          panels: [
            [
              12,
              requests({
                id: PANEL_IDS.failed,
                title: 'Failed requests',
                description: 'The latest requests that the gateway answered 5xx. Refusals (4xx) burn nothing.',
                noValue: 'No request failed in this time range.',
                query: `{ ${GATEWAY} && status = error }`,
              }),
            ],
            [
              12,
              requests({
                id: PANEL_IDS.slow,
                title: 'Slow requests',
                description: 'The latest requests that took longer than the objective, 250 ms.',
                noValue: 'No request was slow in this time range.',
                query: `{ ${GATEWAY} && duration > 250ms }`,
              }),
            ],
          ],
        },
      ],
    },
    {
      title: 'What to do',
      lines: [
        {
          height: 24,
          panels: [
            [
              24,
              text({
                id: PANEL_IDS.runbook,
                title: 'Runbook',
                description: 'What each alert means and where to look first: the same as in docs/slo.md.',
                content: runbook(),
              }),
            ],
          ],
        },
      ],
    },
  ],
}
