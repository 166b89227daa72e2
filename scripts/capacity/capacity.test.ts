import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseArgs } from 'node:util'
import { root } from '@sightline/local/settings'
import fc from 'fast-check'
import { answer, MEASURED, OPTIONS } from './answer.ts'
import { ASSUMPTIONS, assume, EXAMPLE_PRICES } from './assumptions.ts'
import { type Measured, PARTS, readMeasured, TABLES } from './measured.ts'
import { type Plan, planFor, type Wanted } from './model.ts'
import { difference, FAULTS, limitsOf, type Options, simulate } from './simulation.ts'

const measured = readMeasured(MEASURED)
const assumptions = assume()

/** Round costs, to be reckoned with by hand. */
const round: Measured = {
  ...measured,
  per_request: {
    cpu_us: Object.fromEntries(PARTS.map((part) => [part, 1_000])) as Measured['per_request']['cpu_us'],
    spans: 9,
    log_records: 3,
    otlp_trace_bytes: 9_000,
    otlp_log_bytes: 2_500,
    access_log_bytes: 500,
    wal_bytes: 5_000,
    commits: 5,
    rows: 4,
    table_bytes: Object.fromEntries(TABLES.map((table) => [table, 100])) as Measured['per_request']['table_bytes'],
  },
  sealing: { ...measured.sealing, sealed_per_second: 2_000, in_tree_per_second: 1_000 },
  relay: { events: 1, delivered_per_second: 500 },
}

const plan = (wanted: Partial<Wanted>, of = measured) =>
  planFor({ rate: 1_000, peak: 2, days: 15, utilisation: 0.5, ...wanted }, of, assumptions, EXAMPLE_PRICES)
const pods = (of: Plan, name: string) => of.pods.find((one) => one.name === name)!

test('a small case, reckoned by hand', () => {
  const found = plan({ rate: 1_000 }, round)
  // 1,000 a second, twice that at the peak, 1 ms of CPU each: 2 cores busy, half used at most.
  assert.equal(pods(found, 'user-service').replicas, 4)
  assert.equal(pods(found, 'user-service').cores, 4)
  // 50 us more a POST in the gateway.
  assert.equal(pods(found, 'gateway').replicas, 5)
  // 20,000 spans and 8,000 records a second: 4/3 + 4/5 cores of 2, half used.
  assert.equal(pods(found, 'collector').replicas, 3)
  // 24,000 traces of 10 kB, three times that in memory, in 60 % of 512 MiB: 2.2 pods full, half used.
  assert.deepEqual([pods(found, 'collector-sampler').replicas, pods(found, 'collector-sampler').because], [5, 'memory'])
  // The tree takes 1,000 a second; half of it for 2,000 at the peak.
  assert.equal(found.database.bounds[0]!.name, 'Merkle tree')
  assert.equal(found.database.partitions, 4)
  assert.equal(found.database.coresEach, 1)
  assert.equal(found.database.walMbPerSecond, 2.5)
  assert.equal(found.database.connectionsPerRole, 5)
  // 500 bytes a POST in tables that keep them, 86.4 million POSTs a day.
  assert.equal(found.database.tableGibPerDay.toFixed(2), '40.23')
  // 12 % of 10 kB, a quarter of it stored, 1.296e9 POSTs.
  assert.equal(found.objectTib.traces.toFixed(3), '0.354')
  assert.equal(found.objectTib.logs.toFixed(3), '0.530')
  const { nodes, disks, objects, all } = found.moneyPerMonth
  assert.equal(all, nodes + disks + objects)
  assert.equal(nodes, found.total.nodes * (16 * 0.03 + 64 * 0.004) * 730)
})

