/** The model's answers as tables of plain text, each column as wide as it must be. */
import { figure, left, table } from '../usage/table.ts'
import { ASSUMPTIONS, type Assumptions, type Prices } from './assumptions.ts'
import { type Measured, PARTS } from './measured.ts'
import { type Bound, keptBytes, type Plan } from './model.ts'
import { difference, type Fault, type Faults, type Ledger, type Limit, type Run, SAMPLED } from './simulation.ts'

const podsOf = (plan: Plan, name: string) => figure(plan.pods.find((pods) => pods.name === name)!.replicas)

/** Columns are plans, rows what they need. */
export function overview(plans: readonly Plan[]): string {
  const row = (name: string, of: (plan: Plan) => string) => [name, ...plans.map(of)]
  const pods = plans[0]!.pods.map(({ name }) => name)
  return table([
    row('POSTs a second', ({ wanted }) => figure(wanted.rate)),
    row('days', ({ wanted }) => figure(wanted.days)),
    ...pods.map((name) => row(`  ${name}`, (plan) => podsOf(plan, name))),
    row('PostgreSQL: partitions', ({ database }) => figure(database.partitions)),
    row('  cores of each server', ({ database }) => figure(database.coresEach)),
    row('  TiB of each disk', ({ database }) => figure(database.diskTibEach)),
    row('  WAL of each, MB/s at the peak', ({ database }) => figure(database.walMbPerSecond)),
    row('  connections of each role', ({ database }) => figure(database.connectionsPerRole)),
    row('  tables grow, GiB a day, all', ({ database }) => figure(database.tableGibPerDay)),
    row('Kafka partitions', ({ kafkaPartitions }) => figure(kafkaPartitions)),
    row('active series', ({ series }) => figure(series)),
    row('object storage, TiB: traces', ({ objectTib }) => figure(objectTib.traces)),
    row('  logs', ({ objectTib }) => figure(objectTib.logs)),
    row('  metrics', ({ objectTib }) => figure(objectTib.metrics)),
    row("  PostgreSQL's WAL", ({ objectTib }) => figure(objectTib.wal)),
    row('disks, TiB', ({ total }) => figure(total.diskTib)),
    row('cores requested', ({ total }) => figure(total.cores)),
    row('memory requested, GiB', ({ total }) => figure(total.memoryGib)),
    row('nodes', ({ total }) => figure(total.nodes)),
    row('a month, at example prices', ({ moneyPerMonth }) => figure(moneyPerMonth.all)),
  ])
}

/** One plan, with why. */
export function detail(plan: Plan): string {
  const { wanted, total, moneyPerMonth: money } = plan
  const rows = plan.pods.map(({ name, replicas, cores, memoryGib, diskGib, because }) => [
    name,
    figure(replicas),
    figure(cores),
    figure(memoryGib),
    figure(diskGib),
    because,
  ])
  return [
    `${figure(wanted.rate)} POSTs a second, ${figure(wanted.rate * wanted.peak)} at the peak, ${wanted.days} days, ${wanted.utilisation * 100} % used at the peak`,
    '',
    table([['', 'pods', 'cores', 'GiB', 'disk GiB', 'as many because of'], ...rows]),
    '',
    bounds(plan.database.bounds),
    '',
    `${figure(total.nodes)} nodes, ${figure(total.diskTib)} TiB of disks, ${figure(total.objectTib)} TiB of objects: ${figure(money.nodes)} + ${figure(money.disks)} + ${figure(money.objects)} = ${figure(money.all)} a month, at example prices`,
    ...plan.notes,
  ].join('\n')
}

function bounds(all: readonly Bound[]): string {
  return table([
    ['one PostgreSQL ends by', 'POSTs/s, fully used', 'as a mean', 'then'],
    ...all.map(({ name, perSecond, mean, remedy }) => [name, figure(perSecond), figure(mean), remedy]),
  ])
}

export function assumptionsText(values: Assumptions, prices: Prices): string {
  const rows = Object.entries(ASSUMPTIONS).map(([name, { unit, source }]) => [
    name,
    figure(values[name as keyof Assumptions]),
    unit,
    source,
  ])
  return left([...rows, ...Object.entries(prices).map(([name, value]) => [name, String(value), 'money', 'an example'])])
}

