import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
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
    /^slow-tuesday [\s\S]*Nothing answers at http:\/\/127\.0\.0\.1:9 .*Start the system first: npm start/,
  )
  assert.equal(JSON.parse(list('--json').stdout).running, false)
})
