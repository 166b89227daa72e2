/** The tool that says what some spans have and others don't, by the rule of the console's page "What differs". */
import { compareQuery, isClear, isNamedIn, mostTelling, narrowed, rank, sentence } from '@sightline/console/differs'
import { startError } from '@sightline/local/settings'
import { z } from 'zod'
import { page } from './answer.ts'
import { compareCounts } from './tempo.ts'
import { defineTool, offset } from './tool.ts'
import { readWindow, windowParameters } from './window.ts'

/** Values of an attribute beside the one that lies furthest apart. */
const FURTHER_VALUES = 3

export const compare = defineTool({
  name: 'compare',
  title: 'what differs between some spans and the rest, or another selection',
  about:
    'Compares the spans of a TraceQL filter with the rest, or with those of a second filter (against): attributes ranked by how far the shares of a value lie apart. For slow or failed requests look among the server spans of one operation: query { duration > 250ms }, among { kind = server && name = "POST /process" }. Next: traces with the query look_at.',
  example: `'{ duration > 250ms }' --among '{ kind = server }'`,
  positionals: ['query', 'against'],
  parameters: {
    query: z.string().describe('TraceQL filter: the selection'),
    against: z.string().optional().describe('a second filter: only its spans are the rest'),
    among: z.string().default('{ }').describe('TraceQL: the spans that are looked at in all'),
    ...windowParameters(),
    offset,
  },
  async run({ query, against, among, offset, ...times }, system) {
    const comparison = {
      spans: among.trim() === '{ }' ? '' : among,
      selection: insideOf(query),
      against: against === undefined ? '' : insideOf(against),
    }
    const answer = await compareCounts(system, compareQuery(comparison), readWindow(times))
    const found = rank(answer)
    // What the filter itself asks about differs of course.
    const ranked = found.ranked.filter(({ attribute }) => !isNamedIn(comparison.selection, attribute))
    const isOneSided = found.selected === 0 || found.others === 0
    const most = mostTelling(found, comparison)
    const rows = ranked.map(({ attribute, values: [first, ...others] }) => ({
      attribute,
      value: first!.text,
      selection_percent: hundredths(first!.selected),
      rest_percent: hundredths(first!.other),
      other_values: others
        .slice(0, FURTHER_VALUES)
        .map(({ text, selected, other }) => `${text} ${hundredths(selected)} % : ${hundredths(other)} %`),
    }))
    return {
      facts: {
        selection_spans: found.selected,
        rest_spans: found.others,
        says: isOneSided ? undefined : sentence(found, comparison),
        look_at:
          isOneSided || !most || !isClear(most.value) ? undefined : narrowed(comparison, most.attribute, most.value),
      },
      lists: [page('differences', isOneSided ? [] : rows, offset, 'a narrower among')],
      nothing: isOneSided
        ? `There is nothing to compare: the selection has ${found.selected} spans, the rest ${found.others}. Another filter, or a longer time?`
        : 'Both sides are alike.',
    }
  },
})

const hundredths = (share: number) => Math.round(share * 1000) / 10

/** `status = error` of `{ status = error }`; throws a startError for a query of another shape. */
function insideOf(filter: string): string {
  const inside = /^\s*\{(.*)\}\s*$/s.exec(filter)?.[1]
  if (inside === undefined || inside.trim() === '')
    throw startError(`"${filter}" is no filter of one condition: write it in braces, as { status = error }.`)
  return inside.trim()
}
