/**
 * What sealing costs: `node_modules/.bin/node bench/audit/sealing.ts [ROUNDS]`. In turns, in one PostgreSQL: batches sealed with the
 * database's check that they fit, and without it; then events recorded by a service of its own while rows are sealed and brought into
 * the tree, and while its owner keeps both from it.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { startTestCluster, type TestDatabase } from '@sightline/db/testing'
import { until } from '@sightline/service-kit/poll'
import { startProcess } from '@sightline/service-kit/testing'
import pg from 'pg'
import { recordOrders } from '../../audit-service/test/testing.ts'

const rounds = Number(process.argv[2] ?? 10)
const PAIRS = 5
const BATCH = 1_000
/** Events a second: far from what the service could. */
const RATE = 50
const SECONDS = 4

const sorted = (values: number[]) => values.toSorted((a, b) => a - b)
const part = (values: number[], of: number) => sorted(values)[Math.floor(of * (values.length - 1))]!
const spread = (values: number[], digits = 1) =>
  [0.1, 0.5, 0.9].map((of) => part(values, of).toFixed(digits)).join(' / ')

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
    `a batch of ${BATCH} sealed, ms: ${spread(took.enable)} checked by the database, ${spread(took.disable)} unchecked; ` +
      `checked to unchecked, pair by pair: ${spread(ratios, 2)}; tenth / median / ninetieth of 100`,
  )
}

/** Milliseconds of each event at a steady rate. */
async function record(service: Awaited<ReturnType<typeof startProcess>>, first: number): Promise<number[]> {
  const took: number[] = []
  const began = performance.now()
  const all: Promise<void>[] = []
  for (let n = 0; n < RATE * SECONDS; n++) {
    const at = began + (n * 1000) / RATE
    const wait = at - performance.now()
    if (wait > 0) await delay(wait)
    all.push(
      (async () => {
        const started = performance.now()
        const { status, text } = await service.call('POST', '/process', {
          event_id: randomUUID(),
          event_type: 'order.completed',
          occurred_at: '2026-01-02T03:04:05.678Z',
          source: 'order-service',
          user_id: 1,
          order_id: first + n,
          action: 'purchase',
          trace_id: null,
          request_id: null,
          details: { items: [], total: 1.5, currency: 'USD' },
        })
        if (status !== 200) throw new Error(text)
        took.push(performance.now() - started)
      })(),
    )
  }
  await Promise.all(all)
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
        medians[name] = part(took, 0.5)
      }
      if (round > 0) ratios.push(medians.on! / medians.off!)
    }
  } finally {
    await service.stop()
  }
  for (const [name, took] of Object.entries(found))
    console.log(
      `an event recorded at ${RATE}/s with sealing ${name}, ms: median ${part(took, 0.5).toFixed(2)}, p99 ${part(took, 0.99).toFixed(2)} of ${took.length}`,
    )
  console.log(`median with sealing on to off, round by round: ${spread(ratios, 3)}`)
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