test('more requests, or more days, never need less', () => {
  const needs = (of: Plan) => [
    ...of.pods.flatMap(({ replicas, memoryGib, diskGib, name }) =>
      // A partition more makes each server smaller: what all of them have need not grow with each request.
      name.startsWith('postgres') ? [] : [replicas, memoryGib, diskGib],
    ),
    of.database.partitions,
    of.kafkaPartitions,
    of.database.tableGibPerDay,
    of.series,
    ...Object.values(of.objectTib),
  ]
  const rate = fc.double({ min: 1, max: 200_000, noNaN: true })
  const more = fc.double({ min: 1, max: 50, noNaN: true })
  fc.assert(
    fc.property(rate, more, (of, times) => {
      const [small, large, long] = [
        plan({ rate: of }),
        plan({ rate: of * times }),
        plan({ rate: of, days: 15 * times }),
      ].map(needs)
      for (const [n, need] of small!.entries())
        assert.ok(large![n]! >= need * (1 - 1e-9) && long![n]! >= need * (1 - 1e-9))
    }),
    { numRuns: 60 },
  )
})

test('a partition never has to take more than the first bound', () => {
  for (const rate of [10, 1_000, 30_000, 100_000]) {
    const { database, wanted } = plan({ rate })
    const first = database.bounds.find(({ name, isSetting }) => name !== 'disk' && !isSetting)
    assert.ok(
      (rate * wanted.peak) / database.partitions <= first!.perSecond * wanted.utilisation * (1 + 1e-6),
      `${rate}`,
    )
  }
})

const options = (more: Partial<Options> = {}): Options => ({
  plan: plan({ rate: 100_000, utilisation: 0.7 }),
  measured,
  assumptions,
  seconds: 1_300,
  seed: 7,
  faults: FAULTS,
  ...more,
})

test('nothing leaves the simulation without a name, whatever fails', () => {
  const never = { from: 1e9, to: 1e9 }
  const small = plan({ rate: 5_000, utilisation: 1, peak: 1 })
  for (const one of [options(), options({ partitions: 1 }), options({ plan: small, partitions: 1 })]) {
    const run = simulate(one)
    for (const ledger of [run.spans, run.orders]) {
      assert.ok(Math.abs(difference(ledger)) < ledger.in * 1e-9, JSON.stringify(ledger))
      for (const names of [ledger.out, ledger.lost, ledger.waiting])
        for (const [name, value] of Object.entries(names)) assert.ok(value >= -1e-3, `${name}: ${value}`)
    }
    assert.ok(run.spans.lost['died with a pod']! > 0 && run.splitTraces > 0)
    assert.ok(run.mostMemory <= 1 + 1e-9)
  }
  const full = options({
    assumptions: assume({ collector_queue: 0.001 }),
    faults: { ...FAULTS, storeSlow: { from: 100, to: 1_300 } },
  })
  const { spans: lossy } = simulate(full)
  assert.ok(lossy.lost['queue for Tempo full']! > 0 && Math.abs(difference(lossy)) < lossy.in * 1e-9)
  const calm = { samplerDies: never, databaseStands: never, auditAway: never, storeSlow: never }
  const { spans, orders } = simulate(options({ faults: calm, seconds: 60 }))
  for (const { lost } of [spans, orders])
    assert.deepEqual(
      Object.values(lost).filter((value) => value > 0),
      [],
    )
})

test('the same seed is the same run, another is not', () => {
  const short = { seconds: 100 }
  assert.deepEqual(simulate(options(short)), simulate(options(short)))
  assert.notDeepEqual(simulate(options(short)), simulate(options({ ...short, seed: 8 })))
})

test('each queue grows back below its limit, and above that never', () => {
  const one = options({
    plan: plan({ rate: 1_000, utilisation: 0.7 }, round),
    measured: round,
    partitions: 1,
    seconds: 2_000,
  })
  const watched = { sealer: 'not sealed', 'second tier, memory': 'first tier, on disk' }
  for (const [limit, queue] of Object.entries(watched)) {
    const { value } = limitsOf(one).find(({ name }) => name === limit)!
    // A database that holds any load: it is the sealer's end that is looked for, not the processor's.
    const assumed = assume({ postgres_cores: 1_000 })
    const database = { ...one.plan.database, coresEach: 1_000 }
    const at = (load: number) => {
      const run = simulate({ ...one, load, assumptions: assumed, plan: { ...one.plan, database } })
      return { ...run.queues.find(({ name }) => name === queue)!, lost: run.spans.lost['first tier full']! }
    }
    assert.notEqual(at(value * 0.7).usualFrom, null, limit)
    const above = at(value * 1.2)
    assert.equal(above.usualFrom, null, limit)
    // It grows on, or its disk is full and it loses.
    assert.ok(above.growth > 0 || above.lost > 0, limit)
  }
})

