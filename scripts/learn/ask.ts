/** The questions of a lesson, asked in a terminal one by one, each with its verdict at once. */

import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { colour } from '@sightline/local/terminal'
import { gradeOne } from './grade.ts'
import type { Live } from './live.ts'
import { type Lesson, type Verdict, wrong } from './question.ts'

/**
 * One verdict per question. The end of the input, Ctrl-D, ends it: what was not answered is not right. Rejects when the system is away.
 */
export async function askFor(lesson: Lesson, live: Live, input: Readable, output: Writable): Promise<Verdict[]> {
  const terminal = createInterface({ input, output })
  const typed = terminal[Symbol.asyncIterator]()
  const answers: string[] = []
  const verdicts: Verdict[] = []
  try {
    for (const [n, { ask }] of lesson.questions.entries()) {
      output.write(`\n${n + 1}. ${ask}\n`)
      terminal.prompt()
      const { value, done } = await typed.next()
      if (done) break
      answers.push(value)
      verdicts.push(await gradeOne(lesson, n, answers, live))
      output.write(`${verdictLine(lesson, n, verdicts[n]!, '')}\n`)
    }
  } finally {
    terminal.close()
  }
  return lesson.questions.map((_, n) => verdicts[n] ?? wrong('There is no answer yet.'))
}

/** A tick or a cross with the question, or without where it was just asked; below a cross its hint. */
export function verdictLine(
  { questions }: Lesson,
  n: number,
  verdict: Verdict,
  ask = `${n + 1}. ${questions[n]!.ask}`,
): string {
  if (verdict.right) return `  ${colour.green('✔')} ${ask || 'right'}`
  return `  ${colour.red('✘')} ${ask}${ask && '\n    '}${verdict.hint}`
}
