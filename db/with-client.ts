/** One connection for one piece of work (`@sightline/db/with-client`). */
import pg from 'pg'

/** Connects, does `work` and closes the connection, whatever became of the work. Settles as connecting or the work does. */
export async function withClient<T>(config: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(config)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
