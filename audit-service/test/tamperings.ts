/**
 * What the owner of the database can do to a log that witnesses have signed, drawn by a seed: each in a transaction that is rolled back,
 * and held against what a verification then says. `covers` is how far the owner goes to hide it: not at all, with a chain that is made
 * anew over the rows, or with chain and tree; and, where a fork is shown, with the log's own key.
 */
import { randomUUID } from 'node:crypto'
import type { TestDatabase } from '@sightline/db/testing'
import { type BulkQueries, sessionQueries } from '@sightline/service-kit'
import { seededRandom } from '@sightline/service-kit/seeded-random'
import pg from 'pg'
import { GENESIS, hashRow, type SealableRow, seal } from '../chain.ts'
import { SEALED_COLUMNS, type SealedRow } from '../entry.ts'
import { signTreeCheckpoint } from '../note.ts'
import type { Policy } from '../policy.ts'
import { OVERDUE_SECONDS, watchProgress, withProgress } from '../standstill.ts'
import { growTree, proveConsistency, treeHead } from '../tree.ts'
import type { Signer } from '../tree-checkpoint.ts'
import { verifyChain } from '../verify.ts'
import { askWitnesses, forkAmong, readWitnessed, treeAgainst } from '../witnessed.ts'

/** A log whose first `size` rows its witnesses have signed, and a few more that they have not signed yet. */
export interface Scene {
  /** Of the owner, who may do anything. */
  owner: pg.Client
  queries: BulkQueries
  signer: Pick<Signer, 'origin' | 'key'>
  publicKey: Parameters<typeof readWitnessed>[2]
  policy: Policy
  size: number
  /** Notes of before with their cosignatures, each of a smaller tree than the last. */
  older: string[]
}

/** What was done, and what has to be found: a reason like this, at this position where it can be known. */
interface Done {
  what: string
  reason: RegExp
  position?: number
  /** Notes that the owner shows to whoever verifies. */
  shown?: string[]
  /** Since when the sealer has seen no progress, where the tables don't say so. */
  since?: Date
}

/** What became of a tampering. `missed`: why it counts as undetected. */
export interface Outcome {
  kind: string
  what: string
  found: string
  missed: string | undefined
}

/** Numbers below another, from a seed: the same on every machine. */
export function numbersFrom(seed: number): (below: number) => number {
  const random = seededRandom(seed)
  return (below) => Math.floor(random() * below)
}

/** The owner's connection, which reads numbers as the service does. */
export async function ownerOf(database: TestDatabase): Promise<{ owner: pg.Client; queries: BulkQueries }> {
  const owner = new pg.Client(database.connection())
  await owner.connect()
  return { owner, queries: sessionQueries(owner) }
}

type Draw = (below: number) => number
const COVERS = ['nothing', 'the chain', 'chain and tree'] as const
type Covers = (typeof COVERS)[number]
type Kind = (scene: Scene, draw: Draw, covers: Covers) => Promise<Done>

const oneOf = <One>(all: readonly One[], draw: Draw): One => all[draw(all.length)]!
const anywhere = ({ size }: Scene, draw: Draw) => 1 + draw(size)

async function idAt({ owner }: Scene, position: number): Promise<number> {
  return (await owner.query('select audit_id from audit_chain where position = $1', [position])).rows[0].audit_id
}

/** Makes the chain fit the rows that it names, in the order of its positions and with its times. */
async function sealAnew({ owner }: Scene): Promise<void> {
  const { rows } = await owner.query<SealedRow>(
    `select ${SEALED_COLUMNS} from audit_chain c join audit_logs a on a.id = c.audit_id order by c.position`,
  )
  let previous: Buffer = GENESIS
  const links = rows.map((row, n) => {
    const rowHash = hashRow(row as SealableRow)
    previous = seal(previous, n + 1, rowHash, row.sealed_at)
    return [n + 1, row.audit_id, rowHash, previous] as const
  })
  await owner.query('create temporary table times on commit drop as select audit_id, sealed_at from audit_chain')
  await owner.query('truncate audit_chain')
  await owner.query(
    `insert into audit_chain (position, audit_id, row_hash, hash, sealed_at, version)
     select l.position, l.audit_id, l.row_hash, l.hash, t.sealed_at, 2
     from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) as l (position, audit_id, row_hash, hash) join times t using (audit_id)`,
    [0, 1, 2, 3].map((column) => links.map((link) => link[column])),
  )
}

async function growAnew({ owner, queries }: Scene): Promise<void> {
  await owner.query('truncate audit_tiles')
  while ((await growTree(queries, 10_000)) > 0);
}

