/**
 * Worker thread. Which blocks a trace is in. A table in SQLite, because ids are random and many; made anew from the
 * blocks whenever it isn't in step with them, so it needs no care of its own.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface TraceIndex {
  /** Blocks of a trace, by key. */
  blocks(key: number): number[]
  /** `elsewhere`: other blocks of a key, when the caller knows; by default they are looked up. */
  add(block: number, keys: Iterable<number>, elsewhere?: (key: number) => readonly number[]): void
  /** `keys`: those of the block, where they are known; without them the whole index is searched. */
  remove(block: number, keys?: Iterable<number>): void
  /** Blocks the index knows. */
  indexed(): Set<number>
  /** Keys that are in more than one block, with these blocks. */
  shared(): ReadonlyMap<number, ReadonlySet<number>>
  close(): void
}

/** 53 of a trace id's 128 bits, from its random half. Two traces with one key are told apart where they are read. */
export function traceKey(ids: Buffer, at: number): number {
  return ids.readUInt32LE(at + 8) + (ids.readUInt32LE(at + 12) & 0x1f_ffff) * 0x1_0000_0000
}

/** Opens `index.db` in `dir`; an unusable one is made anew, empty, and `warn` is told. Throws what SQLite throws. */
export function openTraceIndex(dir: string, warn: (message: string) => void): TraceIndex {
  const path = join(dir, 'index.db')
  try {
    return traceIndex(openDatabase(path))
  } catch (error) {
    warn(`The trace index ${path} can't be used (${String(error)}) and is made anew from the blocks.`)
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    return traceIndex(openDatabase(path))
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  try {
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA busy_timeout = 5000;
      CREATE TABLE IF NOT EXISTS trace_block (trace INTEGER, block INTEGER, PRIMARY KEY (trace, block)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS shared (trace INTEGER PRIMARY KEY);
      CREATE TABLE IF NOT EXISTS indexed (block INTEGER PRIMARY KEY);
    `)
    const verdict = String(db.prepare('PRAGMA quick_check(1)').get()!.quick_check)
    if (verdict !== 'ok') throw new Error(verdict)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function traceIndex(db: DatabaseSync): TraceIndex {
  const select = db.prepare('SELECT block FROM trace_block WHERE trace = ?')
  const insert = db.prepare('INSERT OR IGNORE INTO trace_block VALUES (?, ?)')
  const removeOne = db.prepare('DELETE FROM trace_block WHERE trace = ? AND block = ?')
  const insertShared = db.prepare('INSERT OR IGNORE INTO shared VALUES (?)')
  const removeShared = db.prepare('DELETE FROM shared WHERE trace = ?')
  const shared = new Map<number, Set<number>>()
  for (const row of db.prepare('SELECT trace, block FROM shared JOIN trace_block USING (trace)').all()) {
    share(row.trace as number, row.block as number)
  }

  function share(key: number, block: number): void {
    const blocks = shared.get(key)
    if (blocks === undefined) shared.set(key, new Set([block]))
    else blocks.add(block)
  }

  function transaction(work: () => void): void {
    db.exec('BEGIN')
    try {
      work()
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }

  const blocks = (key: number) => select.all(key).map((row) => row.block as number)

  return {
    blocks,
    add(block, keys, elsewhere = blocks) {
      const also: [key: number, other: number][] = []
      transaction(() => {
        db.prepare('INSERT OR IGNORE INTO indexed VALUES (?)').run(block)
        for (const key of keys) {
          for (const other of elsewhere(key)) {
            if (other === block) continue
            also.push([key, other])
            insertShared.run(key)
          }
          insert.run(key, block)
        }
      })
      for (const [key, other] of also) {
        share(key, other)
        share(key, block)
      }
    },
    remove(block, keys) {
      transaction(() => {
        if (keys === undefined) db.prepare('DELETE FROM trace_block WHERE block = ?').run(block)
        else for (const key of keys) removeOne.run(key, block)
        db.prepare('DELETE FROM indexed WHERE block = ?').run(block)
        for (const [key, members] of shared) {
          if (!members.delete(block) || members.size > 1) continue
          shared.delete(key)
          removeShared.run(key)
        }
      })
    },
    indexed: () =>
      new Set(
        db
          .prepare('SELECT block FROM indexed')
          .all()
          .map((row) => row.block as number),
      ),
    shared: () => shared,
    close: () => db.close(),
  }
}
