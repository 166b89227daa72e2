/**
 * Raw batches in SQLite: what has been accepted and is in no block yet. An answer of 200 waits for `append`.
 *
 * The main thread is the only writer, so nothing ever waits for a lock; the worker reads through its own connection.
 * Batches that arrive while one transaction is being written go into the next one together (group commit).
 */
import { hash, randomUUID } from 'node:crypto'
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

export type Signal = 'traces' | 'logs'
const SIGNALS: readonly Signal[] = ['traces', 'logs']

/** Written with the batch in one transaction; `value` is read back by `cursor(name)`. */
export interface Cursor {
  readonly name: string
  readonly value: string
}

export interface Batch {
  readonly id: number
  readonly receivedMs: number
  /** OTLP protobuf. */
  readonly bytes: Buffer
}

export interface WalStats {
  readonly bytes: Record<Signal, number>
  readonly commits: number
}

export interface Wal {
  /** Names this log's ids: they start again from 1 when the file is made anew. */
  readonly epoch: string
  /** Resolves to the batch's id once it is on disk, or to 0 when the very same bytes were accepted just before. */
  append(signal: Signal, bytes: Uint8Array, cursor?: Cursor): Promise<number>
  cursor(name: string): string | undefined
  /** Forgets batches with an id below `id`: they are in blocks. */
  trim(signal: Signal, id: number): void
  stats(): WalStats
  close(): Promise<void>
}

interface Pending {
  readonly signal: number
  readonly data: Buffer
  readonly digest: string
  /** Bytes before compression. */
  readonly size: number
  readonly cursor: Cursor | undefined
  readonly resolve: (id: number) => void
  readonly reject: (error: unknown) => void
}

/**
 * An exporter that got no answer sends the same bytes again within seconds: so many digests are remembered. Later, equal
 * bytes are news: the same line, logged once more by a program that gives its lines no time.
 */
const REMEMBERED_DIGESTS = 4096
const RESENT_WITHIN_MS = 60_000
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

export const walPath = (dir: string) => join(dir, 'wal.db')