/** Hides what was done at a position; `open` is what shows where it is not hidden. */
async function cover(scene: Scene, covers: Covers, position: number, open: RegExp) {
  if (covers === 'nothing') return { reason: open, position }
  await sealAnew(scene)
  if (covers === 'the chain') return { reason: /its leaf in the tree is another/, position }
  await growAnew(scene)
  return { reason: /^ANOTHER HISTORY: the first \d+ rows of the tree have the root/ }
}

const CHANGED = /the audit row was changed after it was sealed/
const TWICE = /there are \d+ orders, \d+ audit rows/
const UNFIT = /the seal does not follow from the one before it/

/** Sets something of one row, of its order as well where that says the same, or of its seal. */
async function set(scene: Scene, draw: Draw, covers: Covers, table: 'row' | 'seal', to: string): Promise<Done> {
  const { owner } = scene
  const position = anywhere(scene, draw)
  const id = await idAt(scene, position)
  if (table === 'seal') await owner.query(`update audit_chain set ${to} where position = $1`, [position])
  else {
    await owner.query(`update audit_logs set ${to} where id = $1`, [id])
    await owner.query(
      `update orders o set event_id = a.event_id, user_id = a.user_id, action = a.action,
         total = coalesce((a.details ->> 'total')::numeric, o.total), currency = coalesce(a.details ->> 'currency', o.currency)
       from audit_logs a where a.id = $1 and o.id = a.order_id`,
      [id],
    )
  }
  return { what: `${table}: ${to}`, ...(await cover(scene, covers, position, table === 'row' ? CHANGED : UNFIT)) }
}

const FORGED_ORDER = `insert into orders (event_id, user_id, action, status, total, currency)
  values ($1, 1, 'purchase', 'completed', 1.5, 'USD') returning id`
const FORGED_ROW = `insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, details)
  select event_id, 'order.completed', '2026-01-02T03:04:05.678Z', 'order-service', user_id, id, action,
    jsonb_build_object('n', id, 'total', total, 'currency', currency) from orders where id = $1 returning id`

async function forge({ owner }: Scene): Promise<{ order: number; row: number }> {
  const order = (await owner.query(FORGED_ORDER, [randomUUID()])).rows[0].id
  return { order, row: (await owner.query(FORGED_ROW, [order])).rows[0].id }
}

/** Gives a row a place in the chain, with the time of its neighbour; those behind it move on. */
async function insertAt({ owner }: Scene, position: number, auditId: number): Promise<void> {
  await owner.query('update audit_chain set position = position + 1000000 where position >= $1', [position])
  await owner.query('update audit_chain set position = position - 999999 where position > 1000000')
  await owner.query(
    `insert into audit_chain (position, audit_id, row_hash, hash, sealed_at, version)
     select $1::bigint, $2::bigint, row_hash, hash, sealed_at, 2 from audit_chain where position = $1::bigint + 1`,
    [position, auditId],
  )
}

/** Leaves the first rows alone, with their orders and seals. */
async function cutTo(scene: Scene, size: number): Promise<void> {
  for (const statement of [
    `delete from orders where id in (select order_id from audit_logs a join audit_chain c on c.audit_id = a.id where position > ${size})`,
    `delete from audit_logs where id in (select audit_id from audit_chain where position > ${size})`,
    `delete from audit_chain where position > ${size}`,
  ])
    await scene.owner.query(statement)
}

const later = (seconds: number) => `now() - interval '${seconds} seconds'`

async function truncate(scene: Scene, draw: Draw): Promise<Done> {
  const { owner } = scene
  const all = 'audit_logs, audit_chain, audit_tiles, audit_unsealed'
  const [what, statement, reason] = oneOf(
    [
      ['the rows', 'truncate audit_logs', /the audit row is missing/],
      ['the chain', 'truncate audit_chain', /the tree knows position \d+: the end of the chain was cut off/],
      ['the tree', 'truncate audit_tiles', /^ROLLED BACK: the tree has 0 rows/],
      ['rows, chain and tree', `truncate ${all}`, /there are \d+ orders, 0 audit rows|order \d+ has no audit row/],
      ['all with its orders', `truncate ${all}, orders cascade`, /^ROLLED BACK: the tree has 0 rows/],
    ] as const,
    draw,
  )
  await owner.query(statement)
  return { what, reason }
}

