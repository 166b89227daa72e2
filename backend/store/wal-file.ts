/** Both threads. The write-ahead log's file: its tables, its ordinals, and what to do when it is damaged. */
import { randomUUID } from 'node:crypto'
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { zstdDecompressSync } from 'node:zlib'
import type { Signal } from './signal-store.ts'

/** A signal's place here is its number in the file. */
export const SIGNALS: readonly Signal[] = ['traces', 'logs']

/** The log of the data folder `dir`. */
export const walPath = (dir: string) => join(dir, 'wal.db')

/** Opens the log to write it. A damaged file is set aside, what can still be read is kept, and `warn` is told. */
export function openOrSalvage(path: string, warn: (message: string) => void): DatabaseSync {
  try {
    const db = openDatabase(path)
    const verdict = String(db.prepare('PRAGMA quick_check(1)').get()!.quick_check)
    if (verdict === 'ok') return db
    db.close()
    return salvage(path, verdict, warn)
  } catch (error) {
    if (!isDamage(error)) throw error
    return salvage(path, error instanceof Error ? error.message : String(error), warn)
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 5000;
    CREATE TABLE IF NOT EXISTS batch (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      signal INTEGER NOT NULL,
      received_ms INTEGER NOT NULL,
      digest TEXT NOT NULL,
      size INTEGER NOT NULL,
      data BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS cursor (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
  `)
  return db
}

const isDamage = (error: unknown) => /malformed|not a database|disk image/i.test(String((error as Error)?.message))

/** Reads batch by batch around the damage into a fresh file. */
function salvage(path: string, reason: string, warn: (message: string) => void): DatabaseSync {
  const aside = `${path}.damaged-${Date.now()}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  }
  const fresh = openDatabase(path)
  let saved = 0
  try {
    saved = copyReadable(aside, fresh)
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  warn(
    `The write-ahead log ${path} is damaged (${reason}). ${saved} batches were saved; the damaged file is kept as ${aside}.`,
  )
  return fresh
}

function copyReadable(from: string, fresh: DatabaseSync): number {
  const damaged = new DatabaseSync(from, { readOnly: true })
  const insert = fresh.prepare(
    'INSERT OR IGNORE INTO batch (id, signal, received_ms, digest, size, data) VALUES (?, ?, ?, ?, ?, ?)',
  )
  let saved = 0
  try {
    const range = damaged.prepare('SELECT min(id) AS low, max(id) AS high FROM batch').get()!
    const one = damaged.prepare('SELECT signal, received_ms, digest, size, data FROM batch WHERE id = ?')
    for (let id = Number(range.low ?? 1); id <= Number(range.high ?? 0); id++) {
      try {
        const row = one.get(id)
        if (row === undefined) continue
        const data = row.data as Uint8Array
        unpack(data, row.size as number)
        insert.run(id, row.signal as number, row.received_ms as number, row.digest as string, row.size as number, data)
        saved++
      } catch {
        // This batch is what the damage cost; the count in the warning tells how many were saved.
      }
    }
    for (const row of damaged.prepare('SELECT name, value FROM cursor').all()) {
      fresh.prepare('INSERT OR REPLACE INTO cursor VALUES (?, ?)').run(row.name as string, row.value as string)
    }
  } finally {
    damaged.close()
  }
  return saved
}

/**
 * A batch's bytes, of which there are `size`: one buffer of that size instead of many that are joined. Throws what zlib
 * does.
 */
export const unpack = (data: Uint8Array, size: number) =>
  zstdDecompressSync(data, { chunkSize: Math.max(size, 64), maxOutputLength: Math.max(size, 64) })

/** Names this log's ids: a file that is made anew has another. */
export function epochOf(db: DatabaseSync): string {
  const known = db.prepare("SELECT value FROM meta WHERE name = 'epoch'").get()
  if (known) return known.value as string
  const epoch = randomUUID()
  db.prepare("INSERT INTO meta VALUES ('epoch', ?)").run(epoch)
  return epoch
}
