import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { followFiles } from './follow.ts'

const home = mkdtempSync(join(tmpdir(), 'sightline-follow-'))
after(() => rmSync(home, { recursive: true }))

test('a followed file prints complete lines, also after it was cut', async () => {
  const path = join(home, 'output.log')
  writeFileSync(path, 'before\n')
  const seen: string[] = []
  const stop = new AbortController()
  const done = followFiles({ part: path }, (name, line) => seen.push(`${name} ${line}`), stop.signal)
  const until = async (count: number) => {
    const deadline = Date.now() + 10_000
    while (seen.length < count && Date.now() < deadline) await delay(10)
  }
  appendFileSync(path, 'one\ntw')
  await until(1)
  appendFileSync(path, 'o\n')
  await until(2)
  truncateSync(path, 0)
  appendFileSync(path, 'three\n')
  await until(3)
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
  const deadline = Date.now() + 10_000
  while (readFileSync(path).length > 0 && Date.now() < deadline) await delay(20)
  stop.abort()
  await done
  assert.equal(readFileSync(path).length, 0)
})
