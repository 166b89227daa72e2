/**
 * What the Merkle tree costs the audit trail: `node_modules/.bin/node bench/audit/bench.ts [ROUNDS]`. In turns, in one PostgreSQL: batches
 * sealed alone and while another session builds the tree; rows brought into the tree alone; the whole trail verified without and with it.
 */
import { startTestCluster, type TestDatabase } from '@sightline/db/testing'
import { type BulkQueries, type Queries, sessionQueries } from '@sightline/service-kit'
import pg from 'pg'
import { recordOrders } from '../../audit-service/test/testing.ts'
import { growTree, proveInclusion, treeSize } from '../../audit-service/tree.ts'
import { verifyChain } from '../../audit-service/verify.ts'
import { cpuOfMainThreads } from '../chain/cpu.ts'
import { tenths } from '../chain/slices.ts'

const rounds = Number(process.argv[2] ?? 8)
const ROWS = 5_000
const SEAL_BATCH = 1_000
const TREE_BATCH = 1_024

/** A session of audit-service's role. */
async function connect(database: TestDatabase): Promise<BulkQueries & { pid: number; end(): Promise<void> }> {
  const client = new pg.Client(database.connection('audit_service'))
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return { ...sessionQueries(client), pid: rows[0]!.pid, end: () => client.end() }
}

/** Verifies all, and says what each side took of a processor, in microseconds a row. */
async function verifyTimed(session: BulkQueries & { pid: number }) {
  const [before, own] = [cpuOfMainThreads([session.pid]), process.cpuUsage()]
  const result = await verifyChain(session)
  const { user, system } = process.cpuUsage(own)
  const perRow = (us: number) => us / result.checked
  return { ...result, own: perRow(user + system), postgres: perRow((cpuOfMainThreads([session.pid]) - before) * 1000) }
}

/** Milliseconds of each batch until all new rows are sealed. */
async function sealAll(session: Queries): Promise<number[]> {
  const took: number[] = []
  for (let sealed = 0; sealed < ROWS; ) {
    const started = performance.now()
    const [batch] = await session.query<{ sealed: number }>({ name: 'seal', text: 'select audit_seal($1) as sealed' }, [
      SEAL_BATCH,
    ])
    sealed += batch!.sealed
    took.push(performance.now() - started)
  }
  return took
}

/** Builds until `isOver`, and then what is left; resolves to the rows. */
async function build(session: Queries, isOver: () => boolean): Promise<number> {
  let rows = 0
  for (;;) {
    const over = isOver()
    const grown = await growTree(session, TREE_BATCH)
    rows += grown
    if (grown === 0 && over) return rows
  }
}

const rate = (rows: number, ms: number) => Math.round(rows / (ms / 1000))
const cluster = await startTestCluster()
try {
  const database = await cluster.createDatabase()
  const plain = await cluster.createDatabase()
  const sealer = await connect(database)
  const builder = await connect(database)
  const without = await connect(plain)
  const found = {
    alone: [] as number[],
    beside: [] as number[],
    tree: [] as number[],
    plain: [] as number[],
    whole: [] as number[],
    own: [] as number[],
    postgres: [] as number[],
  }

  for (let round = 0; round <= rounds; round++) {
    await recordOrders(database, ROWS)
    const alone = await sealAll(sealer)
    const started = performance.now()
    const tree = rate(await build(builder, () => true), performance.now() - started)
    await recordOrders(database, ROWS)
    let sealed = false
    const building = build(builder, () => sealed)
    const beside = await sealAll(sealer)
    sealed = true
    await building
    // The first round warms up.
    if (round === 0) continue
    found.alone.push(...alone)
    found.beside.push(...beside)
    found.tree.push(tree)
  }

  const size = await treeSize(builder)
  for (let sealed = 0; sealed < size; sealed += ROWS) {
    await recordOrders(plain, ROWS)
    await sealAll(without)
  }
  for (const one of [database, plain]) await one.query('analyze')
  for (let round = 0; round <= rounds; round++) {
    const results = [await verifyTimed(without), await verifyTimed(builder)]
    if (results.some(({ status }) => status !== 'intact')) throw new Error(JSON.stringify(results))
    if (round === 0) continue
    found.plain.push(rate(size, results[0]!.duration_ms))
    found.whole.push(rate(size, results[1]!.duration_ms))
    found.own.push(results[1]!.own)
    found.postgres.push(results[1]!.postgres)
  }
  const [tiles] = await database.query<{ bytes: number }>(
    'select sum(length(hashes))::integer as bytes from audit_tiles',
  )
  const proofs: number[] = []
  for (let n = 0; n < 500; n++) {
    const started = performance.now()
    await proveInclusion(builder, Math.floor((n / 500) * size), size)
    proofs.push(performance.now() - started)
  }

  console.log(`${size} rows, ${tiles!.bytes} bytes of tiles; tenth / median / ninetieth of 100`)
  console.log(
    `a batch of ${SEAL_BATCH} sealed, ms: ${tenths(found.alone, 1)} alone, ${tenths(found.beside, 1)} beside a builder`,
  )
  console.log(`into the tree, rows/s: ${tenths(found.tree)}`)
  console.log(`verified, rows/s: ${tenths(found.plain)} without a tree, ${tenths(found.whole)} with it`)
  console.log(
    `processor time of a row, us: ${tenths(found.own, 1)} in the verifying process, ${tenths(found.postgres, 1)} in PostgreSQL`,
  )
  console.log(`a proof of inclusion, ms: ${tenths(proofs, 2)}`)
  await Promise.all([sealer, builder, without].map((session) => session.end()))
} finally {
  await cluster.stop()
}