async function cutEnd(scene: Scene, draw: Draw, covers: Covers): Promise<Done> {
  const size = draw(scene.size)
  await cutTo(scene, size)
  const what = `the end behind row ${size}`
  if (covers !== 'chain and tree')
    return { what, reason: /the tree knows position \d+: the end of the chain was cut off/ }
  await growAnew(scene)
  return { what, reason: new RegExp(`^ROLLED BACK: the tree has ${size} rows`) }
}

async function rollBack(scene: Scene, draw: Draw): Promise<Done> {
  const note = oneOf(scene.older, draw)
  const { size } = readWitnessed(note, scene.signer.origin, scene.publicKey, scene.policy).checkpoint
  await cutTo(scene, size)
  await growAnew(scene)
  return {
    what: `to the signed checkpoint of ${size} rows`,
    shown: [note],
    reason: new RegExp(`^ROLLED BACK: the tree has ${size} rows`),
  }
}

async function stopSealer(scene: Scene, draw: Draw): Promise<Done> {
  const { owner } = scene
  const { row } = await forge(scene)
  const how = draw(4)
  const old = later(OVERDUE_SECONDS + 1 + draw(100_000))
  const waits = /the audit row waits for its seal since 20\d\d-/
  if (how < 3) {
    // In the queue, in the row, or in both it says how long it waits.
    await owner.query(`insert into audit_unsealed (audit_id, recorded_at) values ($1, ${how === 1 ? 'now()' : old})`, [
      row,
    ])
    if (how > 0) await owner.query(`update audit_logs set recorded_at = ${old} where id = $1`, [row])
    return { what: `a row waits, and ${['its queue says', 'it says', 'both say'][how]} since when`, reason: waits }
  }
  await owner.query('insert into audit_unsealed (audit_id) values ($1)', [row])
  const look = async () =>
    (
      await owner.query(
        `select exists (select from audit_unsealed) as waits, (select max(position) from audit_chain) as "end"`,
      )
    ).rows[0]
  let now = Date.now() - (OVERDUE_SECONDS + 6) * 1000
  const progress = watchProgress(() => now)
  for (let n = 0; n < 3; n++) {
    progress.saw(await look())
    now += 5_500
  }
  return {
    what: 'a row waits, and all that says since when is dated anew',
    reason: /rows wait, and none was sealed since 20\d\d-/,
    since: progress.since()!,
  }
}

/** The log's key signs another history: for one that has seen nothing else, and for the witnesses. */
async function fork(scene: Scene, draw: Draw): Promise<Done> {
  const { owner, queries, signer } = scene
  const how = oneOf(['as large', 'larger', 'smaller'] as const, draw)
  const position = 1 + draw(scene.size - 10)
  await owner.query('savepoint before')
  const id = await idAt(scene, position)
  await owner.query(`update audit_logs set action = 'refund' where id = $1`, [id])
  await owner.query(`update orders set action = 'refund' where id = (select order_id from audit_logs where id = $1)`, [
    id,
  ])
  await sealAnew(scene)
  await growAnew(scene)
  const size = scene.size + { 'as large': 0, larger: 1 + draw(3), smaller: -1 - draw(scene.size - position) }[how]
  const { note } = signTreeCheckpoint(await treeHead(queries, size), signer.origin, signer.key)
  for (const { url, key } of scene.policy.witnesses) {
    const from = Math.min(size, scene.size)
    const { hashes } = await proveConsistency(queries, from, size)
    const body = `old ${from}\n${hashes.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`
    const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body })
    const text = await answer.text()
    const wanted =
      size < scene.size
        ? answer.status === 409 && text === `${scene.size}\n`
        : answer.status === 422 && /FORK/.test(text)
    if (!wanted) throw new Error(`${key.name} took a fork of ${size} rows for ${answer.status} ${text}`)
  }
  const lacks = scene.policy.lacks(readWitnessed(note, signer.origin, scene.publicKey, scene.policy).cosignatures)
  if (lacks === undefined) throw new Error('a fork has a quorum of witnesses')
  const what = `another tree, ${how}, of ${size} rows`
  if (draw(2) === 0)
    return {
      what: `${what}, in the database`,
      shown: [note],
      reason: how === 'as large' ? /^FORK/ : /^ANOTHER HISTORY/,
    }
  await owner.query('rollback to savepoint before')
  return {
    what: `${what}, shown to somebody`,
    shown: [note],
    reason: how === 'as large' ? /^FORK/ : /^ANOTHER HISTORY/,
  }
}

