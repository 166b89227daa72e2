/**
 * From the measured cost of one POST to pods, partitions, disks and money. All of it is proportion and rounding up: what a part needs is its
 * cost times the peak, over what one of it holds at the utilisation wanted; what is kept is the cost times the mean times the days.
 */
import type { Assumptions, Prices } from './assumptions.ts'
import type { Cost, Measured } from './measured.ts'

export interface Wanted {
  /** Mean, POSTs a second. */
  rate: number
  /** Peak over mean. */
  peak: number
  /** Days that traces, logs, metrics, orders and audit rows are kept. */
  days: number
  /** Share of a core, or of any other bound, to be used at the peak. */
  utilisation: number
}

export interface Pods {
  name: string
  replicas: number
  /** Requested by all of them. */
  cores: number
  memoryGib: number
  diskGib: number
  /** What made it that many. */
  because: string
}

/** POSTs a second at which one PostgreSQL is at its end for one reason: `perSecond` fully used. */
export interface Bound {
  name: string
  perSecond: number
  /** At the utilisation and with the peak that are wanted. */
  mean: number
  remedy: string
  /** What is set, and not what one server can: no reason for another partition. */
  isSetting?: true
}

export interface Plan {
  wanted: Wanted
  pods: Pods[]
  database: {
    partitions: number
    /** Lowest mean first. */
    bounds: Bound[]
    coresEach: number
    diskTibEach: number
    walMbPerSecond: number
    tableGibPerDay: number
    connectionsPerRole: number
  }
  kafkaPartitions: number
  series: number
  objectTib: { traces: number; logs: number; metrics: number; wal: number }
  total: { cores: number; memoryGib: number; diskTib: number; objectTib: number; nodes: number }
  moneyPerMonth: { nodes: number; disks: number; objects: number; all: number }
  /** What the files in deploy/kubernetes don't allow, or the architecture doesn't, as they are. */
  notes: string[]
}

const MB = 1e6
const GIB = 2 ** 30
const TIB = 2 ** 40
const DAY = 86_400
const HOURS_A_MONTH = 730
const SERVICES = ['user-service', 'order-service', 'audit-service'] as const
/** Outbox and audit_unsealed are emptied: what they grow by is used again. */
const KEPT = ['orders', 'order_items', 'audit_logs', 'audit_chain', 'audit_tiles'] as const
const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0)

export const keptBytes = ({ table_bytes: bytes }: Cost) => sum(KEPT.map((table) => bytes[table]))

/** What one POST leaves, with the gateway's part, which other programs take in a cluster than here. */
export function perPost({ per_request: cost }: Measured) {
  const spanBytes = cost.otlp_trace_bytes / cost.spans
  return {
    spans: cost.spans + 1,
    traceBytes: cost.otlp_trace_bytes + spanBytes,
    logRecords: cost.log_records + 1,
    logBytes: cost.otlp_log_bytes + cost.access_log_bytes,
    tableBytes: keptBytes(cost),
  }
}

/** Why one PostgreSQL is not enough, lowest first. */
function boundsOf({ peak, days, utilisation }: Wanted, measured: Measured, a: Assumptions): Bound[] {
  const { per_request: cost, sealing } = measured
  const slowest = Math.max(...SERVICES.map((name) => cost.cpu_us[name]))
  const podsPerRole = Math.floor(a.role_connections / a.pool_connections)
  const bounds: Omit<Bound, 'mean'>[] = [
    {
      name: 'sealing',
      perSecond: sealing.sealed_per_second * a.postgres_faster,
      remedy: 'one chain a partition, each with its sealer',
    },
    {
      name: 'Merkle tree',
      perSecond: sealing.in_tree_per_second * a.postgres_faster,
      remedy: 'one tree a partition, each with its builder',
    },
    {
      name: 'processor',
      perSecond: (a.postgres_cores * a.postgres_faster * 1e6) / cost.cpu_us.postgres,
      remedy: 'orders, outbox and audit log by partition',
    },
    {
      name: 'WAL',
      perSecond: (a.postgres_wal * MB) / cost.wal_bytes,
      remedy: 'orders, outbox and audit log by partition',
    },
    {
      name: 'connections',
      perSecond: (podsPerRole * a.service_cores * 1e6) / slowest,
      remedy: 'max_connections and default_pool_size can be raised',
      isSetting: true,
    },
    {
      name: 'disk',
      perSecond: (a.postgres_disk * TIB) / (perPost(measured).tableBytes * a.postgres_free * DAY * days),
      remedy: 'fewer days, or a partition',
    },
  ]
  return bounds
    .map((bound) => ({
      ...bound,
      // A disk is full of what was kept, not of a peak.
      mean: bound.name === 'disk' ? bound.perSecond : (bound.perSecond * utilisation) / peak,
    }))
    .toSorted((one, other) => one.mean - other.mean)
}

