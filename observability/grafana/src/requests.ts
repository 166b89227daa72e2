/** Tables of single requests with what they were answered, on every board the same. */
import type { PanelSpec } from './panels.ts'
import { table } from './panels.ts'
import { spans } from './queries.ts'
import type { Property } from './styles.ts'

/** By the status code, as text and as a number: Tempo's table has it either way. */
const statusProperties: Property[] = [
  {
    id: 'mappings',
    value: [
      { type: 'regex', options: { pattern: '^(5\\d\\d)$', result: { text: '$1 failed', color: 'red', index: 0 } } },
      { type: 'regex', options: { pattern: '^(4\\d\\d)$', result: { text: '$1 refused', color: 'yellow', index: 1 } } },
      { type: 'value', options: { 202: { text: '202 audit later', color: 'blue', index: 2 } } },
      { type: 'range', options: { from: 500, to: 599, result: { color: 'red', index: 3 } } },
      { type: 'range', options: { from: 400, to: 499, result: { color: 'yellow', index: 4 } } },
    ],
  },
  { id: 'custom.cellOptions', value: { type: 'color-text' } },
]

/** To the trace on the board of the chain, in Grafana and in the console alike. */
const OPEN = {
  title: 'Open the trace',
  url: '/d/sightline-chain?${__url_time_range}&var-trace_id=${__value.raw}',
}

interface Requests {
  readonly title: string
  readonly description: string
  readonly noValue: string
  /** TraceQL for spans; of each trace the first that matches is a row. */
  readonly query: string
  readonly id?: number
  /** Where the trace's id leads, instead of to its page; `${__value.raw}` is the id. */
  readonly link?: { title: string; url: string }
}

/** The latest requests that match, with their answers. */
export function requests({ query, link, ...panel }: Requests): PanelSpec {
  return table({
    ...panel,
    queries: [spans(`${query} | select(name, span.http.response.status_code)`, 50, 1)],
    transformations: [
      {
        id: 'organize',
        options: {
          excludeByName: {
            spanID: true,
            traceName: true,
            traceService: true,
            kind: true,
            status: true,
            'service.name': true,
          },
          indexByName: {
            traceIdHidden: 0,
            time: 1,
            name: 2,
            'http.response.status_code': 3,
            'span.http.response.status_code': 3,
            duration: 4,
          },
          renameByName: {
            traceIdHidden: 'Trace ID',
            name: 'Request',
            'http.response.status_code': 'Answer',
            'span.http.response.status_code': 'Answer',
          },
        },
      },
    ],
    overrides: [
      [
        'Trace ID',
        [
          // Grafana hides it, and links the span's id, which says less.
          { id: 'custom.hidden', value: false },
          { id: 'custom.hideFrom', value: { viz: false, legend: false, tooltip: false } },
          { id: 'links', value: [link ?? OPEN] },
        ],
      ],
      ['Answer', statusProperties],
    ],
  })
}
