/** What PgBouncer says to clients while it has no server, in front of one that is there. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface EmptyPooler extends AsyncDisposable {
  readonly port: number
  /** With this every connection is refused; undefined: none. */
  refusal: string | undefined
  /** With this the next statement is answered, in place of the server, and its connection closed. */
  answerOnce: string | undefined
  /** So many connections were refused. */
  refused: number
}

/** As PgBouncer 1.18 and 1.25 put it. */
export const NO_SERVER = 'server login has been failing, cached error: connect failed (server_login_retry)'

export async function startEmptyPooler(server: { host: string; port: number }): Promise<EmptyPooler> {
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const upstream = connect(server)
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
    client.on('data', (data: Buffer) => {
      const answer = pooler.refusal ?? (data[0] === 0 ? undefined : pooler.answerOnce)
      if (answer === undefined) return upstream.write(data)
      if (pooler.refusal !== undefined) pooler.refused += 1
      else pooler.answerOnce = undefined
      return client.end(fatal(answer))
    })
    upstream.pipe(client)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const pooler: EmptyPooler = {
    port: (listener.address() as AddressInfo).port,
    refusal: undefined,
    answerOnce: undefined,
    refused: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
  return pooler
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html: ErrorResponse; PgBouncer has this SQLSTATE for all it says. */
function fatal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`)
  const head = Buffer.from('E\0\0\0\0')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