export function planFor(wanted: Wanted, measured: Measured, a: Assumptions, prices: Prices): Plan {
  const { rate, days, utilisation } = wanted
  const peak = rate * wanted.peak
  const post = perPost(measured)
  const services = servicePods(wanted, measured, a)
  const { pods: databasePods, ...database } = databaseOf(wanted, measured, a, services)
  const collectors = collectorPods(wanted, measured, a)
  const tempo = tempoPods(peak, utilisation, post.traceBytes, a)
  const loki = lokiPods((peak * post.logBytes) / MB, utilisation, a)
  const series = seriesOf(measured, services, collectors)
  const mimir = mimirPods(series, utilisation, a)
  const pods = [...services, ...databasePods, ...collectors, ...tempo.pods, ...loki, mimir]
  const kept = a.kept_share + a.failed_or_slow_share
  const objectTib = {
    traces: (rate * post.traceBytes * kept * a.tempo_stored * DAY * days) / TIB,
    logs: (rate * post.logBytes * a.loki_stored * DAY * days) / TIB,
    metrics: ((series / a.scrape_interval) * a.sample_bytes * DAY * days) / TIB,
    wal: (rate * measured.per_request.wal_bytes * a.wal_archived * DAY * a.wal_archive_days) / TIB,
  }
  const total = {
    cores: sum(pods.map(({ cores }) => cores)),
    memoryGib: sum(pods.map(({ memoryGib }) => memoryGib)),
    diskTib: (sum(pods.map(({ diskGib }) => diskGib)) * GIB) / TIB,
    objectTib: sum(Object.values(objectTib)),
    nodes: 0,
  }
  const byCores = total.cores / (a.node_cores * a.node_usable)
  const byMemory = total.memoryGib / (a.node_memory * a.node_usable)
  // Three zones: fewer than three nodes are no cluster.
  total.nodes = Math.max(3, Math.ceil(Math.max(byCores, byMemory)))
  const money = {
    nodes: total.nodes * (a.node_cores * prices.core_hour + a.node_memory * prices.memory_gib_hour) * HOURS_A_MONTH,
    disks: total.diskTib * 1024 * prices.disk_gib_month,
    objects: total.objectTib * 1024 * prices.object_gib_month,
  }
  return {
    wanted,
    pods,
    database,
    kafkaPartitions: tempo.partitions,
    series,
    objectTib,
    total,
    moneyPerMonth: { ...money, all: sum(Object.values(money)) },
    notes: notesOf(pods, database, a),
  }
}

/** So many that none is above its utilisation, and no fewer than `least`. */
function replicasFor(needs: Record<string, number>, least: number): { replicas: number; because: string } {
  const [because, most] = Object.entries(needs).reduce((one, other) => (other[1] > one[1] ? other : one))
  const replicas = Math.ceil(most - 1e-9)
  return replicas > least ? { replicas, because } : { replicas: least, because: 'the least there are' }
}

function servicePods({ rate, peak, utilisation }: Wanted, measured: Measured, a: Assumptions): Pods[] {
  const { cpu_us: cpu } = measured.per_request
  const gateway = cpu.gateway + a.gateway_span_cpu
  const parts = [
    { name: 'gateway', us: gateway, each: a.gateway_cores, mib: a.gateway_memory },
    ...SERVICES.map((name) => ({ name, us: cpu[name], each: a.service_cores, mib: a.service_memory })),
  ]
  return parts.map(({ name, us, each, mib }) => {
    const used = (rate * peak * us) / 1e6
    const { replicas, because } = replicasFor({ processor: used / (each * utilisation) }, a.least_replicas)
    return {
      name,
      replicas,
      because,
      cores: Math.max(used / utilisation, 0.1 * replicas),
      memoryGib: (replicas * mib) / 1024,
      diskGib: 0,
    }
  })
}