test('what docs/capacity.md shows is what the commands print', () => {
  const text = readFileSync(join(root, 'docs/capacity.md'), 'utf8')
  const shown = [...text.matchAll(/^```\n\$ npm run capacity(?: -- (.*))?\n([\s\S]*?)\n```$/gm)]
  assert.ok(shown.length >= 4)
  for (const [, args = '', output] of shown) {
    const { values } = parseArgs({ args: args.split(' ').filter(Boolean), options: OPTIONS })
    assert.equal(answer(values), output, `npm run capacity -- ${args}`)
  }
})

test('what is said to be from a file of ours is there', () => {
  const said: [keyof typeof assumptions, string, (value: number) => string][] = [
    ['decision_wait', 'deploy/kubernetes/collector/sample.yaml', (value) => `decision_wait: ${value}s`],
    ['num_traces', 'deploy/kubernetes/collector/sample.yaml', (value) => `num_traces: ${value}`],
    ['kept_share', 'deploy/kubernetes/overlays/production/kustomization.yaml', (value) => `TRACES_SAMPLE=${value}\n`],
    ['kafka_partitions', 'deploy/kubernetes/overlays/production/kafka.yaml', (value) => `partitions: ${value}\n`],
    [
      'kafka_hours',
      'deploy/kubernetes/overlays/production/kafka.yaml',
      (value) => `retention.ms: ${value * 3_600_000}\n`,
    ],
    [
      'scrape_interval',
      'deploy/kubernetes/overlays/production/prometheus-agent.yml',
      (value) => `scrape_interval: ${value}s`,
    ],
    ['collector_queue', 'observability/collector.yaml', (value) => `queue_size: ${value * 2 ** 30}\n`],
    ['collector_memory', 'deploy/kubernetes/base/collector-pod.yaml', (value) => `limits: { memory: ${value}Mi }`],
    ['service_memory', 'deploy/kubernetes/base/service.yaml', (value) => `memory: ${value}Mi }`],
    ['postgres_servers', 'deploy/kubernetes/base/database.yaml', (value) => `instances: ${value}\n`],
    ['pooler_clients', 'deploy/kubernetes/base/database.yaml', (value) => `max_client_conn: "${value}"`],
    ['pool_connections', 'env/kubernetes.env', (value) => `DB_POOL_MAX=${value}\n`],
    ['most_replicas', 'deploy/kubernetes/base/scaling.yaml', (value) => `maxReplicas: ${value}\n`],
  ]
  for (const [name, file, text] of said) {
    assert.ok(ASSUMPTIONS[name].source.startsWith(file.split('/')[0]!), name)
    assert.ok(readFileSync(join(root, file), 'utf8').includes(text(assumptions[name])), `${name} in ${file}`)
  }
})

test('a flag that makes no sense is refused with what it takes', () => {
  const refused: [Parameters<typeof answer>[0], RegExp][] = [
    [{ rate: '-1' }, /--rate -1 is no number from 0.01/],
    [{ rate: 'many' }, /--rate many is no number/],
    [{ rate: '1', utilisation: '70' }, /--utilisation 70 is no number from 0.05 to 1/],
    [{ set: ['node_core=3'] }, /node_core is not an assumption. There are: service_cores/],
    [{ set: ['node_cores'] }, /write NAME=NUMBER/],
    [{ set: ['node_cores=many'] }, /has to be a number above 0/],
    [{ prices: 'nowhere.json' }, /--prices nowhere.json can't be read/],
    [{ measured: 'nowhere.json' }, /--measured nowhere.json can't be read/],
    [{ measured: join(root, 'package.json') }, /is not what bench\/capacity\/measure.ts writes/],
    [{ simulate: true, check: true }, /one at a time/],
    [{ partitions: ['3'] }, /--partitions is for --simulate/],
  ]
  for (const [flags, message] of refused) assert.throws(() => answer(flags), message)
  assert.equal(JSON.parse(answer({ rate: '10', set: ['least_replicas=4'], json: true })).pods[0].replicas, 4)
})
