/**
 * The course in docs/learn, from its first command to its last, on one system that is started as the first lesson says: every command
 * shows what its page shows, right answers pass, wrong ones don't.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePorts } from '@sightline/local'
import { root } from '@sightline/local/settings'
import { grade } from '../scripts/learn/grade.ts'
import { course } from '../scripts/learn/lessons/index.ts'
import { answersTo } from './learn-answers.ts'
import { assertShows, Learner } from './learner.ts'

/** What `npm run learn --` leads to, in less time. */
const LEARN = `'${process.execPath}' scripts/learn.ts`

describe('the course', () => {
  let learner: Learner
  before(async () => {
    learner = new Learner()
    await learner.prepare()
  })
  after(() => learner?.[Symbol.asyncDispose]())

  for (const lesson of course.filter(({ exercise }) => !exercise)) {
    test(`lesson ${lesson.id}: every command shows what the page shows`, () => learner.follow(lesson.page))

    test(`lesson ${lesson.id}: right answers pass, others do not`, async () => {
      const { right, wrong } = await answersTo[lesson.id]!(learner)
      const asked = right.map((answer) => `--answer '${answer.replaceAll("'", `'\\''`)}'`).join(' ')
      const { output, status } = await learner.run(`${LEARN} check ${lesson.id} --json ${asked}`)
      assert.equal(status, 0, output)
      assert.deepEqual(
        JSON.parse(output).verdicts,
        lesson.questions.map(() => ({ right: true })),
      )
      assert.equal(wrong.length, 3)
      const judged = await Promise.all(wrong.map((answers) => grade(lesson, answers, learner.live)))
      for (const [set, verdicts] of judged.entries()) {
        for (const [n, verdict] of verdicts.entries())
          assert.equal(verdict.right, false, `${wrong[set]![n]} to question ${n + 1}`)
      }
    })
  }

  const exercises = course.filter(({ exercise }) => exercise)

  test('no exercise counts as solved before it is', async () => {
    const verdicts = await Promise.all(exercises.map((one) => grade(one, [], learner.live)))
    for (const [n, [verdict]] of verdicts.entries()) assert.equal(verdict!.right, false, exercises[n]!.id)
  })

  test('each exercise is solved as its page says', async () => {
    await learner.solve(exercises.map(({ page }) => page))
    const verdicts = await Promise.all(exercises.map((one) => grade(one, [], learner.live)))
    for (const [n, [verdict]] of verdicts.entries()) assert.deepEqual(verdict, { right: true }, exercises[n]!.id)
    const { output, status } = await learner.run('npm run learn -- check propagators')
    assert.equal(status, 0, output)
    assert.match(output, /^Exercise propagators: .*\n {2}✔ 1\. .*\n\nAll right/)
  })

  test('wrong answers get a hint and exit code 1, misuse 2, and progress is kept', async () => {
    const wrong = await learner.run(`npm run learn -- check 1 --answer ${'0'.repeat(31)}1 --answer x --answer 1`)
    assert.equal(wrong.status, 1, wrong.output)
    assert.match(wrong.output, /✘ 1\. Send an order[^\n]*\n\s+No trace has this id[\s\S]*0 of 3 right/)
    for (const [misuse, told] of [
      ['check', /^check needs a lesson: npm run learn -- check 1\./],
      ['check 99', /There is no lesson "99"/],
      ['check 1', /1\. Send an order[\s\S]*Answer them with --answer/],
      ['check 1 --answer a --answer b --answer c --answer d', /has 3 questions, and 4 answers/],
    ] as const) {
      const { output, status } = await learner.run(`${LEARN} ${misuse}`)
      assert.equal(status, 2, output)
      assert.match(output, told)
    }
    assert.match((await learner.run('npm run learn')).output, /^✔ +1 .*01-structured-logging\.md/m)
  })

  test('where nothing runs, check says how to start it', async () => {
    const settings = `TEMPO_URL=http://127.0.0.1:${(await freePorts()).TEMPO_PORT}`
    const { output, status } = await learner.run(`${settings} npm run learn -- check 1 --answer ${'12'.repeat(16)}`)
    assert.equal(status, 1, output)
    assert.match(output, /Nothing answers\. Start the system in another terminal: npm start/)
  })
})

test('a page asks what the program asks, and says its minutes', () => {
  for (const { id, title, minutes, page, questions } of course) {
    const text = readFileSync(join(root, 'docs/learn', page), 'utf8')
    assert.ok(text.startsWith(`# ${/^\d/.test(id) ? `${id}. ` : ''}${title}\n\n${minutes} minutes.`), page)
    assert.ok(text.includes(`npm run learn -- check ${id}\n`), page)
    const asked = text.replace(/\s+/g, ' ')
    for (const [n, { ask }] of questions.entries()) assert.ok(asked.includes(`${n + 1}. ${ask}`), `${page}: ${ask}`)
  }
})

test('output is compared by line, with ids, times, durations and, where told, counts left aside', () => {
  const shown = '17:08:17.223  info  order 7\n...\nlast ... 3 ms\n'
  assertShows('09:00:00.001  info  order 7\nx\ny\nlast of all 12.5 ms\n', shown, '', '')
  assertShows('09:00:00.001  info  order 9\nlast one 1 s', shown, 'counts', '')
  assert.throws(() => assertShows('09:00:00.001  info  order 9\nlast one 1 s', shown, '', ''))
  assert.throws(() => assertShows('09:00:00.001  info  order 7\nlast one 1 s\nmore', shown, '', ''))
  assertShows('link:traceID=5797fdeab02450e90338350f659749d\n', `link:traceID=${'c2'.repeat(16)}\n`, '', '')
  assertShows('two\none\n', 'one\ntwo\n', 'in any order', '')
  assert.throws(() => assertShows('two\none\n', 'one\ntwo\n', '', ''))
  assert.throws(() => assertShows('09:00:00.001  warn  order 7\nlast one 1 s', shown, '', ''))
})
