/** Pages of docs/ for who asks: as a tool here, as resources of the MCP server. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '@sightline/local/settings'
import { z } from 'zod'
import { defineTool, offset } from './tool.ts'

/** What helps to ask, and to understand answers. */
export const pages = {
  ask: 'the tools, each with an example',
  traceql: 'TraceQL: the language that searches traces',
  logql: 'LogQL: the language that searches log lines',
  slo: 'service levels, alerts, and a runbook for each alert',
  errors: 'kinds of error that the API answers',
  switches: 'environment variables: sampling, exporters, masking',
  reliability: 'what is never lost: outbox, audit trail, drills',
  doctor: 'what npm run doctor checks, and remedies',
} as const
type PageName = keyof typeof pages

const names = Object.keys(pages) as [PageName, ...PageName[]]

export const readPage = (page: PageName): string => readFileSync(join(root, 'docs', `${page}.md`), 'utf8')

export const docs = defineTool({
  name: 'docs',
  title: 'pages about the query languages and the system',
  about: `A page of the documentation, whole or one of its sections: ${names.join(', ')}. Without a page: which there are.`,
  example: 'traceql --section Pipelines',
  positionals: ['page'],
  parameters: {
    page: z.enum(names).optional().describe(names.join(', ')),
    section: z.string().optional().describe('a part of a heading: only that section'),
    offset,
  },
  async run({ page, section, offset }) {
    if (page === undefined)
      return {
        facts: {},
        lists: [{ name: 'pages', rows: Object.entries(pages).map(([page, about]) => ({ page, about })) }],
      }
    const text = readPage(page)
    const all = (section === undefined ? text : sectionOf(text, section)).trimEnd().split('\n')
    const headings = text.match(/^##+ .+$/gm) ?? []
    return {
      facts: {
        page,
        ...(section === undefined && offset === 0 ? { sections: headings.map((one) => one.replace(/^#+ /, '')) } : {}),
      },
      lists: [
        {
          name: 'lines',
          rows: all.slice(offset).map((line) => ({ line })),
          next: (shown) => ({ offset: offset + shown }),
          hint: 'one section',
          line: ({ line }) => String(line),
        },
      ],
      nothing: `${page} has no section "${section}". It has: ${headings.map((one) => one.replace(/^#+ /, '')).join(', ')}.`,
    }
  },
})

/** From the first heading that has the words to the next of its level or above; '' when there is none. */
function sectionOf(text: string, wanted: string): string {
  const lines = text.split('\n')
  const level = (line: string) => /^#+(?= )/.exec(line)?.[0].length ?? 0
  const from = lines.findIndex((line) => level(line) > 0 && line.toLowerCase().includes(wanted.toLowerCase()))
  if (from === -1) return ''
  const length = lines.slice(from + 1).findIndex((line) => level(line) > 0 && level(line) <= level(lines[from]!))
  return lines.slice(from, length === -1 ? undefined : from + 1 + length).join('\n')
}