function databaseOf({ rate, peak, days, utilisation }: Wanted, measured: Measured, a: Assumptions, services: Pods[]) {
  const { per_request: cost } = measured
  const bounds = boundsOf({ rate, peak, days, utilisation }, measured, a)
  const first = bounds.find(({ isSetting }) => !isSetting)!
  const partitions = Math.max(1, Math.ceil(rate / first.mean - 1e-9))
  const each = rate / partitions
  const coresEach = Math.max(1, Math.ceil((each * peak * cost.cpu_us.postgres) / 1e6 / utilisation / a.postgres_faster))
  const tableBytes = each * perPost(measured).tableBytes * DAY
  const diskTibEach = (tableBytes * days * a.postgres_free) / TIB
  const most = Math.max(...services.filter(({ name }) => name !== 'gateway').map(({ replicas }) => replicas))
  const connectionsPerRole = Math.ceil((most * a.pool_connections) / partitions)
  const servers = partitions * a.postgres_servers
  const poolers = partitions * Math.max(2, Math.ceil((connectionsPerRole * SERVICES.length) / a.pooler_clients))
  const pods: Pods[] = [
    {
      name: 'postgres',
      replicas: servers,
      because: partitions > 1 ? first.name : 'the least there are',
      cores: servers * coresEach,
      memoryGib: servers * coresEach * a.postgres_memory,
      diskGib: servers * Math.max(20, diskTibEach * 1024),
    },
    {
      name: 'postgres-pooler',
      replicas: poolers,
      because: 'two a partition',
      cores: 0.1 * poolers,
      memoryGib: poolers / 8,
      diskGib: 0,
    },
  ]
  const walMbPerSecond = (each * peak * cost.wal_bytes) / MB
  return {
    partitions,
    bounds,
    coresEach,
    diskTibEach,
    walMbPerSecond,
    tableGibPerDay: (tableBytes * partitions) / GIB,
    connectionsPerRole,
    pods,
  }
}

/** Traces that a pod of the second tier can have in memory, and what stops it there. */
export function tracesInMemory(measured: Measured, a: Assumptions): { traces: number; because: string } {
  const room = a.collector_memory * 2 ** 20 * a.collector_soft_limit
  const byMemory = room / (perPost(measured).traceBytes * a.span_in_memory)
  return byMemory < a.num_traces
    ? { traces: byMemory, because: 'memory' }
    : { traces: a.num_traces, because: 'num_traces' }
}

function collectorPods({ rate, peak, utilisation }: Wanted, measured: Measured, a: Assumptions): Pods[] {
  const post = perPost(measured)
  const [spans, records] = [rate * peak * post.spans, rate * peak * post.logRecords]
  const pods = (name: string, cores: number, needs: Record<string, number>) => {
    const { replicas, because } = replicasFor(
      { processor: cores / (a.collector_cores * utilisation), ...needs },
      a.telemetry_replicas,
    )
    return {
      name,
      replicas,
      because,
      cores: Math.max(cores / utilisation, 0.1 * replicas),
      memoryGib: (replicas * a.collector_memory) / 1024,
      diskGib: replicas * a.collector_disk,
    }
  }
  const first = pods('collector', spans / a.collector_spans + records / a.collector_logs, {})
  const { traces, because } = tracesInMemory(measured, a)
  const held = rate * peak * a.decision_wait
  return [first, pods('collector-sampler', spans / a.sampler_spans, { [because]: held / traces / utilisation })]
}

