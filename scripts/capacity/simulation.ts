/**
 * What happens to spans and to orders when parts fail, step by step: the two tiers of the Collector, the outbox with its relay, sealer and
 * tree. Quantities flow, nothing is waited for, and what is random comes from a seed: two runs are equal. No span, event or row
 * leaves but by a name in the ledger.
 */
import { seededRandom } from '@sightline/service-kit/seeded-random'
import type { Assumptions } from './assumptions.ts'
import type { Measured } from './measured.ts'
import { type Plan, perPost, tracesInMemory } from './model.ts'

export interface Fault {
  /** Seconds. */
  from: number
  to: number
}

export interface Faults {
  /** One pod of the second tier is gone. */
  samplerDies: Fault
  /** PostgreSQL answers nobody. */
  databaseStands: Fault
  auditAway: Fault
  /** Tempo takes a tenth of what it can. */
  storeSlow: Fault
}

export const FAULTS: Faults = {
  samplerDies: { from: 60, to: 90 },
  databaseStands: { from: 180, to: 210 },
  auditAway: { from: 300, to: 600 },
  storeSlow: { from: 900, to: 1_020 },
}
const SLOW = 0.1
/** Seconds from one sample of a queue to the next. */
export const SAMPLED = 30
const STEP = 0.1
/** How long two parts of a trace may be apart when they come: services send what they have every half second. */
const SPREAD_OF_TRACE = 0.5
/** Each pod of the first tier asks for the second's addresses so often, seconds, and each at its own time: so long they may disagree. */
const RESOLVE = 5
/** Load differs from step to step by this share. */
const NOISE = 0.05

export interface Options {
  plan: Plan
  measured: Measured
  assumptions: Assumptions
  /** POSTs a second that come; as many as were planned for where not given. */
  load?: number
  /** Databases, each with its outbox, chain and tree; the plan's where not given. */
  partitions?: number
  seconds: number
  seed: number
  faults: Faults
}

/** What came in, went out, was lost by name, and still waits. In = out + lost + waiting. */
export interface Ledger {
  in: number
  out: Record<string, number>
  lost: Record<string, number>
  waiting: Record<string, number>
}

export interface Queue {
  name: string
  unit: string
  most: number
  atEnd: number
  /** Second of the run from which it is what it was before the first fault, for good; null when it ends with more. */
  usualFrom: number | null
  /** Of the last minute, a second. */
  growth: number
  /** Every SAMPLED seconds, from 0 on. */
  samples: number[]
}

export interface Run {
  spans: Ledger
  orders: Ledger
  queues: Queue[]
  /** So far, every SAMPLED seconds. */
  lostSpans: number[]
  refusedOrders: number[]
  /** Traces of which parts were decided in two places. */
  splitTraces: number
  /** Share of the memory at which the second tier refuses. */
  mostMemory: number
}

/** Where a queue no longer grows back, or how long it lasts. */
export interface Limit {
  name: string
  value: number
  unit: string
  remedy: string
}

/** Of the plan as it is, with nothing failed but what is named. */
export function limitsOf({ plan, measured, assumptions: a, partitions = plan.database.partitions }: Options): Limit[] {
  const post = perPost(measured)
  const samplers = replicasOf(plan, 'collector-sampler')
  const kept = plan.wanted.rate * post.traceBytes * (a.kept_share + a.failed_or_slow_share)
  const takes = (kept * plan.wanted.peak) / plan.wanted.utilisation
  const audit = (plan.wanted.rate * plan.wanted.peak) / plan.wanted.utilisation
  const relays = replicasOf(plan, 'order-service') * measured.relay.delivered_per_second
  const perSecond = 'POSTs/s'
  return [
    {
      name: 'second tier, memory',
      value: (samplers * tracesInMemory(measured, a).traces) / a.decision_wait,
      unit: perSecond,
      remedy: 'spans wait on the disks of the first tier; a shorter decision_wait, more memory or more pods',
    },
    {
      name: 'second tier, processor',
      value: (samplers * a.sampler_spans * a.collector_cores) / post.spans,
      unit: perSecond,
      remedy: 'the same; more pods',
    },
    {
      name: 'queue for Tempo',
      value: (samplers * a.collector_queue * 2 ** 30) / (kept - takes * SLOW),
      unit: 's with Tempo at a tenth',
      remedy: 'its disk is full, chosen traces are lost; larger queues, or a smaller share kept',
    },
    {
      name: 'outbox',
      value: (plan.wanted.rate * 300) / Math.min(relays, audit - plan.wanted.rate),
      unit: 's after 300 s without audit-service',
      remedy: 'it is empty again; more pods of order-service (relays) or of audit-service',
    },
    {
      name: 'sealer',
      value: measured.sealing.sealed_per_second * a.postgres_faster * partitions,
      unit: perSecond,
      remedy: 'unsealed rows grow without end; more partitions, each with its chain',
    },
    {
      name: 'Merkle tree',
      value: measured.sealing.in_tree_per_second * a.postgres_faster * partitions,
      unit: perSecond,
      remedy: 'sealed rows outside the tree grow without end; the same',
    },
  ]
}

