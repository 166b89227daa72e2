/**
 * What sealing costs: `node_modules/.bin/node bench/audit/sealing.ts [ROUNDS]`. In turns, in one PostgreSQL: batches sealed with the
 * database's check that they fit, and without it; then events recorded by a service of its own while rows are sealed and brought into
 * the tree, and while its owner keeps both from it.
 */
import { startTestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import { startProcess } from '@sightline/service-kit/testing'
import pg from 'pg'
import { event, recordOrders } from '../../audit-service/test/testing.ts'
import { openLoop, quantile, tenths } from '../chain/slices.ts'

const rounds = Number(process.argv[2] ?? 10)
const PAIRS = 5
const BATCH = 1_000
/** Events a second: far from what the service could. */
const RATE = 50
const SECONDS = 4

const ascending = (values: readonly number[]) => values.toSorted((a, b) => a - b)

/** Batch by batch in turns: a busy machine is busy for both. */
async function checks(database: TestDatabase, owner: pg.Client): Promise<void> {
  const took = { enable: [] as number[], disable: [] as number[] }
  const ratios: number[] = []
  for (let round = 0; round <= rounds; round++) {
    await recordOrders(database, 2 * PAIRS * BATCH)
    for (let pair = 0; pair < PAIRS; pair++) {
      const ms = { enable: 0, disable: 0 }
      for (const how of pair % 2 ? (['enable', 'disable'] as const) : (['disable', 'enable'] as const)) {
        await owner.query(`alter table audit_chain ${how} trigger audit_chain_fits`)
        const started = performance.now()
        const { rows } = await owner.query('select audit_seal($1) as sealed', [BATCH])
        ms[how] = performance.now() - started
        if (rows[0].sealed !== BATCH) throw new Error(`${rows[0].sealed} sealed`)
      }
      // The first round warms up.
      if (round === 0) continue
      for (const how of ['enable', 'disable'] as const) took[how].push(ms[how])
      ratios.push(ms.enable / ms.disable)
    }
  }
  await owner.query('alter table audit_chain enable trigger audit_chain_fits')
  console.log(
    `a batch of ${BATCH} sealed, ms: ${tenths(took.enable, 1)} checked by the database, ${tenths(took.disable, 1)} unchecked; ` +
      `checked to unchecked, pair by pair: ${tenths(ratios, 2)}; tenth / median / ninetieth of 100`,
  )
}

/** Milliseconds of each event at a steady rate. */
async function record(service: Awaited<ReturnType<typeof startProcess>>, first: number): Promise<number[]> {
  const took: number[] = []
  await openLoop(RATE, SECONDS, async (n) => {
    const started = performance.now()
    const { status, text } = await service.call('POST', '/process', event(first + n, { user_id: 1 }))
    if (status !== 200) throw new Error(text)
    took.push(performance.now() - started)
  })
  return took
}

async function requests(database: TestDatabase, owner: pg.Client): Promise<void> {
  const service = await startProcess('audit-service', database.connection('audit_service'), {
    OTEL_SDK_DISABLED: 'true',
  })
  const drained = () =>
    until('all sealed and in the tree', 60, async () => {
      const { rows } = await owner.query(
        `select not exists (select from audit_unsealed) and audit_tree_size() = (select count(*) from audit_chain) as done`,
      )
      return rows[0].done
    })
  const found = { on: [] as number[], off: [] as number[] }
  const ratios: number[] = []
  try {
    for (let round = 0; round <= rounds; round++) {
      const medians: Record<string, number> = {}
      for (const name of round % 2 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
        await drained()
        if (name === 'off')
          await owner.query('begin; select from audit_sealing for update; select from audit_growing for update')
        const took = await record(service, 1_000_000 + round * 10_000 + (name === 'on' ? 5_000 : 0))
        if (name === 'off') await owner.query('commit')
        if (round === 0) continue
        found[name].push(...took)
        medians[name] = quantile(ascending(took), 0.5)
      }
      if (round > 0) ratios.push(medians.on! / medians.off!)
    }
  } finally {
    await service.stop()
  }
  for (const [name, took] of Object.entries(found)) {
    const [median, p99] = [0.5, 0.99].map((q) => quantile(ascending(took), q).toFixed(2))
    console.log(
      `an event recorded at ${RATE}/s with sealing ${name}, ms: median ${median}, p99 ${p99} of ${took.length}`,
    )
  }
  console.log(`median with sealing on to off, round by round: ${tenths(ratios, 3)}`)
}

const cluster = await startTestCluster()
try {
  for (const measure of [checks, requests]) {
    const database = await cluster.createDatabase()
    const owner = new pg.Client(database.connection())
    await owner.connect()
    await measure(database, owner).finally(() => owner.end())
  }
} finally {
  await cluster.stop()
}