function tempoPods(peak: number, utilisation: number, traceBytes: number, a: Assumptions) {
  const mb = (peak * traceBytes * (a.kept_share + a.failed_or_slow_share)) / MB
  const enough = (each: number) => Math.max(2, Math.ceil(mb / (each * utilisation)))
  const stores = enough(a.tempo_partition)
  const brokers = Math.max(3, Math.ceil((mb * a.kafka_copies) / (a.kafka_broker * utilisation)))
  const partitions = Math.max(a.kafka_partitions, stores)
  const busy = { because: 'bytes of traces kept', diskGib: 0 }
  const [distributors, queriers] = [enough(a.tempo_distributor), enough(a.tempo_querier)]
  const live = stores * a.tempo_zones
  // What is on a broker is what was written in its hours, at the peak: it has to hold a day of it.
  const log = (mb * MB * a.kafka_copies * a.kafka_hours * 3600) / GIB
  const pods: Pods[] = [
    {
      name: 'tempo-distributor',
      replicas: distributors,
      cores: (2 * mb) / (a.tempo_distributor * utilisation),
      memoryGib: 2 * distributors,
      ...busy,
    },
    {
      name: 'tempo-live-store',
      replicas: live,
      cores: (a.tempo_zones * mb) / (a.tempo_partition * utilisation),
      memoryGib: live * a.tempo_memory,
      ...busy,
      diskGib: 50 * live,
    },
    { name: 'tempo-block-builder', replicas: stores, cores: stores / 2, memoryGib: stores * a.tempo_memory, ...busy },
    {
      name: 'tempo-querier',
      replicas: queriers,
      cores: queriers * a.tempo_querier_cores,
      memoryGib: queriers * a.tempo_memory,
      ...busy,
    },
    {
      name: 'kafka',
      replicas: brokers,
      cores: 2 * brokers,
      memoryGib: brokers * a.kafka_memory,
      because: busy.because,
      diskGib: Math.max(100 * brokers, log),
    },
  ]
  return { partitions, pods }
}

function lokiPods(mb: number, utilisation: number, a: Assumptions): Pods[] {
  const kind = (name: string, each: number, cores: number, gib: number, least: number, disk: number): Pods => {
    const replicas = Math.max(least, Math.ceil(mb / (each * utilisation)))
    // Those that are there for safety alone ask for what the least of them ask in overlays/production.
    return {
      name,
      replicas,
      because: 'bytes of logs',
      cores: Math.max(0.1 * replicas, (mb * cores) / (each * utilisation)),
      memoryGib: Math.max(replicas / 2, (mb * gib) / (each * utilisation)),
      diskGib: disk * replicas,
    }
  }
  return [
    kind('loki-distributor', a.loki_distributors, 0.5, 0.5, 2, 0),
    kind('loki-ingester', a.loki_ingesters, 1, 7, 3, 50),
    kind('loki-querier', a.loki_queriers, 4, 6, 2, 0),
  ]
}

/** A service's series are there once a pod; span metrics, which the backend makes here, once a pod of the second tier; others once. */
function seriesOf(measured: Measured, services: Pods[], collectors: Pods[]): number {
  const pods = new Map([...services, ...collectors].map(({ name, replicas }) => [name, replicas]))
  pods.set('telemetry-backend', pods.get('collector-sampler')!)
  return sum(Object.entries(measured.series).map(([job, count]) => count * (pods.get(job) ?? 1)))
}

function mimirPods(series: number, utilisation: number, a: Assumptions): Pods {
  const inMemory = (series * a.mimir_copies) / a.mimir_series / utilisation
  const samples = series / a.scrape_interval / a.mimir_samples / utilisation
  const { replicas, because } = replicasFor({ series: Math.max(inMemory, samples) }, a.telemetry_replicas)
  return {
    name: 'mimir',
    replicas,
    because,
    cores: Math.max(0.5 * replicas, inMemory + samples),
    memoryGib: Math.max(2 * replicas, 2.5 * inMemory + samples),
    diskGib: Math.max(50 * replicas, 5 * inMemory),
  }
}

function notesOf(pods: Pods[], { partitions, bounds, connectionsPerRole }: Plan['database'], a: Assumptions): string[] {
  const first = bounds.find(({ isSetting }) => !isSetting)!
  const scaled = pods.filter(
    ({ name, replicas }) => (name === 'gateway' || name.endsWith('-service')) && replicas > a.most_replicas,
  )
  return [
    ...(partitions > 1
      ? [
          `One PostgreSQL is not enough: ${first.name} ends first, at ${Math.floor(first.perSecond)} a second. Then: ${first.remedy}.`,
        ]
      : []),
    ...(scaled.length > 0
      ? [
          `maxReplicas is ${a.most_replicas} in scaling.yaml: raise it for ${scaled.map(({ name }) => name).join(', ')}.`,
        ]
      : []),
    ...(connectionsPerRole > a.role_connections
      ? [
          `A role needs ${connectionsPerRole} connections of ${a.role_connections}: raise max_connections and default_pool_size.`,
        ]
      : []),
  ]
}