/** What the costs of the closed loop say of each rate, beside what was measured there: measured / predicted. */
export function checkText({ per_request: cost, idle_cpu_ms_per_second: idle, checked }: Measured): string {
  const columns = checked.map(({ rate, requests, window_seconds: seconds, per_request: found }) => {
    // A request's share of what being there costs, which the measured figure holds.
    const cpu = PARTS.map(
      (part) => [found.cpu_us[part], cost.cpu_us[part] + (idle[part] * 1000 * seconds) / requests] as const,
    )
    const bytes = (['otlp_trace_bytes', 'otlp_log_bytes', 'wal_bytes', 'spans', 'rows', 'commits'] as const).map(
      (name) => [found[name], cost[name]] as const,
    )
    return { rate, cells: [...cpu, ...bytes, [keptBytes(found), keptBytes(cost)] as const] }
  })
  const names = [
    ...PARTS.map((part) => `${part}, CPU us`),
    'OTLP traces, bytes',
    'OTLP logs, bytes',
    'WAL, bytes',
    'spans',
    'rows',
    'commits',
    'tables, bytes',
  ]
  return table([
    ['a POST at', ...columns.flatMap(({ rate }) => [`${rate}/s`, 'model', 'ratio'])],
    ...names.map((name, n) => [
      name,
      ...columns.flatMap(({ cells }) => {
        const [found, predicted] = cells[n]!
        return [figure(found), figure(predicted), (found / predicted).toFixed(2)]
      }),
    ]),
  ])
}

const FAILURES: Record<keyof Faults, string> = {
  samplerDies: 'a pod of the second tier is gone',
  databaseStands: 'PostgreSQL stands still',
  auditAway: 'audit-service is away',
  storeSlow: 'Tempo takes a tenth',
}

export function faultsText(faults: Faults): string {
  return Object.entries<Fault>({ ...faults })
    .map(([name, { from, to }]) => `${FAILURES[name as keyof Faults]} ${figure(from)} to ${figure(to)} s`)
    .join(', ')
}

export function limitsText(limits: readonly Limit[]): string {
  return left([
    ['as planned', 'what happens at', 'then'],
    ...limits.map(({ name, value, unit, remedy }) => [name, `${figure(value)} ${unit}`, remedy]),
  ])
}

const seconds = (value: number | null) => (value === null ? 'never' : `${figure(value)} s`)

/** Seconds of a run that its table shows: when each failure is there, and after it. */
const SHOWN = [90, 210, 300, 450, 600, 750, 900, 1_020, 1_200]

export function runText(partitions: number, run: Run): string {
  const row = (name: string, unit: string, samples: readonly number[]) => [
    name,
    unit,
    ...SHOWN.map((at) => compact(samples[at / SAMPLED]!)),
  ]
  return [
    `${partitions} partition${partitions === 1 ? '' : 's'}`,
    table([
      ['after s', '', ...SHOWN.map(figure), 'most', 'at the end', 'grows, a second', 'as usual from'],
      ...run.queues.map(({ name, unit, most, atEnd, growth, usualFrom, samples }) => [
        ...row(name, unit, samples),
        compact(most),
        compact(atEnd),
        compact(growth),
        seconds(usualFrom),
      ]),
      row('lost so far', 'spans', run.lostSpans),
      row('refused so far', 'orders', run.refusedOrders),
    ]),
    ledgerText('spans', run.spans),
    ledgerText('orders', run.orders),
    `split traces ${figure(run.splitTraces)}, memory of the second tier at most ${figure(run.mostMemory * 100)} % of where it refuses`,
  ].join('\n')
}

/** `27.6M`, `12k`: what a row of many has room for. */
function compact(value: number): string {
  if (Math.abs(value) >= 1e6) return `${figure(value / 1e6)}M`
  return Math.abs(value) >= 1e4 ? `${figure(value / 1e3)}k` : figure(value)
}

function ledgerText(name: string, ledger: Ledger): string {
  const list = (values: Record<string, number>) =>
    Object.entries(values)
      .map(([what, value]) => `${what} ${figure(value)}`)
      .join(', ')
  const off = Math.abs(difference(ledger)) / ledger.in
  return [
    `${name}: ${figure(ledger.in)} in = out (${list(ledger.out)})`,
    `  + lost or refused (${list(ledger.lost)})`,
    `  + waiting (${list(ledger.waiting)})${off < 1e-9 ? '' : `; DOES NOT ADD UP by ${off}`}`,
  ].join('\n')
}
