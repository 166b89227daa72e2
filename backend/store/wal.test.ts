import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, test } from 'node:test'
import { seededRandom } from '@sightline/service-kit/seeded-random'
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

const PAGE = 4096

interface Filled {
  /** What was appended; batch `i` has id `i + 1`. */
  readonly batches: readonly Buffer[]
  /** As they are stored, by id. */
  readonly stored: readonly { id: number; digest: string; data: Buffer }[]
  readonly epoch: string
  readonly file: Buffer
  readonly wal: Buffer
}

const filledLogs = new Map<boolean, Promise<Filled>>()

/** A log of 400 batches of random bytes, some larger than a page; with `-wal` as a kill leaves it. Made once. */
function filledLog(killed: boolean): Promise<Filled> {
  const known = filledLogs.get(killed) ?? fillLog(killed)
  filledLogs.set(killed, known)
  return known
}

async function fillLog(killed: boolean): Promise<Filled> {
  const dir = folder()
  const random = seededRandom(7)
  const wal = openWal(dir, ignore)
  const batches = Array.from({ length: 400 }, (_, i) =>
    Buffer.from(Array.from({ length: i % 10 === 0 ? 9000 : 300 }, () => Math.floor(random() * 256))),
  )
  for (const [i, bytes] of batches.entries())
    await wal.append(i % 2 ? 'logs' : 'traces', bytes, { name: 'follower', value: String(i) })
  const path = join(dir, 'wal.db')
  const db = new DatabaseSync(path, { readOnly: true })
  const stored = db.prepare('SELECT id, digest, data FROM batch ORDER BY id').all()
  db.close()
  const { epoch } = wal
  if (!killed) await wal.close()
  const filled = {
    batches,
    stored: stored.map(({ id, digest, data }) => ({
      id: Number(id),
      digest: String(digest),
      data: Buffer.from(data as Uint8Array),
    })),
    epoch,
    file: readFileSync(path),
    wal: killed ? readFileSync(`${path}-wal`) : Buffer.alloc(0),
  }
  if (killed) await wal.close()
  return filled
}

/** Ids of the batches that have bytes in `page`. */
function batchesOn(page: Buffer, { stored }: Filled): number[] {
  const middle = page.subarray(2000, 2032)
  return stored.filter(({ digest, data }) => page.includes(digest) || data.includes(middle)).map(({ id }) => id)
}

/** Ids that are read back whole from a log of these bytes, and what was warned. */
async function readBack(file: Buffer, wal: Buffer, { batches }: Filled) {
  const dir = folder()
  writeFileSync(join(dir, 'wal.db'), file)
  if (wal.length > 0) writeFileSync(join(dir, 'wal.db-wal'), wal)
  const warnings: string[] = []
  const log = openWal(dir, (message) => warnings.push(message))
  const reader = openWalReader(dir, ignore)
  const ids = new Set<number>()
  for (const signal of ['traces', 'logs'] as const)
    for (const { id, bytes } of reader.read(signal, 0, 1000)) if (batches[id - 1]!.equals(bytes)) ids.add(id)
  reader.close()
  const next = await log.append('traces', Buffer.from('new'))
  const { epoch } = log
  const cursor = log.cursor('follower')
  await log.close()
  return { ids, warnings, epoch, next, cursor }
}

const DAMAGE: readonly ((page: Buffer, random: () => number) => unknown)[] = [
  (page) => page.fill(0),
  (page) => page.fill(0xee),
  (page, random) => page.set(Array.from(page, () => Math.floor(random() * 256))),
  (page, random) => page.fill(0xff, Math.floor(random() * 64)),
]

test('damage to any page costs no batch that is not on that page', async () => {
  const filled = await filledLog(false)
  const random = seededRandom(11)
  const pages = filled.file.length / PAGE
  assert.ok(pages > 100)
  for (let page = 0; page < pages; page++) {
    const file = Buffer.from(filled.file)
    const there = file.subarray(page * PAGE, (page + 1) * PAGE)
    const onPage = batchesOn(there, filled)
    DAMAGE[page % DAMAGE.length]!(there, random)
    const { ids, next } = await readBack(file, Buffer.alloc(0), filled)
    for (const { id } of filled.stored)
      if (!onPage.includes(id)) assert.ok(ids.has(id), `page ${page + 1}, batch ${id}`)
    assert.ok(next > Math.max(...ids), `page ${page + 1}: id ${next} is given a second time`)
  }
})

