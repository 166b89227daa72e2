/**
 * Main thread. The write-ahead log: raw batches in SQLite, accepted and in no block yet. An answer of 200 waits for
 * `append`.
 *
 * The main thread is the only writer, so nothing ever waits for a lock; the worker reads through a connection of its
 * own (wal-reader.ts). Batches that arrive while one transaction is being written go into the next one together (group
 * commit).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { constants, zstdCompressSync } from 'node:zlib'
import type { Signal } from './signal-store.ts'
import { digestOf, epochOf, openOrSalvage, SIGNALS, walPath } from './wal-file.ts'

/** Written with the batch in one transaction; `value` is read back by `cursor(name)`. */
export interface Cursor {
  readonly name: string
  readonly value: string
}

export interface WalStats {
  readonly bytes: Record<Signal, number>
  readonly commits: number
}

export interface Wal {
  /** Names this log's ids: they start again from 1 when the file is made anew. */
  readonly epoch: string
  /**
   * Resolves to the batch's id once it is on disk, or to 0 when the very same bytes were accepted just before. With `news`
   * they are stored all the same: to be set where two equal batches need not be one that was sent twice.
   */
  append(signal: Signal, bytes: Uint8Array, cursor?: Cursor, news?: boolean): Promise<number>
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
  readonly news: boolean
  readonly resolve: (id: number) => void
  readonly reject: (error: unknown) => void
}

/**
 * An exporter that got no answer sends the same bytes again within seconds: so many digests are remembered. Later, equal
 * bytes are news.
 */
const REMEMBERED_DIGESTS = 4096
const RESENT_WITHIN_MS = 60_000
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

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
      for (const { signal, data, digest, size, cursor, news } of group) {
        // A clock that was set back makes what came before look like the future: that is no resend either.
        const resent = !news && Math.abs(now - (recent.get(digest) ?? Number.NEGATIVE_INFINITY)) < RESENT_WITHIN_MS
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
    append(signal, raw, cursor, news = false) {
      const data = zstdCompressSync(raw, FAST)
      // Equal bytes compress to equal bytes, and there are ten times fewer of them to hash.
      const digest = digestOf(data)
      return new Promise((resolve, reject) => {
        queue.push({ signal: SIGNALS.indexOf(signal), data, digest, size: raw.length, cursor, news, resolve, reject })
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