async function duplicate(scene: Scene, draw: Draw, covers: Covers): Promise<Done> {
  const { owner } = scene
  const id = await idAt(scene, anywhere(scene, draw))
  if (covers === 'nothing' && draw(2) === 0) {
    await owner.query('insert into audit_unsealed (audit_id) values ($1)', [id])
    return { what: 'a sealed row is queued again', reason: /is sealed and waits for a seal/ }
  }
  await owner.query('alter table audit_logs drop constraint audit_logs_event_id_key')
  const columns =
    'event_id, event_type, occurred_at, recorded_at, source, user_id, order_id, action, trace_id, request_id, details'
  const copied = (
    await owner.query(
      `insert into audit_logs (${columns}) select ${columns} from audit_logs where id = $1 returning id`,
      [id],
    )
  ).rows[0].id
  if (covers === 'nothing') {
    await owner.query('insert into audit_unsealed (audit_id) values ($1)', [copied])
    await owner.query('select audit_seal(10), audit_grow(10)')
    return { what: 'a row is there twice, sealed at the end', reason: TWICE }
  }
  const position = anywhere(scene, draw)
  await insertAt(scene, position, copied)
  const named = await cover(scene, covers, position, UNFIT)
  const what = 'a row is there twice, sealed in between'
  // It can't hide that one order now has two rows.
  return covers === 'chain and tree' ? { what, reason: TWICE } : { what, ...named }
}

async function insert(scene: Scene, draw: Draw, covers: Covers): Promise<Done> {
  const { owner } = scene
  const how = covers === 'nothing' ? draw(3) : 3
  if (how === 0) {
    await owner.query('insert into audit_unsealed (audit_id) values ($1)', [1_000_000 + draw(1_000)])
    return { what: 'an entry of the queue', reason: /what waits for a seal is no audit row/ }
  }
  const { order, row } = await forge(scene)
  if (how === 1) return { what: 'a row that nobody seals', reason: /has no seal and does not wait for one/ }
  if (how === 2) {
    await owner.query('delete from orders where id = $1', [order])
    await owner.query('insert into audit_unsealed (audit_id) values ($1)', [row])
    return { what: 'a row without an order', reason: /the audit row has no order/ }
  }
  const position = anywhere(scene, draw)
  await insertAt(scene, position, row)
  return { what: 'a row with its order, in between', ...(await cover(scene, covers, position, UNFIT)) }
}

async function remove(scene: Scene, draw: Draw, covers: Covers): Promise<Done> {
  const { owner } = scene
  const position = anywhere(scene, draw)
  const id = await idAt(scene, position)
  const how = covers === 'nothing' ? draw(3) : 2
  if (how > 0) await owner.query('delete from orders where id = (select order_id from audit_logs where id = $1)', [id])
  await owner.query('delete from audit_logs where id = $1', [id])
  if (how === 2) await owner.query('delete from audit_chain where audit_id = $1', [id])
  const open = how === 2 ? /the seal at this position is missing/ : /the audit row is missing/
  return {
    what: ['a row', 'a row and its order', 'a row, its order and its seal'][how]!,
    ...(await cover(scene, covers, position, open)),
  }
}

async function reorder(scene: Scene, draw: Draw, covers: Covers): Promise<Done> {
  const one = anywhere(scene, draw)
  const two = 1 + ((one + draw(scene.size - 1)) % scene.size)
  await scene.owner.query('update audit_chain set position = position + 1000000 where position in ($1, $2)', [one, two])
  await scene.owner.query(
    'update audit_chain set position = case position when 1000000 + $1::bigint then $2::bigint else $1::bigint end where position > 1000000',
    [one, two],
  )
  const first = Math.min(one, two)
  return { what: `rows ${one} and ${two} change places`, ...(await cover(scene, covers, first, UNFIT)) }
}

async function rewriteAll(scene: Scene, draw: Draw, covers: Covers): Promise<Done> {
  const to = oneOf(
    [`action = 'refund'`, `request_id = 'another'`, `occurred_at = occurred_at - interval '1 day'`],
    draw,
  )
  await scene.owner.query(`update audit_logs set ${to}`)
  if (to.startsWith('action')) await scene.owner.query(`update orders set ${to}`)
  return { what: `all rows: ${to}`, ...(await cover(scene, covers, 1, CHANGED)) }
}