test('damage to many pages at once costs the batches on them, the page of all tables included', async () => {
  const filled = await filledLog(false)
  const pages = filled.file.length / PAGE
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed)
    const file = Buffer.from(filled.file)
    const damaged = new Set(Array.from({ length: 8 }, () => Math.floor(random() * pages)))
    if (seed % 2) damaged.add(0)
    const onPages = new Set<number>()
    for (const page of damaged) {
      const there = file.subarray(page * PAGE, (page + 1) * PAGE)
      for (const id of batchesOn(there, filled)) onPages.add(id)
      DAMAGE[Math.floor(random() * DAMAGE.length)]!(there, random)
    }
    const { ids, warnings } = await readBack(file, Buffer.alloc(0), filled)
    for (const { id } of filled.stored) if (!onPages.has(id)) assert.ok(ids.has(id), `seed ${seed}, batch ${id}`)
    assert.match(warnings.join(), /damaged.*batches were saved/s)
  }
})

test('damage inside what a kill left in -wal costs the batches there, not all that came after', async () => {
  const filled = await filledLog(true)
  // Behind the frames of today there may be some of an earlier use of the file, with other salts.
  let frames = 0
  const salts = filled.wal.subarray(16, 24)
  while (filled.wal.subarray(32 + frames * (24 + PAGE) + 8, 32 + frames * (24 + PAGE) + 16).equals(salts)) frames++
  assert.ok(frames > 100, String(frames))
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed)
    const wal = Buffer.from(filled.wal)
    const at = 32 + Math.floor(random() * frames * 0.9) * (24 + PAGE) + 24
    const there = wal.subarray(at, at + PAGE)
    const onPage = batchesOn(there, filled)
    DAMAGE[seed % DAMAGE.length]!(there, random)
    const { ids, warnings, cursor } = await readBack(filled.file, wal, filled)
    for (const { id } of filled.stored) if (!onPage.includes(id)) assert.ok(ids.has(id), `seed ${seed}, batch ${id}`)
    assert.match(warnings.join(), /-wal is damaged before its end.*batches were saved/s)
    assert.equal(cursor, '399')
  }
  // The end that a kill cuts off in the middle of a frame is no damage.
  const cut = await readBack(filled.file, filled.wal.subarray(0, 32 + frames * (24 + PAGE) - 100), filled)
  assert.deepEqual(cut.warnings, [])
})

test('a salvaged log keeps its name and goes on counting; without its counters it takes another name', async () => {
  const filled = await filledLog(false)
  const file = Buffer.from(filled.file)
  const leaf = Math.floor(file.indexOf(filled.stored[200]!.digest) / PAGE)
  file.fill(0xee, leaf * PAGE, (leaf + 1) * PAGE)
  const kept = await readBack(file, Buffer.alloc(0), filled)
  assert.deepEqual([kept.epoch, kept.next, kept.cursor], [filled.epoch, 401, '399'])
  const named = Math.floor(filled.file.indexOf(filled.epoch) / PAGE)
  file.fill(0xee, named * PAGE, (named + 1) * PAGE)
  const anew = await readBack(file, Buffer.alloc(0), filled)
  assert.notEqual(anew.epoch, filled.epoch)
})

test('a batch whose bytes are not those that were accepted is left out, and told', async () => {
  const filled = await filledLog(false)
  const file = Buffer.from(filled.file)
  const { data, id } = filled.stored[10]!
  const at = file.indexOf(data.subarray(5000, 5032))
  file[at]! ^= 1
  const { ids } = await readBack(file, Buffer.alloc(0), filled)
  assert.deepEqual([ids.size, ids.has(id)], [399, false])
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

test('a damaged lock file is no lock, and one that is held stays held', () => {
  const dir = folder()
  openFolder(dir).release()
  const lock = join(dir, 'lock.db')
  writeFileSync(lock, Buffer.alloc(8192, 0xee))
  const held = openFolder(dir)
  assert.throws(() => openFolder(dir), /in use by another process/)
  held.release()
})

test('a FORMAT that a power cut has emptied is told and written anew; one with something else in it is refused', () => {
  for (const text of ['', '\n', '\0\0']) {
    const dir = folder()
    writeFileSync(join(dir, 'FORMAT'), text)
    const warnings: string[] = []
    openFolder(dir, (message) => warnings.push(message)).release()
    assert.match(warnings.join(), /FORMAT is empty, as after a power cut/)
    assert.equal(readFileSync(join(dir, 'FORMAT'), 'utf8'), `${FORMAT}\n`)
  }
  const dir = folder()
  writeFileSync(join(dir, 'FORMAT'), 'one\n')
  assert.throws(() => openFolder(dir), /should hold a format number/)
  assert.equal(readFileSync(join(dir, 'FORMAT'), 'utf8'), 'one\n')
})
