/** Worker thread. Reads what the main thread has accepted, in order of acceptance. */
import { DatabaseSync } from 'node:sqlite'
import type { Batch, Signal } from './signal-store.ts'
import { digestOf, SIGNALS, unpack, walPath } from './wal-file.ts'

export interface WalReader {
  /** Batches of `signal` after id `after`, at most `limit` of them. */
  read(signal: Signal, after: number, limit: number): Batch[]
  close(): void
}

/**
 * `onBroken` is told of a batch that is damaged: it comes without bytes, so that its place in the order is kept.
 */
export function openWalReader(dir: string, onBroken: (id: number, error: unknown) => void): WalReader {
  const db = new DatabaseSync(walPath(dir), { readOnly: true })
  db.exec('PRAGMA busy_timeout = 5000')
  const select = db.prepare(
    'SELECT id, received_ms, digest, size, data FROM batch WHERE signal = ? AND id > ? ORDER BY id LIMIT ?',
  )
  return {
    read(signal, after, limit) {
      const batches: Batch[] = []
      for (const row of select.all(SIGNALS.indexOf(signal), after, limit)) {
        const id = row.id as number
        let bytes = Buffer.alloc(0)
        try {
          const data = row.data as Uint8Array
          if (digestOf(data) !== row.digest) throw new Error('its bytes are not those that were accepted')
          bytes = unpack(data, row.size as number)
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
