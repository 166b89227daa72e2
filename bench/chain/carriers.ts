/**
 * What it costs that a statement carries its trace context, by how it is carried: `node bench/chain/carriers.ts`. One named statement, one
 * connection for each way, in turns. CPU time of the caller's main thread and of the connection's PostgreSQL process; medians, quartiles in
 * brackets.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Span, type SpanContext, TraceFlags, trace } from '@opentelemetry/api'
import { startTestCluster } from '@sightline/db/testing'
import { CarryingQuery } from '@sightline/service-kit/testing'
import pg from 'pg'
import { spread, textOf } from './slices.ts'

const FIND = { name: 'find_user', text: 'select id, name, email, created_at from users where id = $1' }
const [WARM_UP, STATEMENTS, TURNS] = [1_000, 40, 250]

/** Sends the statement, as the kit does. */
type Way = (client: pg.Client) => Promise<unknown>

function find(client: pg.Client, span?: Span): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const query = new CarryingQuery(FIND, [1001])
    query.span = span
    query.callback = (error, result) => (error ? reject(error) : resolve(result))
    client.query(query)
  })
}

const WAYS: Record<string, Way> = {
  nothing: (client) => find(client),
  'nothing, again: the noise': (client) => find(client),
  "the kit: in the statement's write": (client) => find(client, spanOf(spanContext())),
  "the kit, with PostgreSQL's clock around it": (client) => find(client, spanOf(timed(spanContext()))),
  'SET application_name before it': (client) => {
    const { traceId, spanId } = spanContext()
    return Promise.all([client.query(`SET application_name = '00-${traceId}-${spanId}-01'`), find(client)])
  },
}

const random = randomBytes(8 * 1024)
let at = 0
function spanContext(): SpanContext {
  at = (at + 24) % (random.length - 24)
  const hex = random.toString('hex', at, at + 24)
  return { traceId: `${hex.slice(0, 31)}1`, spanId: hex.slice(32), traceFlags: TraceFlags.SAMPLED }
}

const timed = (context: SpanContext) => ({ ...context, traceId: `${context.traceId.slice(0, -1)}0` })

/** As much of one as the kit asks of it. */
const spanOf = (context: SpanContext) => Object.assign(trace.wrapSpanContext(context), { isRecording: () => true })

/** Microseconds that the first thread of a process has run. */
const cpuOf = (pid: number) => Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000

const cluster = await startTestCluster({ shared_preload_libraries: 'pg_stat_statements' })
try {
  const connection = (await cluster.createDatabase()).connection('user_service')
  const names = Object.keys(WAYS)
  const open = new Map<string, { client: pg.Client; pid: number }>()
  for (const name of names) {
    const client = new pg.Client(connection)
    await client.connect()
    const pid = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid
    open.set(name, { client, pid })
    for (let i = 0; i < WARM_UP; i++) await WAYS[name]!(client)
  }
  const taken = names.map(() => ({ caller: [] as number[], server: [] as number[] }))
  for (let turn = 0; turn < TURNS; turn++) {
    for (let n = 0; n < names.length; n++) {
      const index = (n + turn) % names.length
      const name = names[index]!
      const { client, pid } = open.get(name)!
      const before = [cpuOf(process.pid), cpuOf(pid)] as const
      for (let i = 0; i < STATEMENTS; i++) await WAYS[name]!(client)
      taken[index]!.caller.push((cpuOf(process.pid) - before[0]) / STATEMENTS)
      taken[index]!.server.push((cpuOf(pid) - before[1]) / STATEMENTS)
    }
  }
  console.log(
    '| carried by | caller, us a statement | PostgreSQL, us a statement | more than nothing, us |\n|---|---|---|---|',
  )
  const sums = taken.map(({ caller, server }) => caller.map((us, turn) => us + server[turn]!))
  for (const [n, name] of names.entries()) {
    const more = sums[n]!.map((us, turn) => us - sums[0]![turn]!)
    const cells = [taken[n]!.caller, taken[n]!.server, more].map((values) => textOf(spread(values), 1))
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
  for (const { client } of open.values()) await client.end()
} finally {
  await cluster.stop()
}
