/** Both threads. The write-ahead log's file: its tables, its ordinals, and what to do when it is damaged. */

import { hash, randomUUID } from 'node:crypto'
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { zstdDecompressSync } from 'node:zlib'
import { counted } from '@sightline/contracts/counted'
import type { Signal } from './signal-store.ts'
import { PAGE_BYTES, type SqliteValue, salvageRows, unnamedDamage } from './sqlite-pages.ts'

/** A signal's place here is its number in the file. */
export const SIGNALS: readonly Signal[] = ['traces', 'logs']

/** The log of the data folder `dir`. */
export const walPath = (dir: string) => join(dir, 'wal.db')

/**
 * Opens the log to write it. A damaged file is set aside, every batch that is not itself on a damaged page is kept, and
 * `warn` is told.
 */
export function openOrSalvage(path: string, warn: (message: string) => void): DatabaseSync {
  const damage = unnamedDamage(path)
  if (damage !== undefined) return salvage(path, damage, warn)
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
  try {
    db.exec(`
    PRAGMA page_size = ${PAGE_BYTES};
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
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * SQLITE_CORRUPT and SQLITE_NOTADB, and the general SQLITE_ERROR: our statements are right, so what they can't do here
 * is the fault of a damaged schema.
 */
const DAMAGE_CODES: readonly unknown[] = [1, 11, 26]
const isDamage = (error: unknown) => DAMAGE_CODES.includes((error as { errcode?: number }).errcode)

/** Reads row by row around the damage into a fresh file. */
function salvage(path: string, reason: string, warn: (message: string) => void): DatabaseSync {
  const aside = `${path}.damaged-${Date.now()}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  }
  const fresh = openDatabase(path)
  const saved = copyReadable(aside, fresh)
  warn(
    `The write-ahead log ${path} is damaged (${reason}). ${counted(saved, 'batch was', 'batches were')} saved; the damaged file is kept as ${aside}.`,
  )
  return fresh
}

function copyReadable(from: string, fresh: DatabaseSync): number {
  const insert = fresh.prepare(
    'INSERT OR IGNORE INTO batch (id, signal, received_ms, digest, size, data) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const setCursor = fresh.prepare('INSERT OR REPLACE INTO cursor VALUES (?, ?)')
  let saved = 0
  let epoch: string | undefined
  let lastId: number | undefined
  fresh.exec('BEGIN')
  for (const { rowid, values } of salvageRows(from)) {
    const batch = batchOf(values)
    if (batch !== undefined) {
      saved += Number(insert.run(rowid, batch.signal, batch.receivedMs, batch.digest, batch.size, batch.data).changes)
      continue
    }
    const [name, value] = values
    if (values.length !== 2 || typeof name !== 'string') continue
    if (name === 'batch' && typeof value === 'number') lastId = Math.max(lastId ?? 0, value)
    else if (name === 'epoch' && typeof value === 'string' && UUID.test(value)) epoch = value
    else if (typeof value === 'string') setCursor.run(name, value)
  }
  // Blocks refer to ids of this epoch: it may go on only when no id can be given a second time.
  if (epoch !== undefined && lastId !== undefined) {
    fresh.prepare("INSERT INTO meta VALUES ('epoch', ?)").run(epoch)
    fresh.exec(
      "INSERT INTO sqlite_sequence (name, seq) SELECT 'batch', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)",
    )
    fresh.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'batch'").run(lastId)
  }
  fresh.exec('COMMIT')
  return saved
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** A row of `batch` whose data are those that were accepted: their digest says so. Undefined for any other row. */
function batchOf(values: readonly SqliteValue[]) {
  const [id, signal, receivedMs, digest, size, data] = values
  if (values.length !== 6 || id !== null || typeof digest !== 'string' || !Buffer.isBuffer(data)) return undefined
  if (typeof signal !== 'number' || SIGNALS[signal] === undefined) return undefined
  if (typeof receivedMs !== 'number' || typeof size !== 'number' || digestOf(data) !== digest) return undefined
  return { signal, receivedMs, digest, size, data }
}

/** Names a batch by its bytes as they are stored. */
export const digestOf = (data: Uint8Array) => hash('sha1', data, 'base64')

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
