import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { noteSolved, solvedIncidents } from '@sightline/local/incident'
import { root } from '@sightline/local/settings'

test('what was asked for wrongly is answered with what was meant, what there is, and an example', () => {
  const answer = ['answer', '--service', 'a', '--operation', 'b', '--evidence', 'c', '--mechanism']
  for (const [args, words] of [
    [['strat'], /There is no "strat"\. Did you mean start\? There are: list, start, hint, answer, stop\./],
    [
      ['start'],
      /Which one\? For example: npm run incident -- start slow-tuesday\. There are: slow-tuesday, lunch-hour, /,
    ],
    [['start', 'slow-tusday'], /no incident "slow-tusday"\. Did you mean slow-tuesday\? There are: /],
    [['hint', 'now'], /"hint" has no use for "now"/],
    [['answer', 'audit-service'], /parts have names: npm run incident -- answer --service/],
    [
      ['answer', '--service', 'a'],
      /has no --operation, --mechanism, --evidence\. For example: npm run incident -- answer/,
    ],
    [[...answer, 'retry-strom'], /"retry-strom" is no mechanism\. Did you mean retry-storm\? There are: slow-code, /],
  ] as const) {
    const command = [join(root, 'scripts/incident.ts'), ...args]
    const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
    assert.equal(status, 2, stderr)
    assert.match(stderr, words)
  }
})

test('the best solution of each incident is kept, and the list shows it', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'sightline-solved-'))
  t.after(() => rmSync(home, { recursive: true }))
  for (const [score, seconds] of [
    [70, 90],
    [85, 120],
    [85, 40],
    [70, 10],
  ] as const)
    noteSolved(home, 'lunch-hour', { score, seconds })
  assert.deepEqual(solvedIncidents(home), { 'lunch-hour': { score: 85, seconds: 40 } })
  const command = [join(root, 'scripts/incident.ts'), 'list']
  const env = { ...process.env, SIGHTLINE_HOME: home, GATEWAY_URL: 'http://127.0.0.1:9', NO_COLOR: '1' }
  const { stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', env })
  assert.match(stdout, /^slow-tuesday .*Tuesday\nlunch-hour .* ✔ 85 points\n[\s\S]*\n1 of \d+ solved\./, stderr)
})

test('where nothing runs, the list says how to start it', () => {
  const list = (...args: string[]) => {
    const command = [join(root, 'scripts/incident.ts'), 'list', ...args]
    // Nobody listens on port 9 of this machine.
    const env = { ...process.env, GATEWAY_URL: 'http://127.0.0.1:9', NO_COLOR: '1' }
    return spawnSync(process.execPath, command, { encoding: 'utf8', env })
  }
  const { status, stdout, stderr } = list()
  assert.equal(status, 0, stderr)
  assert.match(
    stdout,
    /^slow-tuesday [\s\S]* solved\. Nothing answers at http:\/\/127\.0\.0\.1:9 .*Start the system first: npm start/,
  )
  assert.equal(JSON.parse(list('--json').stdout).running, false)
})
