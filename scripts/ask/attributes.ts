/** The tool that says what can be asked about: which attributes spans have, and how many spans each value of one. */
import { type CompareAnswer, countsIn } from '@sightline/console/differs'
import { z } from 'zod'
import { page, type Row } from './answer.ts'
import { compareCounts, plain, traceMetric } from './tempo.ts'
import { defineTool, offset } from './tool.ts'
import { readWindow, windowParameters } from './window.ts'

export const attributes = defineTool({
  name: 'attributes',
  title: 'attributes that spans have, or how many spans have each value of one',
  about:
    'Attributes of spans and their resources as TraceQL writes them, each with how many spans have it and the value that most of these have; with a name all values, each with how many spans have it (nil: those without). among narrows it to some spans: { name = "create_order" }. Next: traces with a query that uses them.',
  example: `span.error.type --among '{ resource.service.name = "order-service" }'`,
  positionals: ['name'],
  parameters: {
    name: z
      .string()
      .regex(/^[^\s{}()|]+$/, 'is one name: span.http.route')
      .optional()
      .describe('an attribute, as span.http.route'),
    among: z.string().default('{ }').describe('TraceQL: the spans that are looked at'),
    ...windowParameters(),
    offset,
  },
  async run({ name, among, offset, ...times }, system) {
    const window = readWindow(times)
    const nothing = 'No such span in this time.'
    if (name === undefined) {
      const counts = await compareCounts(system, `{ } | compare(${among}, 1)`, window)
      return { facts: {}, lists: [page('attributes', namesIn(counts), offset, 'a narrower among')], nothing }
    }
    const series = await traceMetric(system, `${among} | count_over_time() by (${name})`, window)
    const rows = series
      .map(({ labels: { __name__: _, ...labels }, value }) => ({
        value: Object.values(labels)[0] ?? 'nil',
        spans: value,
      }))
      .sort((a, b) => b.spans - a.spans)
    return { facts: { attribute: name }, lists: [page('values', rows, offset, 'a narrower among')], nothing }
  },
})

/** The selection is all that was asked for; of each attribute its total and its most frequent value are known. */
function namesIn(counts: CompareAnswer): Row[] {
  const found = new Map<string, { attribute: string; spans: number; mostly: string }>()
  for (const { of, isTotal, label, count } of countsIn(counts)) {
    if (of !== 'selection') continue
    const row = found.get(label.key) ?? { attribute: label.key, spans: 0, mostly: '' }
    found.set(label.key, row)
    if (isTotal) row.spans = count
    else row.mostly = String(plain(label.value ?? {}))
  }
  // Tempo 3 lists some attributes that it has a column for, though no span has them.
  return [...found.values()]
    .filter(({ mostly }) => mostly !== 'nil')
    .toSorted((a, b) => a.attribute.localeCompare(b.attribute))
}
