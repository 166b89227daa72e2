import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { followFiles } from './follow.ts'

const home = mkdtempSync(join(tmpdir(), 'sightline-follow-'))
after(() => rmSync(home, { recursive: true }))

test('a followed file prints complete lines, also after it was cut', async () => {
  const path = join(home, 'output.log')
  writeFileSync(path, 'before\n')
  const seen: string[] = []
  const stop = new AbortController()
  const done = followFiles({ part: path }, (name, line) => seen.push(`${name} ${line}`), stop.signal)
  const lines = (count: number) => until(`${count} lines`, 10, () => seen.length >= count)
  appendFileSync(path, 'one\ntw')
  await lines(1)
  appendFileSync(path, 'o\n')
  await lines(2)
  truncateSync(path, 0)
  appendFileSync(path, 'three\n')
  await lines(3)
  stop.abort()
  await done
  assert.deepEqual(seen, ['part one', 'part two', 'part three'])
})

test('a followed file that grows too large is cut', async () => {
  const path = join(home, 'large.log')
  writeFileSync(path, '')
  const stop = new AbortController()
  const done = followFiles({ part: path }, null, stop.signal)
  appendFileSync(path, Buffer.alloc(17 * 2 ** 20, 'x'))
  await until('it is cut', 10, () => readFileSync(path).length === 0)
  stop.abort()
  await done
  assert.equal(readFileSync(path).length, 0)
})