const FIELDS = [
  `event_type = event_type || '.'`,
  `source = 'another'`,
  `user_id = case user_id when 1 then 123 else 1 end`,
  `action = 'refund'`,
  `trace_id = repeat('a', 32)`,
  `request_id = 'another'`,
  `details = details || '{"n": 0}'`,
  `details = details || '{"total": 1}'`,
  `event_id = gen_random_uuid()`,
  `recorded_at = recorded_at - interval '1 microsecond'`,
  `occurred_at = occurred_at + interval '1 day'`,
]
const RANGE = [
  `'infinity'`,
  `'-infinity'`,
  `'0044-03-15 12:00+00 BC'`,
  `'4713-01-01 00:00+00 BC'`,
  `'294276-12-31 23:59:59+00'`,
]
const ABSENT = [
  `details = details || '{"absent": null}'`,
  `details = details - 'n' || '{"n": null}'`,
  `details = details - 'n'`,
  `request_id = ''`,
  `request_id = 'null'`,
  `trace_id = ''`,
  `user_id = null`,
]

const KINDS: Record<string, Kind> = {
  change: (scene, draw, covers) =>
    draw(8) === 0
      ? set(scene, draw, covers, 'seal', `sealed_at = sealed_at - interval '1 hour'`)
      : set(scene, draw, covers, 'row', oneOf(FIELDS, draw)),
  delete: remove,
  insert,
  reorder,
  truncate: (scene, draw, covers) => (draw(2) === 0 ? truncate(scene, draw) : cutEnd(scene, draw, covers)),
  'rewrite all': rewriteAll,
  'roll back': rollBack,
  'stop the sealer': stopSealer,
  fork,
  'times out of range': (scene, draw, covers) => {
    const [table, column] = oneOf(
      [
        ['row', 'occurred_at'],
        ['row', 'recorded_at'],
        ['seal', 'sealed_at'],
      ] as const,
      draw,
    )
    return set(scene, draw, covers, table, `${column} = ${oneOf(RANGE, draw)}`)
  },
  'null against absent': (scene, draw, covers) => set(scene, draw, covers, 'row', oneOf(ABSENT, draw)),
  duplicate,
}
export const KIND_NAMES = Object.keys(KINDS)

/** What a verification with witnesses says of the log as it is: as `npm run audit:verify -- --policy` does. */
async function verify(
  scene: Scene,
  { shown = [], since }: Partial<Done>,
): Promise<{ position: number | null; reason: string } | undefined> {
  const { queries, policy, signer, publicKey } = scene
  const result = await verifyChain(queries)
  const { first_broken, waiting_since } = since === undefined ? result : withProgress(result, { since: () => since })
  if (first_broken !== null && waiting_since === null) return first_broken
  const { found, silent } = await askWitnesses(policy, signer.origin, publicKey)
  if (silent.length > 0) throw new Error(silent.join('; '))
  found.push(...shown.map((note) => readWitnessed(note, signer.origin, publicKey, policy)))
  const reason = forkAmong(found) ?? (await treeAgainst(queries, found))
  return reason === undefined ? (first_broken ?? undefined) : { position: null, reason }
}

/** Does the n-th tampering of a seed, verifies, and takes it back. */
export async function tamperOnce(scene: Scene, seed: number, n: number): Promise<Outcome> {
  const kind = KIND_NAMES[n % KIND_NAMES.length]!
  const draw = numbersFrom(seed * 1_000_003 + n)
  const covers = oneOf(COVERS, draw)
  return undone(scene, async () => {
    const done = await KINDS[kind]!(scene, draw, covers)
    const what = `${done.what}${['stop the sealer', 'fork', 'roll back'].includes(kind) ? '' : `; covering ${covers}`}`
    const found = await verify(scene, done)
    const said = found === undefined ? 'intact' : `position ${found.position ?? 'none'}: ${found.reason}`
    const isNamed = found !== undefined && done.reason.test(found.reason)
    const isPlaced = done.position === undefined || found?.position === done.position
    const missed = isNamed && isPlaced ? undefined : `wanted ${done.reason} at position ${done.position ?? 'any'}`
    return { kind, what, found: said, missed }
  })
}

/** The same to a row that no witness has signed yet, covered wholly; resolves to whether anything was found. */
export async function tamperInWindow(scene: Scene, position: number): Promise<boolean> {
  return undone(scene, async () => {
    await scene.owner.query(`update audit_logs set request_id = 'another' where id = $1`, [await idAt(scene, position)])
    await sealAnew(scene)
    await growAnew(scene)
    return (await verify(scene, {})) !== undefined
  })
}

/** With triggers and foreign keys off, as only the owner can. */
async function undone<T>({ owner }: Scene, work: () => Promise<T>): Promise<T> {
  await owner.query('begin; set local session_replication_role = replica')
  try {
    return await work()
  } finally {
    await owner.query('rollback')
  }
}
