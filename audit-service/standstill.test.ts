/** Whether sealing goes on, by the sealer's own clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditVerification } from '@sightline/contracts'
import { OVERDUE_SECONDS, watchProgress, withProgress } from './standstill.ts'

test('sealing stands still while rows wait and the chain does not grow, and when nobody can say', () => {
  let now = 1_000_000
  const progress = watchProgress(() => now)
  const look = (waits: boolean, end: number) => {
    now += 3_000
    progress.saw({ waits, end })
    return progress.since()?.getTime()
  }
  assert.equal(look(false, 5), undefined)
  assert.equal(look(true, 5), undefined)
  const since = now
  assert.equal(look(true, 5), undefined, 'for some seconds another service may be at it')
  assert.equal(look(true, 5), since)
  assert.equal(look(true, 9), undefined, 'another service seals')
  assert.equal(look(false, 9), undefined)
  progress.saw(undefined)
  const away = now
  assert.equal(look(true, 9), undefined)
  assert.equal(look(true, 9), away, 'what the database did not say is no progress')
  assert.equal(look(false, 9), undefined)
})

test('an intact log whose sealing stands still is overdue; a broken one stays broken', () => {
  const found = { status: 'intact', complete: true, first_broken: null, waiting_since: null } as AuditVerification
  let now = 1_000_000
  const progress = watchProgress(() => now)
  progress.saw(undefined)
  const verdict = (of: AuditVerification) => withProgress(of, progress, () => now)
  assert.equal(verdict(found), found)
  now += OVERDUE_SECONDS * 1000
  const { status, waiting_since, first_broken } = verdict(found)
  assert.deepEqual([status, waiting_since], ['overdue', '1970-01-01T00:16:40.000Z'])
  assert.match(first_broken!.reason, /none was sealed since 1970-01-01T00:16:40.000Z/)
  for (const other of [{ ...found, status: 'broken' } as const, { ...found, complete: false }])
    assert.equal(verdict(other), other)
})