const during = (at: number, { from, to }: Fault) => at >= from && at < to
const replicasOf = (plan: Plan, name: string) => plan.pods.find((pods) => pods.name === name)!.replicas

export function simulate(options: Options): Run {
  const { plan, seconds, seed, faults, load = plan.wanted.rate } = options
  const random = seededRandom(seed)
  const collector = createCollector(options)
  const orders = createOrders(options)
  const watched = new Map<string, { unit: string; values: number[] }>()
  const [lostSpans, refusedOrders]: [number[], number[]] = [[], []]
  for (let step = 0; step < Math.round(seconds / STEP); step++) {
    const at = step * STEP
    const posts = load * STEP * (1 + NOISE * (2 * random() - 1))
    // Who gets a 503 leaves a trace all the same: spans come of every request.
    collector.step(at, posts)
    orders.step(at, posts)
    if (step % Math.round(SAMPLED / STEP) === 0) {
      lostSpans.push(collector.lost())
      refusedOrders.push(orders.refused())
    }
    for (const [name, unit, value] of [...collector.queues(), ...orders.queues()]) {
      const one = watched.get(name) ?? { unit, values: [] }
      one.values.push(value)
      watched.set(name, one)
    }
  }
  const first = Math.min(...Object.values(faults).map(({ from }) => from))
  return {
    spans: collector.ledger(),
    orders: orders.ledger(),
    queues: [...watched].map(([name, { unit, values }]) => queueOf(name, unit, values, first)),
    lostSpans,
    refusedOrders,
    splitTraces: collector.split(),
    mostMemory: collector.mostMemory(),
  }
}

function queueOf(name: string, unit: string, values: number[], firstFault: number): Queue {
  const quiet = values.slice(Math.round(firstFault / STEP / 2), Math.round(firstFault / STEP))
  const usual = Math.max(...quiet, 0) * 1.2 + 1
  const last = values.findLastIndex((value) => value > usual)
  const minute = Math.min(values.length - 1, Math.round(60 / STEP))
  return {
    name,
    unit,
    most: values.reduce((most, value) => Math.max(most, value), 0),
    atEnd: values.at(-1)!,
    usualFrom: last === values.length - 1 ? null : (last + 1) * STEP,
    samples: values.filter((_, step) => step % Math.round(SAMPLED / STEP) === 0),
    growth: (values.at(-1)! - values[values.length - 1 - minute]!) / (minute * STEP),
  }
}

/** Both tiers. Pods of the second that live are alike but for the one that dies, so two of them stand for all. */
function createCollector({ plan, measured, assumptions: a, faults }: Options) {
  const post = perPost(measured)
  const { samplerDies } = faults
  const samplers = replicasOf(plan, 'collector-sampler')
  const kept = a.kept_share + a.failed_or_slow_share
  const spanBytes = post.traceBytes / post.spans
  const firstRoom = (replicasOf(plan, 'collector') * a.collector_queue * 2 ** 30) / spanBytes
  const exportRoom = (samplers * a.collector_queue * 2 ** 30) / spanBytes
  const spansInMemory = tracesInMemory(measured, a).traces * post.spans
  const podTakes = a.sampler_spans * a.collector_cores * STEP
  const peakKept = plan.wanted.rate * plan.wanted.peak * post.spans * kept * STEP
  const tempoTakes = peakKept / plan.wanted.utilisation
  const waits = Math.round(a.decision_wait / STEP)
  /** Spans by when they came; of one of those that live on, and of the one that dies. */
  const lasting = ring(waits)
  const dying = ring(waits)
  let [came, queued, exporting, exported] = [0, 0, 0, 0]
  let [sampledOut, diedWith, firstFull, exportFull] = [0, 0, 0, 0]
  let [split, memory, stuck] = [0, 0, 0]
  let dead = false

  return {
    step(at: number, posts: number) {
      const spans = posts * post.spans
      came += spans
      const was = dead
      dead = during(at, samplerDies)
      if (dead && !was) diedWith += dying.clear()
      // Until the first tier has asked again, what is for the dead one comes back into the queue.
      const unknown = dead && at < samplerDies.from + RESOLVE
      const known = dead && !unknown ? samplers - 1 : samplers
      if (dead !== was) split += (posts / STEP) * (1 / samplers) * (SPREAD_OF_TRACE + (dead ? 0 : RESOLVE))
      const offered = queued + spans
      const share = offered / known
      const one = (held: number) => Math.max(0, Math.min(share, podTakes, spansInMemory - held))
      const toLasting = one(lasting.held())
      const toDying = dead ? 0 : one(dying.held())
      const decided = lasting.push(toLasting) * (samplers - 1) + dying.push(toDying)
      if (unknown) stuck += share
      queued = Math.max(0, offered - toLasting * (samplers - 1) - toDying - (unknown ? share : 0))
      if (!unknown) {
        queued += stuck
        stuck = 0
      }
      if (queued > firstRoom) {
        firstFull += queued - firstRoom
        queued = firstRoom
      }
      sampledOut += decided * (1 - kept)
      exporting += decided * kept
      const takes = during(at, faults.storeSlow) ? tempoTakes * SLOW : tempoTakes
      const sent = Math.min(exporting, takes)
      exporting -= sent
      exported += sent
      if (exporting > exportRoom) {
        exportFull += exporting - exportRoom
        exporting = exportRoom
      }
      memory = Math.max(memory, lasting.held() / spansInMemory, dying.held() / spansInMemory)
    },
    queues: (): [string, string, number][] => [
      ['first tier, on disk', 'spans', queued + stuck],
      ['second tier, in memory', 'spans', lasting.held() * (samplers - 1) + dying.held()],
      ['for Tempo, on disk', 'spans', exporting],
    ],
    lost: () => diedWith + firstFull + exportFull,
    split: () => split,
    mostMemory: () => memory,
    ledger: (): Ledger => ({
      in: came,
      out: { 'in Tempo': exported, 'not chosen': sampledOut },
      lost: {
        'died with a pod': diedWith,
        'first tier full': firstFull,
        'queue for Tempo full': exportFull,
      },
      waiting: {
        'first tier': queued + stuck,
        'second tier': lasting.held() * (samplers - 1) + dying.held(),
        'for Tempo': exporting,
      },
    }),
  }
}

