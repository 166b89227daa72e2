/** The results, for people: a line for what is well, and what to do below what isn't. */
import { counted } from '@sightline/contracts/counted'
import { colour, oneLine } from '@sightline/local/terminal'
import type { Result, Status } from './check.ts'

const MARKS: Record<Status, string> = {
  pass: colour.green('✔'),
  warn: colour.yellow('!'),
  fail: colour.red('✖'),
  skip: colour.dim('–'),
}

export function report(results: readonly Result[], seconds: number): string {
  const groups = [...Map.groupBy(results, ({ group }) => group)].map(([group, of]) =>
    [colour.bold(group), ...of.map(lineOf)].join('\n'),
  )
  return `${groups.join('\n\n')}\n\n${summary(results, seconds)}`
}

function lineOf({ status, title, detail, remedy }: Result): string {
  const told = detail && `  ${oneLine(detail)}`
  const line = `  ${MARKS[status]} ${title}${status === 'pass' || status === 'skip' ? colour.dim(told) : told}`
  return remedy ? `${line}\n      ${colour.cyan('→')} ${remedy.split('\n').map(oneLine).join('\n        ')}` : line
}

function summary(results: readonly Result[], seconds: number): string {
  const count = (status: Status) => results.filter((result) => result.status === status).length
  const parts = [
    `${count('pass')} well`,
    ...(count('warn') ? [counted(count('warn'), 'remark')] : []),
    ...(count('fail') ? [`${count('fail')} not well`] : []),
    ...(count('skip') ? [`${count('skip')} not asked`] : []),
  ]
  return colour.bold(`${parts.join(', ')}, in ${seconds.toFixed(1)} s`)
}
