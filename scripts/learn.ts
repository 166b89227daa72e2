/**
 * `npm run learn`: the course in docs/learn, and how far one has come.
 *
 *   npm run learn                                lessons, minutes, progress
 *   npm run learn -- check 1                     asks the questions of lesson 1
 *   npm run learn -- check 1 --answer A ...      grades answers that are given, in the order of the questions
 *   npm run learn -- check sampling              looks whether an exercise is solved
 *
 * Answers are judged by asking the running system. Exits with 1 when one is wrong or nothing runs, with 2 when it was called wrongly.
 */
import { counted } from '@sightline/contracts/counted'
import { apisOf } from '@sightline/local/apis'
import { readFlags } from '@sightline/local/flags'
import { readSettings } from '@sightline/local/settings'
import { colour } from '@sightline/local/terminal'
import { askFor, verdictLine } from './learn/ask.ts'
import { grade } from './learn/grade.ts'
import { course } from './learn/lessons/index.ts'
import { type Live, liveSystem } from './learn/live.ts'
import { noteProgress, type Progress, readProgress } from './learn/progress.ts'
import type { Lesson, Verdict } from './learn/question.ts'
import { didYouMean } from './usage/closest.ts'

const usage = `npm run learn [-- check LESSON [--answer TEXT ...]] [--json]

Lists the lessons of docs/learn and what you have answered; check asks a lesson's questions and grades the answers on your
running system. LESSON is a number, or the name of an exercise.
  --answer TEXT   an answer, once per question and in their order; without it they are asked for
  --json          for programs`
const { positionals, values: flags } = readFlags(usage, {
  allowPositionals: true,
  options: { answer: { type: 'string', multiple: true }, json: { type: 'boolean', default: false } },
})
const settings = readSettings()
const { home } = settings

const [command, id, ...further] = positionals
if (command === undefined && flags.answer === undefined) {
  const progress = readOwnProgress()
  console.log(flags.json ? JSON.stringify(course.map((lesson) => asJson(lesson, progress))) : overview(progress))
} else if (command !== 'check') {
  const said = command === undefined ? '--answer is for check' : `There is no "${command}"`
  misuse(`${said}.${didYouMean(command ?? '', ['check'])} For example: npm run learn -- check 1`)
} else if (id === undefined || further.length > 0) {
  const said = id === undefined ? 'check needs a lesson' : `check takes one lesson; what is "${further.join(' ')}"?`
  misuse(`${said}: npm run learn -- check 1. An answer that is given: npm run learn -- check 1 --answer "..."`)
} else {
  const ids = course.map((one) => one.id)
  const lesson = course.find((one) => one.id === id.toLowerCase().replace(/^0+/, ''))
  if (!lesson) misuse(`There is no lesson "${id}".${didYouMean(id, ids)} There are: ${ids.join(', ')}.`)
  const live = liveSystem(apisOf(settings), home)
  try {
    await check(lesson, live)
  } catch (error) {
    fail(explainAway(error as Error))
  }
}

async function check(lesson: Lesson, live: Live): Promise<void> {
  const { answer: answers = [], json } = flags
  const { questions, exercise } = lesson
  if (exercise && answers.length > 0) misuse(`The exercise "${lesson.id}" wants no --answer: it is looked at.`)
  if (answers.length > questions.length)
    misuse(
      `Lesson ${lesson.id} has ${counted(questions.length, 'question')}, and ${answers.length} answers were given. One each: ${exampleFor(lesson)}`,
    )
  const isAsking = !exercise && answers.length === 0
  if (isAsking && (json || !process.stdin.isTTY))
    misuse(`${questionsOf(lesson)}\nAnswer them with --answer, once each: ${exampleFor(lesson)}`)
  if (!json) console.log(colour.bold(titleOf(lesson)))
  const verdicts = isAsking
    ? await askFor(lesson, live, process.stdin, process.stdout)
    : await grade(lesson, answers, live)
  const progress = noteProgress(home, lesson, verdicts)
  if (json) console.log(JSON.stringify({ ...asJson(lesson, progress), verdicts }))
  else {
    if (!isAsking) for (const [n, verdict] of verdicts.entries()) console.log(verdictLine(lesson, n, verdict))
    console.log(`\n${closing(lesson, verdicts, progress)}`)
  }
  if (!verdicts.every(({ right }) => right)) process.exitCode = 1
}

function closing(lesson: Lesson, verdicts: readonly Verdict[], progress: Progress): string {
  const missing = verdicts.filter(({ right }) => !right).length
  if (missing > 0) return `${verdicts.length - missing} of ${verdicts.length} right.`
  const next = course.find((one) => one !== lesson && !isDone(one, progress))
  return next ? `All right. Next: ${titleOf(next)}, docs/learn/${next.page}` : 'All right, and that was the last one.'
}

function overview(progress: Progress): string {
  const done = course.filter((lesson) => isDone(lesson, progress)).length
  const widest = Math.max(...course.map(({ title }) => title.length))
  const lines = course.map((lesson) => {
    const answered = progress[lesson.id]?.filter(Boolean).length ?? 0
    const state = isDone(lesson, progress)
      ? colour.green('✔    ')
      : answered > 0
        ? `${answered}/${lesson.questions.length}  `
        : '     '
    return `${state}${lesson.id.padEnd(12)}${String(lesson.minutes).padStart(3)} min  ${lesson.title.padEnd(widest)}  docs/learn/${lesson.page}`
  })
  return `${lines.join('\n')}\n\n${done} of ${course.length} done. Read a page, try it on a running system (npm start), then: npm run learn -- check 1`
}

function isDone({ id, questions }: Lesson, progress: Progress): boolean {
  return questions.every((_, n) => progress[id]?.[n] === true)
}

function titleOf({ id, title, exercise }: Lesson): string {
  return `${exercise ? 'Exercise' : 'Lesson'} ${id}: ${title}`
}

function exampleFor({ id, questions }: Lesson): string {
  return `npm run learn -- check ${id}${' --answer ...'.repeat(questions.length)}`
}

function questionsOf(lesson: Lesson): string {
  return [titleOf(lesson), ...lesson.questions.map(({ ask }, n) => `${n + 1}. ${ask}`)].join('\n')
}

function asJson({ id, title, minutes, page, questions }: Lesson, progress: Progress) {
  const answered = questions.map(({ ask }, n) => ({ ask, right: progress[id]?.[n] === true }))
  return { id, title, minutes, page: `docs/learn/${page}`, questions: answered }
}

function readOwnProgress(): Progress {
  try {
    return readProgress(home)
  } catch (error) {
    fail((error as Error).message)
  }
}

function explainAway(error: Error): string {
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException
  if (code !== 'ECONNREFUSED') return error.message
  return 'Nothing answers. Start the system in another terminal: npm start. Other ports? Set their variables here too.'
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

function misuse(message: string): never {
  console.error(message)
  process.exit(2)
}
