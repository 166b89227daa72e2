/** The tool that says what some spans have and others don't. */
import { z } from 'zod'
import { pairs } from './answer.ts'
import { outsideStrings, type Series, traceCounts } from './tempo.ts'
import { defineTool, limit, offset } from './tool.ts'
import { readWindow, windowParameters } from './window.ts'

interface Side {
  /** Spans in all. */
  total: number
  /** By attribute and value. */
  counts: Map<string, number>
}

export const compare = defineTool({
  name: 'compare',
  title: 'what differs between some spans and the rest, or another selection',
  about:
    'Compares the spans of a TraceQL filter with the rest, or with those of a second filter (against): attributes ranked by how much more often one side has a value. For slow or failed requests compare server spans of one operation: query { kind = server && name = "POST /process" && duration > 250ms }, among { kind = server && name = "POST /process" }. Next: traces with the value that stands out.',
  example: `'{ duration > 250ms }' --among '{ kind = server }'`,
  positionals: ['query', 'against'],
  parameters: {
    query: z.string().describe('TraceQL filter: the selection'),
    against: z.string().optional().describe('a second filter: only its spans are the rest'),
    among: z.string().default('{ }').describe('TraceQL filter: spans that are looked at in all'),
    ...windowParameters(),
    values: limit('values of each attribute', 10, 100),
    offset,
  },
  async run({ query, against, among, values, offset, ...times }, system) {
    const window = readWindow(times)
    const pool = against === undefined ? among : `{ (${inner(query)}) || (${inner(against)}) }`
    const series = await traceCounts(system, `${pool} | compare({ ${inner(query)} }, ${values})`, window)
    const selection = sideOf(series, 'selection')
    const rest = sideOf(series, 'baseline')
    const share = (count: number, total: number) => (total === 0 ? 0 : Math.round((count / total) * 1000) / 10)
    const rows = [...new Set([...selection.counts.keys(), ...rest.counts.keys()])]
      .map((key) => {
        const [attribute, value] = JSON.parse(key) as [string, string]
        const [inSelection, inRest] = [selection.counts.get(key) ?? 0, rest.counts.get(key) ?? 0]
        const [of, among] = [share(inSelection, selection.total), share(inRest, rest.total)]
        return {
          attribute,
          value,
          selection_percent: of,
          rest_percent: among,
          selection_spans: inSelection,
          rest_spans: inRest,
        }
      })
      .filter((row) => row.selection_percent !== row.rest_percent && !isAskedFor(row.attribute, query))
      .sort((a, b) => Math.abs(b.selection_percent - b.rest_percent) - Math.abs(a.selection_percent - a.rest_percent))
    const [most] = rows
    const isOneSided = selection.total === 0 || rest.total === 0
    return {
      facts: {
        selection_spans: selection.total,
        rest_spans: rest.total,
        ...(most && !isOneSided
          ? {
              says: `${pairs({ [most.attribute]: most.value })} in ${most.selection_percent} % of the selection, ${most.rest_percent} % of the rest`,
            }
          : {}),
      },
      lists: [
        {
          name: 'differences',
          rows: isOneSided ? [] : rows.slice(offset),
          next: (shown: number) => ({ offset: offset + shown }),
          hint: 'a narrower among',
        },
      ],
      nothing: isOneSided
        ? `There is nothing to compare: the selection has ${selection.total} spans, the rest ${rest.total}. Another filter, or a longer time?`
        : 'Both sides are alike.',
    }
  },
})

/** What stands between the braces of a filter; a query of another shape is refused by the engine in its own words. */
const inner = (filter: string) => /^\s*\{(.*)\}\s*$/s.exec(filter)?.[1]?.trim() || 'true'

/** What the filter itself asks about differs of course. */
function isAskedFor(attribute: string, filter: string): boolean {
  const words = outsideStrings(filter).match(/[\w.:-]+/g) ?? []
  return words.some((word) => attribute === word || attribute.endsWith(`.${word.replace(/^(span|resource)?\./, '')}`))
}

/** Every span has a name, so that attribute's total counts all of them. */
function sideOf(series: readonly Series[], type: 'selection' | 'baseline'): Side {
  const side: Side = { total: 0, counts: new Map() }
  for (const { labels, value: count } of series) {
    const { __meta_type, __meta_error: _, ...attributes } = labels
    const [[attribute, value] = ['', '']] = Object.entries(attributes)
    if (__meta_type === type && value !== 'nil') side.counts.set(JSON.stringify([attribute, value]), count)
    if (__meta_type === `${type}_total` && attribute === 'name') side.total = count
  }
  return side
}
