/** A statement that is carried out and whose answer gets lost. */
import type pg from 'pg'

interface Sent {
  name: string
  text: string
  callback: (...args: unknown[]) => void
}

/** The next statement that `isMeant` reaches the server, which answers it; the connection breaks before pg has heard of that. */
export function loseAnswer(pool: pg.Pool, isMeant: (statement: Pick<Sent, 'name' | 'text'>) => boolean): void {
  let isLost = false
  const known = new WeakSet<pg.PoolClient>()
  pool.on('acquire', (client) => {
    if (known.has(client)) return
    known.add(client)
    const send = client.query
    client.query = ((query: Sent) => {
      if (!isLost && isMeant(query)) {
        isLost = true
        const { callback } = query
        query.callback = () => {
          ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
          callback(new Error('Connection terminated unexpectedly'))
        }
      }
      return Reflect.apply(send, client, [query])
    }) as typeof send
  })
}
