import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { FORMAT, openFolder } from './folder.ts'
import { openWal } from './wal.ts'
import { openWalReader } from './wal-reader.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'wal-'))
  folders.push(dir)
  return dir
}

const ignore = () => {}

test('what is appended together is committed together, and read back in order', async () => {
  const dir = folder()
  const wal = openWal(dir, ignore)
  const ids = await Promise.all(
    Array.from({ length: 50 }, (_, i) => wal.append(i % 2 ? 'logs' : 'traces', Buffer.from(`batch ${i}`))),
  )
  assert.deepEqual(
    ids,
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
  assert.ok(wal.stats().commits < 10, `${wal.stats().commits} commits`)
  const reader = openWalReader(dir, ignore)
  assert.deepEqual(
    reader.read('traces', 45, 10).map(({ id, bytes }) => [id, bytes.toString()]),
    [
      [47, 'batch 46'],
      [49, 'batch 48'],
    ],
  )
  reader.close()
  await wal.close()
})

test('the same bytes sent again right away are not stored again, also after a restart', async () => {
  const dir = folder()
  let wal = openWal(dir, ignore)
  assert.deepEqual(
    await Promise.all([wal.append('logs', Buffer.from('x')), wal.append('logs', Buffer.from('x'))]),
    [1, 0],
  )
  await wal.close()
  wal = openWal(dir, ignore)
  assert.equal(await wal.append('logs', Buffer.from('x')), 0)
  assert.equal(await wal.append('logs', Buffer.from('y')), 2)
  await wal.close()
})

test('the same bytes are news when they come again later', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 })
  const dir = folder()
  let wal = openWal(dir, ignore)
  assert.equal(await wal.append('logs', Buffer.from('x')), 1)
  t.mock.timers.setTime(1_700_000_059_999)
  assert.equal(await wal.append('logs', Buffer.from('x')), 0)
  t.mock.timers.setTime(1_700_000_060_000)
  assert.equal(await wal.append('logs', Buffer.from('x')), 2)
  assert.equal(await wal.append('logs', Buffer.from('x')), 0)
  await wal.close()
  t.mock.timers.setTime(1_700_000_120_000)
  wal = openWal(dir, ignore)
  assert.equal(await wal.append('logs', Buffer.from('x')), 3)
  await wal.close()
})

test('a cursor is stored with its batch; ids are not used again after a trim', async () => {
  const dir = folder()
  let wal = openWal(dir, ignore)
  await wal.append('traces', Buffer.from('a'), { name: 'follower', value: '42' })
  wal.trim('traces', 2)
  assert.equal(wal.stats().bytes.traces, 0)
  const { epoch } = wal
  await wal.close()
  wal = openWal(dir, ignore)
  assert.equal(wal.cursor('follower'), '42')
  assert.equal(wal.cursor('nobody'), undefined)
  assert.equal(wal.epoch, epoch)
  assert.equal(await wal.append('traces', Buffer.from('b')), 2)
  await wal.close()
})

test('a damaged log is set aside, what is readable is kept', async () => {
  const dir = folder()
  const wal = openWal(dir, ignore)
  for (let i = 0; i < 40; i++)
    await wal.append('traces', Buffer.from(Array.from({ length: 6000 }, () => Math.random()).join()))
  await wal.close()
  const path = join(dir, 'wal.db')
  const bytes = readFileSync(path)
  bytes.fill(0xee, 4096 * 12, 4096 * 13)
  writeFileSync(path, bytes)
  const warnings: string[] = []
  const again = openWal(dir, (message) => warnings.push(message))
  await again.append('traces', Buffer.from('new'))
  const reader = openWalReader(dir, ignore)
  const readable = reader.read('traces', 0, 100).filter((batch) => batch.bytes.length > 0)
  assert.ok(readable.length >= 2, String(readable.length))
  assert.ok(readable.at(-1)!.bytes.equals(Buffer.from('new')))
  assert.match(warnings.join(), /damaged.*saved/s)
  reader.close()
  await again.close()
})

test('a folder is for one process and for versions that know its format', () => {
  const dir = folder()
  const held = openFolder(dir)
  assert.throws(() => openFolder(dir), /in use by another process.*EMBEDDED_DATA_DIR/)
  held.release()
  writeFileSync(join(dir, 'FORMAT'), `${FORMAT + 1}\n`)
  assert.throws(() => openFolder(dir), /newer version \(format 2; this one reads up to 1\).*Update Sightline/s)
  writeFileSync(join(dir, 'FORMAT'), '1\n')
  openFolder(dir).release()
})
