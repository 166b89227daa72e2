/** A database connection that breaks in the middle of a transaction, while no statement is under way. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestCluster, type TestCluster } from '@sightline/db/testing'
import { ProblemError, sql } from '@sightline/service-kit'
import { startOrderService } from './testing.ts'

let cluster: TestCluster
before(async () => {
  cluster = await startTestCluster()
})
after(async () => {
  await cluster?.stop()
})

test('the transaction fails with 503, the process and its pool go on', async () => {
  await using database = await cluster.createDatabase()
  const service = await startOrderService(database)
  try {
    const db = service.parts.database
    const PID = sql('own_pid', 'select pg_backend_pid() as pid')
    const lost = db.transaction(async (tx) => {
      const [row] = await tx.query<{ pid: number }>(PID)
      const [client] = (db.pool as unknown as { _clients: NodeJS.EventEmitter[] })._clients.filter(
        (one) => (one as unknown as { processID: number }).processID === row!.pid,
      )
      const ended = new Promise((done) => client!.once('end', done))
      await database.query('select pg_terminate_backend($1)', [row!.pid])
      await ended
      await tx.query(PID)
    })
    await assert.rejects(lost, (error) => error instanceof ProblemError && error.details.status === 503)
    assert.equal((await db.query(PID)).length, 1)
    assert.equal((await service.call('GET', '/products')).status, 200)
  } finally {
    await service.close()
  }
})
