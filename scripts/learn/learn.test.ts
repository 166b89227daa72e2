import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { root } from '@sightline/local/settings'
import { askFor } from './ask.ts'
import { compareSeries } from './compare.ts'
import { course } from './lessons/index.ts'
import { liveSystem } from './live.ts'
import { noteProgress, readProgress } from './progress.ts'
import { near, numberIn, right, withTraceId, wrong } from './question.ts'

test('a number is read as people write it', () => {
  const read = ['12', ' 1,234 ', '12.5 ms', '.5', '-3', 'many', ''].map(numberIn)
  assert.deepEqual(read, [12, 1234, 12.5, 0.5, -3, Number.NaN, Number.NaN])
})

test('a number that moves may be off by a share, or by one when it counts', () => {
  for (const [answer, now, share] of [
    ['100', 104, 0.05],
    ['9', 10, 0],
    ['0.9', 1.1, 0.2],
  ] as const)
    assert.ok(near(answer, now, share), answer)
  for (const [answer, now, share] of [
    ['100', 110, 0.05],
    ['8', 10, 0],
    ['0.5', 1.1, 0.2],
    ['', 0, 1],
  ] as const)
    assert.ok(!near(answer, now, share), answer)
})

test('what is no trace id is told so, before anybody is asked', async () => {
  for (const answer of ['', 'abc', '0'.repeat(32), `${'1'.repeat(31)}g`]) {
    const verdict = await withTraceId(answer, () => assert.fail())
    assert.match(verdict.right ? '' : verdict.hint, /32 hexadecimal digits/)
  }
  assert.deepEqual(await withTraceId(` ${'AB'.repeat(16)} `, async (id) => wrong(id)), wrong('ab'.repeat(16)))
})

test('series are equal by labels and by values that are near', async () => {
  const series: Record<string, { labels: Record<string, string>; value: number }[]> = {
    right: [{ labels: { __name__: 'a', job: 'x' }, value: 100 }],
    near: [{ labels: { job: 'x' }, value: 105 }],
    far: [{ labels: { job: 'x' }, value: 150 }],
    other: [{ labels: { job: 'y' }, value: 100 }],
    more: [
      { labels: { job: 'x' }, value: 100 },
      { labels: { job: 'y' }, value: 1 },
    ],
    empty: [],
  }
  const ask = async (query: string) => series[query]!
  assert.equal(await compareSeries(ask, 'near', 'right'), 'equal')
  for (const query of ['far', 'other', 'more', 'empty'])
    assert.equal(await compareSeries(ask, query, 'right'), 'different', query)
  assert.equal(await compareSeries(ask, 'near', 'empty'), 'nothing')
})

test('progress only grows, is for its owner, and a damaged file is told', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-progress-'))
  t.after(() => rmSync(home, { recursive: true }))
  const [first] = course
  assert.deepEqual(readProgress(home), {})
  noteProgress(home, first!, [right, wrong('x'), right])
  assert.deepEqual(noteProgress(home, first!, [wrong('x'), right, wrong('x')]), { [first!.id]: [true, true, true] })
  const file = join(home, 'learn/progress.json')
  assert.equal(statSync(file).mode & 0o077, 0)
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), readProgress(home))
  mkdirSync(join(home, 'other/learn'), { recursive: true })
  writeFileSync(join(home, 'other/learn/progress.json'), '{')
  assert.throws(() => readProgress(join(home, 'other')), /is damaged\. Remove it/)
})

test('lessons are numbered from 1 to 10, each with three questions', () => {
  const lessons = course.filter(({ exercise }) => !exercise)
  assert.deepEqual(
    lessons.map(({ id }) => id),
    Array.from({ length: 10 }, (_, n) => String(n + 1)),
  )
  for (const { id, questions } of lessons) assert.equal(questions.length, 3, id)
})

test('a hint names the log file where it lies', () => {
  const apis = { gateway: '', tempo: '', loki: '', prometheus: '', credentials: {} }
  const logFile = (home: string) => liveSystem(apis, home).logFile('order-service')
  assert.equal(logFile(join(root, '.sightline')), '.sightline/logs/order-service/order-service.log')
  assert.equal(logFile('/srv/shop'), '/srv/shop/logs/order-service/order-service.log')
})

test('the command names what was meant, what there is, and an example', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['scripts/learn.ts', ...args], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
    })
  for (const [args, words] of [
    [['chek'], /There is no "chek"\. Did you mean check\? For example: npm run learn -- check 1\n/],
    [['check'], /check needs a lesson: npm run learn -- check 1/],
    [['check', 'smapling'], /There is no lesson "smapling"\. Did you mean sampling\? There are: 1, 2, /],
    [['check', '1'], /1\. Send an order .*once each: npm run learn -- check 1 --answer/s],
  ] as const) {
    const { status, stderr } = run(...args)
    assert.equal(status, 2, stderr)
    assert.match(stderr, words)
  }
  // A title and its page never touch.
  for (const line of run().stdout.split('\n').slice(0, course.length)) assert.match(line, / {2}docs\/learn\//)
})

test('in a terminal one question comes after the other, each with its verdict, and Ctrl-D leaves the rest', async () => {
  const ask = (what: string, solution: string) => ({
    ask: what,
    check: async (answer: string) => (answer === solution ? right : wrong(`not ${answer}`)),
  })
  const questions = [ask('One?', '1'), ask('Two?', '2'), ask('Three?', '3'), ask('Four?', '4')]
  const lesson = { id: '99', title: '', minutes: 1, page: '', questions }
  const [input, output] = [new PassThrough(), new PassThrough({ encoding: 'utf8' })]
  let said = ''
  output.on('data', (text: string) => {
    said += text
    // Typed when it is asked for, as a person does.
    if (text.includes('One?')) input.write('1\n')
    if (text.includes('Two?')) input.write('x\n')
    if (text.includes('Three?')) input.write('\n')
    if (text.includes('Four?')) input.end()
  })
  const verdicts = await askFor(lesson, liveSystem({} as Parameters<typeof liveSystem>[0], ''), input, output)
  const none = wrong('There is no answer yet.')
  assert.deepEqual(verdicts, [right, wrong('not x'), none, none])
  const plain = stripVTControlCharacters(said)
  assert.match(
    plain,
    /1\. One\?[\s\S]*✔ right[\s\S]*2\. Two\?[\s\S]*✘ not x[\s\S]*3\. Three\?[\s\S]*✘ There is no answer yet\.[\s\S]*4\. Four\?/,
  )
})