/** The last `length` pushes, with their sum. */
function ring(length: number) {
  const slots = new Float64Array(length)
  let [next, held] = [0, 0]
  return {
    held: () => held,
    /** Takes one in and gives back the oldest. */
    push(value: number): number {
      const oldest = slots[next]!
      slots[next] = value
      next = (next + 1) % length
      held += value - oldest
      return oldest
    },
    clear(): number {
      const all = slots.reduce((sum, value) => sum + value, 0)
      slots.fill(0)
      held = 0
      return all
    },
  }
}

/** One partition, times their number. */
function createOrders({ plan, measured, assumptions: a, faults, partitions = plan.database.partitions }: Options) {
  const { rate, peak, utilisation } = plan.wanted
  const { sealing, relay } = measured
  // Fewer partitions than planned are larger servers, up to the largest.
  const cores = Math.min(a.postgres_cores, Math.ceil((plan.database.coresEach * plan.database.partitions) / partitions))
  const databaseTakes =
    Math.min(
      (cores * a.postgres_faster * 1e6) / measured.per_request.cpu_us.postgres,
      (a.postgres_wal * 1e6) / measured.per_request.wal_bytes,
    ) * STEP
  // audit-service has what the peak needs, fully used; the relay is one in each pod of order-service.
  const auditTakes = ((rate * peak) / utilisation / partitions) * STEP
  const relayTakes = ((replicasOf(plan, 'order-service') * relay.delivered_per_second) / partitions) * STEP
  const sealerTakes = sealing.sealed_per_second * a.postgres_faster * STEP
  const treeTakes = sealing.in_tree_per_second * a.postgres_faster * STEP
  let [offered, standing, overloaded, outbox, unsealed, outside, inTree] = [0, 0, 0, 0, 0, 0, 0]

  return {
    step(at: number, posts: number) {
      const each = posts / partitions
      offered += each
      if (during(at, faults.databaseStands)) {
        standing += each
        return
      }
      const taken = Math.min(each, databaseTakes)
      overloaded += each - taken
      const away = during(at, faults.auditAway)
      const direct = away ? 0 : Math.min(taken, auditTakes)
      outbox += taken - direct
      // Events that wait get what requests leave of audit-service and of the database.
      const relayed = away ? 0 : Math.max(0, Math.min(outbox, relayTakes, auditTakes - direct, databaseTakes - taken))
      outbox -= relayed
      unsealed += direct + relayed
      const sealed = Math.min(unsealed, sealerTakes)
      unsealed -= sealed
      outside += sealed
      const grown = Math.min(outside, treeTakes)
      outside -= grown
      inTree += grown
    },
    queues: (): [string, string, number][] => [
      ['outbox', 'events', outbox * partitions],
      ['not sealed', 'rows', unsealed * partitions],
      // As long as the sealer would need for them with nothing new.
      ['behind with seals', 's', (unsealed / sealerTakes) * STEP],
      ['not in the tree', 'rows', outside * partitions],
    ],
    refused: () => (standing + overloaded) * partitions,
    ledger: (): Ledger => ({
      in: offered * partitions,
      out: { 'sealed and in the tree': inTree * partitions },
      lost: { '503, database stands': standing * partitions, '503, database full': overloaded * partitions },
      waiting: {
        outbox: outbox * partitions,
        'not sealed': unsealed * partitions,
        'not in the tree': outside * partitions,
      },
    }),
  }
}

/** In less all that it became: 0 but for what floating point rounds. */
export function difference({ in: came, out, lost, waiting }: Ledger): number {
  return [out, lost, waiting].flatMap((names) => Object.values(names)).reduce((left, value) => left - value, came)
}
