/** What fires, by name, and where that leads; on every board the same. */
import type { PanelSpec } from './panels.ts'
import { number, table } from './panels.ts'
import { instant, instantTable } from './queries.ts'
import { colored, type Property, steps, zeroSteps } from './styles.ts'

/** The board of objectives. Annotations of the rules in observability/prometheus/rules lead to these panels of it, too. */
export const OBJECTIVES = 'sightline-slo'
export const PANEL_IDS = { failed: 101, slow: 102, runbook: 103 } as const

/** To one panel of the board of objectives, or to all of it, over the time range at hand. */
export const toObjectives = (panel?: keyof typeof PANEL_IDS): string =>
  `/d/${OBJECTIVES}?\${__url_time_range}${panel ? `&viewPanel=${PANEL_IDS[panel]}` : ''}`

/** What an objective counts, in words and as the panel that shows it. */
const COUNTED = [
  ['availability', 'requests answered 5xx', PANEL_IDS.failed],
  ['latency', 'requests slower than 250 ms', PANEL_IDS.slow],
] as const

/**
 * Firing alerts with the time (milliseconds) since which what they say holds. `counts` says what they count, or whom they are
 * about, `panel` which panel shows it.
 */
const firing = (): string => {
  const since = '1000 * ALERTS_FOR_STATE and ignoring (alertstate) ALERTS{alertstate="firing"}'
  const about = `label_replace(${since}, "counts", "$1", "job", "(.+)")`
  const labelled = COUNTED.reduce(
    (query, [slo, words, panel]) =>
      `label_replace(label_replace(${query}, "counts", "${words}", "slo", "${slo}"), "panel", "${panel}", "slo", "${slo}")`,
    about,
  )
  return `max by (alertname, severity, counts, panel) (${labelled})`
}

const severityColors = { watch: 'blue', ticket: 'yellow', page: 'red' }

const hidden: Property[] = [
  { id: 'custom.hidden', value: true },
  { id: 'custom.hideFrom', value: { viz: true, legend: false, tooltip: false } },
]

/** How many alerts fire; a click leads to which. */
export const alertNumber = (): PanelSpec =>
  number({
    title: 'Alerts firing',
    description: 'Rules of observability/prometheus/rules that fire now. Click for their names.',
    unit: 'none',
    thresholds: zeroSteps(),
    sparkline: false,
    queries: [instant('count(ALERTS{alertstate="firing"}) or vector(0)', 'alerts')],
    dataLinks: [{ title: 'Which', url: toObjectives() }],
  })

const OVERDRAWN = 'spent'

/** What is left of a budget, or how many times over it is spent; a click leads to the requests that took it. */
export const budgetNumber = (slo: 'availability' | 'latency'): PanelSpec => {
  const left = `slo:error_budget_remaining:ratio{slo="${slo}"}`
  return number({
    title: slo === 'availability' ? 'Error budget left' : 'Latency budget left',
    description: `What is left of the ${
      slo === 'availability'
        ? '5xx that 99.9 % availability allows in three days'
        : '5 % of requests that may take longer than 250 ms, in three days'
    }: 100 % untouched; 3× spent: three times as many as allowed. Click for the requests.`,
    unit: 'percentunit',
    decimals: 1,
    thresholds: steps([null, 'red'], [0.001, 'yellow'], [0.5, 'green']),
    sparkline: false,
    // Of the two one is there at any time: -16,725 % tells nobody anything.
    queries: [instant(`${left} >= 0`, 'left'), instant(`1 - (${left} < 0)`, OVERDRAWN)],
    overrides: [[OVERDRAWN, [{ id: 'unit', value: 'suffix:× spent' }, ...colored('red')]]],
    dataLinks: [{ title: 'The requests that took it', url: toObjectives(slo === 'availability' ? 'failed' : 'slow') }],
  })
}

/** The alerts by name, worst first. */
export const alertTable = (): PanelSpec =>
  table({
    title: 'Alerts',
    description:
      'What fires, how badly, since when, and what it counts. The name leads to what to do, the counted requests to their traces.',
    noValue: 'No alert fires.',
    queries: [instantTable(firing())],
    transformations: [
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: { alertname: 0, severity: 1, Value: 2, 'Value #A': 2, counts: 3, panel: 4 },
          renameByName: {
            alertname: 'Alert',
            severity: 'Severity',
            Value: 'Since',
            'Value #A': 'Since',
            counts: 'Counts',
          },
        },
      },
    ],
    overrides: [
      [
        'Alert',
        [
          {
            id: 'links',
            value: [{ title: 'What to do', url: `/d/${OBJECTIVES}?viewPanel=${PANEL_IDS.runbook}#\${__value.raw}` }],
          },
        ],
      ],
      [
        'Severity',
        [
          {
            id: 'mappings',
            value: [
              {
                type: 'value',
                options: Object.fromEntries(
                  Object.entries(severityColors).map(([severity, color], index) => [severity, { color, index }]),
                ),
              },
            ],
          },
          { id: 'custom.cellOptions', value: { type: 'color-text' } },
        ],
      ],
      ['Since', [{ id: 'unit', value: 'dateTimeAsIso' }]],
      [
        'Counts',
        [
          {
            id: 'links',
            value: [
              {
                title: 'These requests',
                url: `/d/${OBJECTIVES}?\${__url_time_range}&viewPanel=\${__data.fields.panel}`,
              },
            ],
          },
        ],
      ],
      ['panel', hidden],
    ],
    sortBy: { displayName: 'Since', desc: true },
  })
