/**
 * Rows by COPY, read where they lie in what the socket gives. pg makes a buffer, a message and an event of each row, which costs more
 * than most of what is done with one: while a copy runs, pg is handed all messages but those.
 */
import type { Duplex } from 'node:stream'
import pg from 'pg'

/** A row as COPY's binary format writes it: what each field holds is `bytes` from its start on. Good until the next row comes. */
export interface CopiedRow {
  bytes: Buffer
  /** By field: where its value begins, and its length in bytes; -1 for null. */
  starts: Int32Array
  lengths: Int32Array
}

/** SQL without parameters, and who takes each of its rows. */
export interface Copy {
  text: string
  onRow: (row: CopiedRow) => void
}

/** What @types/pg leaves out. */
const QueryOfCopies = pg.Query as unknown as new (text: string, done: (error: Error | null) => void) => pg.Submittable
const socketOf = (client: pg.ClientBase) => (client as unknown as { connection: { stream: Duplex } }).connection.stream

/** Signature, flags, and the length of an extension: https://www.postgresql.org/docs/current/sql-copy.html */
const COPY_HEADER = 19

/** Resolves to the number of rows; rejects as the client's queries do, and with what an `onRow` throws. */
export function copyFrom(client: pg.ClientBase, copies: readonly Copy[]): Promise<number> {
  return new Promise((resolve, reject) => {
    let rows = 0
    let failure: unknown
    let under = 0
    let isFirst = true
    let row: CopiedRow | undefined
    const text = copies.map((copy) => `copy (${copy.text}) to stdout (format binary)`).join('; ')
    const query = new QueryOfCopies(text, (error) => {
      giveBack()
      if (error ?? failure) reject(error ?? failure)
      else resolve(rows)
    })
    const giveBack = takeCopyData(socketOf(client), (bytes, begin) => {
      if (failure !== undefined) return
      // One message for each row, the first with a header, and one without fields at the end.
      let at = isFirst ? begin + COPY_HEADER + bytes.readInt32BE(begin + COPY_HEADER - 4) : begin
      isFirst = false
      const fields = bytes.readInt16BE(at)
      at += 2
      if (fields < 0) {
        under += 1
        isFirst = true
        row = undefined
        return
      }
      row ??= { bytes, starts: new Int32Array(fields), lengths: new Int32Array(fields) }
      row.bytes = bytes
      const { starts, lengths } = row
      for (let n = 0; n < fields; n++) {
        const length = bytes.readInt32BE(at)
        at += 4
        starts[n] = at
        lengths[n] = length
        if (length > 0) at += length
      }
      rows += 1
      try {
        copies[under]!.onRow(row)
      } catch (error) {
        failure = error
      }
    })
    client.query(query)
  })
}

/** A message is its kind, its length without that, and its content: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const HEAD = 5
const COPY_DATA = 'd'.charCodeAt(0)

/**
 * Reads the messages of a socket in place of its listeners: those with data of a copy go to `onData`, with their place in the bytes, all
 * others to the listeners as they were. Returns what gives the socket back to them.
 */
function takeCopyData(socket: Duplex, onData: (bytes: Buffer, begin: number) => void): () => void {
  const listeners = socket.listeners('data') as Array<(chunk: Buffer) => void>
  const pass = (bytes: Buffer) => {
    for (const listener of listeners) listener.call(socket, bytes)
  }
  /** The beginning of a message whose end has not come. */
  let held = Buffer.alloc(HEAD)
  let filled = 0
  let isTaken = true

  const lengthAt = (bytes: Buffer, at: number) => Math.max(HEAD, 1 + bytes.readUInt32BE(at + 1))

  function take(bytes: Buffer, at: number, end: number): void {
    if (bytes[at] === COPY_DATA) onData(bytes, at + HEAD)
    else pass(bytes.subarray(at, end))
  }

  /** Adds to what is held, up to the end of its message; returns where the chunk goes on. */
  function hold(chunk: Buffer, at: number): number {
    const wanted = filled < HEAD ? HEAD : lengthAt(held, 0)
    if (held.length < wanted) held = Buffer.concat([held], wanted)
    const taken = chunk.copy(held, filled, at, at + wanted - filled)
    filled += taken
    if (filled >= HEAD && filled === lengthAt(held, 0)) {
      filled = 0
      take(held, 0, wanted)
    }
    return at + taken
  }

  function read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const end = filled === 0 && chunk.length - at >= HEAD ? at + lengthAt(chunk, at) : Number.POSITIVE_INFINITY
      if (end > chunk.length) at = hold(chunk, at)
      else {
        take(chunk, at, end)
        at = end
      }
    }
    // The copy ended within this chunk, and a message began behind it.
    if (!isTaken && filled > 0) pass(held.subarray(0, filled))
  }

  socket.on('data', read)
  for (const listener of listeners) socket.off('data', listener)
  return () => {
    isTaken = false
    for (const listener of listeners) socket.on('data', listener)
    socket.off('data', read)
  }
}
