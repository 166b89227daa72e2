import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecentIncident } from '@sightline/local/incident'
import { type Check, fail, pass } from './check.ts'
import { attributed, type Loss, lossFinding, periodsOf } from './incident.ts'
import type { Patient } from './patient.ts'

const MINUTE = 60_000
const incident = (name: string, startedAt: number, endedAt?: number): RecentIncident => ({
  name,
  startedAt,
  ...(endedAt === undefined ? {} : { endedAt }),
})

test('a window is divided into times with an incident and times without', () => {
  const first = incident('gaps', 100_000, 200_000)
  const second = incident('lunch', 300_000, 310_000)
  const running = incident('shelf', 900_000)
  assert.deepEqual(periodsOf([running, second, first], 0, 1_000_000), [
    { from: 0, to: 100_000 },
    { from: 100_000, to: 215_000, incident: first },
    { from: 215_000, to: 300_000 },
    { from: 300_000, to: 325_000, incident: second },
    { from: 325_000, to: 900_000 },
    { from: 900_000, to: 1_000_000, incident: running },
  ])
  assert.deepEqual(periodsOf([first], 150_000, 190_000), [{ from: 150_000, to: 190_000, incident: first }])
  assert.deepEqual(periodsOf([first], 500_000, 600_000), [{ from: 500_000, to: 600_000 }])
  // Of two that follow each other at once the first is counted for some seconds more.
  assert.deepEqual(
    periodsOf([incident('b', 201_000, 240_000), first], 100_000, 240_000).map(({ from, to }) => [from, to]),
    [
      [100_000, 206_000],
      [201_000, 240_000],
    ],
  )
})

test('what was lost during an incident that is over is a remark, and what was lost besides a cross', () => {
  const over = { lost: 5, incident: incident('gaps', Date.now() - 5 * MINUTE, Date.now() - 3 * MINUTE) }
  const running = { lost: 9, incident: incident('heavy', Date.now() - MINUTE) }
  const quiet = { lost: 3 }
  const told = (...losses: Loss[]) => {
    const { status, detail, remedy, incidents } = lossFinding('9 lost', 'Raise it.', losses)
    return [status, detail, remedy, incidents]
  }
  assert.deepEqual(told(quiet), ['fail', '9 lost', 'Raise it.', undefined])
  assert.deepEqual(told({ lost: 0 }, over, { ...running, lost: 0 }), [
    'warn',
    '9 lost; all of it while the incident gaps was under way, which ended 3 min ago',
    'Nothing: a quarter of an hour after its end it is forgotten here.',
    ['gaps'],
  ])
  assert.deepEqual(told(quiet, over), [
    'fail',
    '9 lost; in part while the incident gaps was under way',
    'Raise it.',
    ['gaps'],
  ])
  assert.deepEqual(told(over, running), [
    'fail',
    '9 lost; all of it since the incidents heavy and gaps began',
    'npm run incident -- stop puts all back.\nRaise it.',
    ['heavy', 'gaps'],
  ])
})

test('a finding names the incident that is under way, or one that the check still sees', () => {
  const check = (group: string, looksBack?: number) => ({ group, looksBack }) as Check
  const patient = (...incidents: RecentIncident[]) => ({ incidents }) as unknown as Patient
  const running = patient(incident('slow-tuesday', Date.now() - MINUTE))
  const over = patient(incident('slow-tuesday', Date.now() - 9 * MINUTE, Date.now() - 4 * MINUTE))
  const cross = fail('no answer', 'Ask again.')
  assert.deepEqual(attributed(check('One order'), cross, running), {
    ...cross,
    incidents: ['slow-tuesday'],
    remedy:
      'The incident slow-tuesday is under way and may be the reason: npm run incident -- stop puts all back.\nAsk again.',
  })
  assert.match(
    attributed(check('Metrics', 900), cross, over).remedy!,
    /^The incident slow-tuesday, which ended 4 min ago, may be the reason\.\nAsk/,
  )
  for (const unchanged of [
    attributed(check('Settings'), cross, running),
    attributed(check('One order'), cross, over),
    attributed(check('Metrics', 120), cross, over),
    attributed(check('One order'), cross, patient()),
  ])
    assert.equal(unchanged, cross)
  const well = pass()
  assert.equal(attributed(check('One order'), well, running), well)
})