/** Opens the log in `dir`. A damaged file is set aside, what can still be read is kept, and `warn` is told. */
export function openWal(dir: string, warn: (message: string) => void): Wal {
  const db = openOrSalvage(walPath(dir), warn)
  const epoch = epochOf(db)
  const insert = db.prepare('INSERT INTO batch (signal, received_ms, digest, size, data) VALUES (?, ?, ?, ?, ?)')
  const setCursor = db.prepare('INSERT OR REPLACE INTO cursor (name, value) VALUES (?, ?)')
  const getCursor = db.prepare('SELECT value FROM cursor WHERE name = ?')
  const trimBatches = db.prepare('DELETE FROM batch WHERE signal = ? AND id < ?')
  const sizes = db.prepare('SELECT coalesce(sum(length(data)), 0) AS size FROM batch WHERE signal = ?')
  const sizeBelow = db.prepare('SELECT coalesce(sum(length(data)), 0) AS size FROM batch WHERE signal = ? AND id < ?')
  /** Digest -> when it was received first. */
  const recent = new Map<string, number>()
  for (const row of db
    .prepare('SELECT received_ms, digest FROM batch ORDER BY id DESC LIMIT ?')
    .all(REMEMBERED_DIGESTS)
    .reverse()) {
    recent.set(row.digest as string, row.received_ms as number)
  }
  const bytes = { traces: Number(sizes.get(0)!.size), logs: Number(sizes.get(1)!.size) }
  let commits = 0
  let queue: Pending[] = []
  let writing: Promise<void> | undefined

  async function writeQueued(): Promise<void> {
    // Requests that are being read in this turn of the event loop still make it into the transaction.
    await nextTurn()
    while (queue.length > 0) {
      const group = queue
      queue = []
      try {
        for (const [i, id] of commit(group).entries()) group[i]!.resolve(id)
      } catch (error) {
        for (const pending of group) pending.reject(error)
      }
      await nextTurn()
    }
  }

  function commit(group: readonly Pending[]): number[] {
    const now = Date.now()
    const ids: number[] = []
    db.exec('BEGIN IMMEDIATE')
    try {
      for (const { signal, data, digest, size, cursor } of group) {
        const resent = now - (recent.get(digest) ?? Number.NEGATIVE_INFINITY) < RESENT_WITHIN_MS
        const id = resent ? 0 : Number(insert.run(signal, now, digest, size, data).lastInsertRowid)
        if (!resent) {
          recent.delete(digest)
          recent.set(digest, now)
        }
        ids.push(id)
        if (cursor) setCursor.run(cursor.name, cursor.value)
      }
      db.exec('COMMIT')
    } catch (error) {
      for (const [i, id] of ids.entries()) if (id > 0) recent.delete(group[i]!.digest)
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
    commits++
    for (const [i, id] of ids.entries()) if (id > 0) bytes[SIGNALS[group[i]!.signal]!] += group[i]!.data.length
    const surplus = recent.size - REMEMBERED_DIGESTS
    let dropped = 0
    for (const digest of recent.keys()) {
      if (dropped++ >= surplus) break
      recent.delete(digest)
    }
    return ids
  }

  return {
    epoch,
    append(signal, raw, cursor) {
      const data = zstdCompressSync(raw, FAST)
      // Equal bytes compress to equal bytes, and there are ten times fewer of them to hash.
      const digest = hash('sha1', data, 'base64')
      return new Promise((resolve, reject) => {
        queue.push({ signal: SIGNALS.indexOf(signal), data, digest, size: raw.length, cursor, resolve, reject })
        writing ??= writeQueued().finally(() => {
          writing = undefined
        })
      })
    },
    cursor: (name) => getCursor.get(name)?.value as string | undefined,
    trim(signal, id) {
      const ordinal = SIGNALS.indexOf(signal)
      const freed = Number(sizeBelow.get(ordinal, id)!.size)
      trimBatches.run(ordinal, id)
      bytes[signal] -= freed
    },
    stats: () => ({ bytes: { ...bytes }, commits }),
    async close() {
      await writing
      db.close()
    },
  }
}

function openOrSalvage(path: string, warn: (message: string) => void): DatabaseSync {
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

/** One buffer of the right size instead of many that are joined. */
const unpack = (data: Uint8Array, size: number) =>
  zstdDecompressSync(data, { chunkSize: Math.max(size, 64), maxOutputLength: Math.max(size, 64) })

function epochOf(db: DatabaseSync): string {
  const known = db.prepare("SELECT value FROM meta WHERE name = 'epoch'").get()
  if (known) return known.value as string
  const epoch = randomUUID()
  db.prepare("INSERT INTO meta VALUES ('epoch', ?)").run(epoch)
  return epoch
}

/** The worker's side: batches in order of acceptance. */
export interface WalReader {
  /** Batches of `signal` after id `after`, at most `limit` of them. */
  read(signal: Signal, after: number, limit: number): Batch[]
  close(): void
}

export function openWalReader(dir: string, onBroken: (id: number, error: unknown) => void): WalReader {
  const db = new DatabaseSync(walPath(dir), { readOnly: true })
  db.exec('PRAGMA busy_timeout = 5000')
  const select = db.prepare(
    'SELECT id, received_ms, size, data FROM batch WHERE signal = ? AND id > ? ORDER BY id LIMIT ?',
  )
  return {
    read(signal, after, limit) {
      const batches: Batch[] = []
      for (const row of select.all(SIGNALS.indexOf(signal), after, limit)) {
        const id = row.id as number
        let bytes = Buffer.alloc(0)
        try {
          bytes = unpack(row.data as Uint8Array, row.size as number)
        } catch (error) {
          onBroken(id, error)
        }
        batches.push({ id, receivedMs: row.received_ms as number, bytes })
      }
      return batches
    },
    close: () => db.close(),
  }
}
