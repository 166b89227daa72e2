/** The bill as a table of plain text. */
import { figure, table } from '../usage/table.ts'
import type { Exploded } from './budget.ts'
import type { Bill } from './figures.ts'

const MINUTES_A_DAY = 24 * 60

/** A row per program, and what it comes to in a day. */
export function billText({ minutes, requests, shares, series }: Bill): string {
  const programs = [...new Set([...shares.map(({ service }) => service), ...Object.keys(series)])].sort()
  const rows = programs.map((program) => {
    const share = shares.find(({ service }) => service === program)
    const cells = share ? [share.spans, share.spanBytes, share.logLines, share.logBytes] : [null, null, null, null]
    return [program, ...[...cells, series[program] ?? null].map((value) => (value === null ? '-' : figure(value)))]
  })
  const sum = (of: (share: Bill['shares'][number]) => number | null) =>
    shares.reduce((total, share) => total + (of(share) ?? 0), 0)
  const all = [
    sum(({ spans }) => spans),
    sum(({ spanBytes }) => spanBytes),
    sum(({ logLines }) => logLines),
    sum(({ logBytes }) => logBytes),
    Object.values(series).reduce((total, count) => total + count, 0),
  ] as const
  const aDay = (each: number) => (each * requests * MINUTES_A_DAY) / minutes
  return [
    `What one request leaves, of ${figure(requests)} at the gateway in the last ${minutes} minutes:`,
    '',
    table([
      ['', 'spans', 'span bytes', 'log lines', 'log bytes', 'series'],
      ...rows,
      ['all', ...all.map((value) => figure(value))],
    ]),
    '',
    `At this rate a day has ${figure(aDay(all[0]))} spans of ${bytes(aDay(all[1]))}, ${figure(aDay(all[2]))} log lines of ${bytes(aDay(all[3]))},`,
    `and ${figure((all[4] * MINUTES_A_DAY * 60) / 5)} samples, read every 5 s whether or not somebody asks.`,
  ].join('\n')
}

/** What to do about labels with too many values. */
export const explodedText = (labels: readonly Exploded[], most: number): string =>
  labels
    .map(
      ({ metric, label, values, examples }) =>
        `${metric}: the label ${label} has ${values} values, ${most} are in the budget: ${examples.map((value) => JSON.stringify(value)).join(', ')} ...\n` +
        '  Name what a value stands for (a route, a statement, a class), and put the rest on spans and log lines.',
    )
    .join('\n')

function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3))
  return `${figure(count / 1000 ** step)} ${units[step]}`
}
