import assert from 'node:assert/strict'
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import { logFileOf, openLog } from './component.ts'
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

test('a link in place of an output file is neither written, nor read, nor cut', async () => {
  const secret = join(home, 'secret')
  const large = `${'x'.repeat(17 * 2 ** 20)}\n`
  writeFileSync(secret, large)
  const path = logFileOf(home, 'part')
  mkdirSync(join(home, 'logs/part'), { recursive: true })
  symlinkSync(secret, path)
  assert.throws(() => openLog(home, 'part'), { name: 'StartError', message: /output\.log is a link .* remove it/ })
  const seen: string[] = []
  const stop = new AbortController()
  const done = followFiles({ part: path }, (_, line) => seen.push(line), stop.signal)
  await until('it is told', 10, () => seen.length > 0)
  // A part may put its own file back.
  rmSync(path)
  writeFileSync(path, 'mine\n')
  await until('it is read again', 10, () => seen.includes('mine'))
  stop.abort()
  await done
  assert.match(seen[0]!, /is a link/)
  assert.deepEqual(seen.slice(1), ['mine'])
  assert.equal(readFileSync(secret, 'utf8').length, large.length)
})

test('root takes no file that has a second name', { skip: process.getuid?.() !== 0 && 'this is not root' }, () => {
  const path = logFileOf(home, 'other')
  mkdirSync(join(home, 'logs/other'), { recursive: true })
  writeFileSync(join(home, 'first-name'), '')
  linkSync(join(home, 'first-name'), path)
  assert.throws(() => openLog(home, 'other'), { name: 'StartError' })
})
