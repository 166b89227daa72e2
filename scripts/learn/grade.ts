import { type Live, QueryError } from './live.ts'
import { type Lesson, type Verdict, wrong } from './question.ts'

/**
 * One verdict per question, in their order. An empty answer is wrong, and so is a query that an engine refuses, with the engine's
 * words. Rejects when the system is away.
 */
export async function grade(lesson: Lesson, answers: readonly string[], live: Live): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  for (const [n] of lesson.questions.entries()) verdicts.push(await gradeOne(lesson, n, answers, live))
  return verdicts
}

/** The same for the question at index `n`. */
export async function gradeOne(lesson: Lesson, n: number, answers: readonly string[], live: Live): Promise<Verdict> {
  const answer = (answers[n] ?? '').trim()
  if (answer === '' && !lesson.exercise) return wrong('There is no answer yet.')
  try {
    return await lesson.questions[n]!.check(answer, live, answers)
  } catch (error) {
    if (error instanceof QueryError) return wrong(`The query was refused: ${error.message}`)
    throw error
  }
}
