/**
 * Checks the chain page by page: seals, rows, leaves and orders. Each row is hashed when it comes, while PostgreSQL sends the next ones,
 * holds the page before against its orders and reads the seals of the page behind. Held of a page are its seals, a hundred bytes each.
 */
import { hash } from 'node:crypto'
import type { AuditVerification } from '@sightline/contracts'
import type { BulkQueries, CopiedRow, Copy } from '@sightline/service-kit'
import { GENESIS } from './chain.ts'
import type { Checkpoint } from './checkpoint-format.ts'
import { HASH_BYTES, hasText } from './merkle.ts'
import { orderOf, ROW_COLUMNS, RowWriter, readBigint, SEAL_COLUMNS, TIME_BYTES } from './row-bytes.ts'
import type { TreeCheck } from './tree-check.ts'

/** Where the chain is broken, and how. */
export type Fault = NonNullable<AuditVerification['first_broken']>

/** What is wrong between a row of `audit_logs a` and its order `o`; null where they agree. */
export const ORDER_FAULT = `case when o.id is null then 'the audit row has no order'
  when (o.event_id, o.user_id, o.action, to_jsonb(o.total), to_jsonb(o.currency))
    is distinct from (a.event_id, a.user_id, a.action, a.details -> 'total', a.details -> 'currency')
  then 'the audit row and order ' || o.id || ' disagree' end`

export const OTHER_THAN_SIGNED = 'the seal differs from the signed checkpoint: the chain was made anew'

/** Rows of the first page: who has little time gets that far. Each page is twice as long as the one before, up to the most. */
const FIRST_PAGE = 1_000
const MOST_OF_PAGE = 8_000
/** Ids that lie this many times as far apart as there are of them are read one by one. */
const SPARSE = 4

/** A place in the chain: so many rows fit, and this is the seal of the last of them. */
export interface Place {
  position: number
  previous: Buffer
}

/** What pages are checked against besides themselves. */
export interface Against {
  tree: TreeCheck
  checkpoint: Checkpoint | undefined
}

/** How far to go: to the position `last`, or until the time is up, which is asked after each page. */
export interface Reach {
  last: number
  isTimeUp: () => boolean
  onChecked: (place: Place) => void
}

/** Checks what is behind a place. Resolves to how far all fits, and what is wrong behind that; rejects only when the database does. */
export async function checkPages(
  database: BulkQueries,
  start: Place,
  against: Against,
  { last, isTimeUp, onChecked }: Reach,
): Promise<Place & { fault: Fault | undefined }> {
  const { tree } = against
  const open = (position: number, length: number) => newPage(position, Math.min(length, last - position))
  const copyAhead = (page: Page) => [copySeals(page), tree.copyTiles(page.position + 1, endOf(page))]
  let before: Page | undefined
  let page = open(start.position, FIRST_PAGE)
  page.previous = start.previous
  await database.copyRows('chain_page', copyAhead(page))
  for (;;) {
    tree.turn()
    endSeals(page)
    const next =
      page.first.fault() === undefined && endOf(page) < last
        ? open(endOf(page), Math.min(2 * page.length, MOST_OF_PAGE))
        : undefined
    await database.copyRows('chain_page', [
      ...(before ? copyOrders(before) : []),
      ...copyAudit(page, against),
      ...(next ? copyAhead(next) : []),
    ])
    if (before !== undefined) {
      if (before.first.fault() !== undefined) return result(before)
      onChecked(result(before))
    }
    endRows(page, tree)
    if (next === undefined || page.first.fault() !== undefined || isTimeUp()) {
      await database.copyRows('chain_page', copyOrders(page))
      const reached = result(page)
      onChecked(reached)
      return reached
    }
    next.previous = hashAt(page, page.count - 1)
    before = page
    page = next
  }
}

/** Ids as they come, and how far apart they lie. */
interface Ids {
  all: Array<number | string>
  least: number
  most: number
}

/** A page while it is read: its seals by their place in it, and what is found of them. */
interface Page extends Place {
  /** How many seals it is to have, and how many have come. */
  length: number
  count: number
  ids: Ids
  byId: Map<number | string, number>
  /** Seals whose row an earlier one of the page has sealed. */
  again: number[]
  versions: Uint16Array
  rowHashes: Buffer
  hashes: Buffer
  sealedAt: Buffer
  /** By place, 1 for the rows that came. */
  found: Uint8Array
  orders: Ids
  first: FirstFault
}

function newPage(position: number, length: number): Page {
  return {
    position,
    previous: GENESIS,
    length,
    count: 0,
    ids: noIds(),
    byId: new Map(),
    again: [],
    versions: new Uint16Array(length),
    rowHashes: Buffer.alloc(length * HASH_BYTES),
    hashes: Buffer.alloc(length * HASH_BYTES),
    sealedAt: Buffer.alloc(length * TIME_BYTES),
    found: new Uint8Array(length),
    orders: noIds(),
    first: firstFault(),
  }
}

const endOf = ({ position, length }: Page) => position + length
const hashAt = ({ hashes }: Page, index: number) => hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)

function result(page: Page): Place & { fault: Fault | undefined } {
  const checked = Math.min(page.first.place(), page.count)
  const previous = checked === 0 ? page.previous : hashAt(page, checked - 1)
  return { position: page.position + checked, previous, fault: page.first.fault() }
}

/** No seal at a position that has one behind it, or should have. */
export function missingSeal(position: number): Fault {
  return { position, audit_id: null, reason: 'the seal at this position is missing' }
}

/** What is said of a place at which several things are wrong: the first of these. */
const RANK = { missing: 0, row: 1, nodes: 2, order: 3 } as const

/** Of faults that are found in any order, that of the lowest place. */
interface FirstFault {
  found(place: number, rank: number, fault: Fault): void
  /** Infinity while there is none. */
  place(): number
  fault(): Fault | undefined
}

function firstFault(): FirstFault {
  let [first, rankThere] = [Number.POSITIVE_INFINITY, 0]
  let faultThere: Fault | undefined
  return {
    found(place, rank, fault) {
      if (place > first || (place === first && rank >= rankThere)) return
      first = place
      rankThere = rank
      faultThere = fault
    },
    place: () => first,
    fault: () => faultThere,
  }
}

function tell({ position, ids, first }: Page, index: number, rank: number, reason: string): void {
  first.found(index, rank, { position: position + 1 + index, audit_id: Number(ids.all[index]), reason })
}

function copySeals(page: Page): Copy {
  return {
    text: `select ${SEAL_COLUMNS} from audit_chain where position > ${page.position} and position <= ${endOf(page)} order by position`,
    onRow(row) {
      if (page.first.fault() !== undefined) return
      const expected = page.position + 1 + page.count
      if (readBigint(row, 0) === expected) addSeal(page, row)
      else page.first.found(page.count, RANK.missing, missingSeal(expected))
    },
  }
}

function addSeal(page: Page, row: CopiedRow): void {
  const index = page.count++
  const id = readBigint(row, 1)
  if (page.byId.has(id)) page.again.push(index)
  else page.byId.set(id, index)
  addId(page.ids, id)
  copyExact(row, 2, page.rowHashes, index * HASH_BYTES, HASH_BYTES)
  copyExact(row, 3, page.hashes, index * HASH_BYTES, HASH_BYTES)
  copyExact(row, 4, page.sealedAt, index * TIME_BYTES, TIME_BYTES)
  page.versions[index] = row.bytes.readUInt16BE(row.starts[5]!)
}

/** What has another length is no hash: zeros stay in its place, which no row and no seal has for a hash. */
function copyExact(
  { bytes, starts, lengths }: CopiedRow,
  field: number,
  into: Buffer,
  at: number,
  length: number,
): void {
  if (lengths[field] !== length) return
  const start = starts[field]!
  for (let n = 0; n < length; n++) into[at + n] = bytes[start + n]!
}

function endSeals(page: Page): void {
  const { count, length, position, first } = page
  if (count < length) first.found(count, RANK.missing, missingSeal(position + 1 + count))
}

function copyAudit(page: Page, against: Against): Copy[] {
  if (page.count === 0) return []
  const text = `select ${ROW_COLUMNS} from audit_logs a where ${among('a.id', page.ids)}`
  return [{ text, onRow: (row) => checkRow(page, row, against) }]
}

function checkRow(page: Page, row: CopiedRow, against: Against): void {
  const index = page.byId.get(readBigint(row, 0))
  if (index === undefined) return
  page.found[index] = 1
  const order = orderOf(row)
  if (order !== undefined) addId(page.orders, order)
  const reason = rowFault(page, index, row, against)
  if (reason !== undefined) tell(page, index, RANK.row, reason)
}

/** The same for every row. */
const writer = new RowWriter()

function rowFault(page: Page, index: number, row: CopiedRow, { tree, checkpoint }: Against): string | undefined {
  const { rowHashes, hashes, sealedAt, versions } = page
  const [hashFrom, timeFrom] = [index * HASH_BYTES, index * TIME_BYTES]
  const position = page.position + 1 + index
  const version = versions[index]!
  writer.entry(position, version, rowHashes, hashes, hashFrom, sealedAt, timeFrom, row)
  if (!hasText(rowHashes, hashFrom, hash('sha256', writer.row(), 'binary')))
    return 'the audit row was changed after it was sealed'
  const previous = index === 0 ? page.previous : hashes
  const previousFrom = index === 0 ? 0 : hashFrom - HASH_BYTES
  const statement = writer.seal(previous, previousFrom, position, rowHashes, hashFrom, version !== 1)
  if (!hasText(hashes, hashFrom, hash('sha256', statement, 'binary')))
    return 'the seal does not follow from the one before it'
  if (checkpoint?.position === position && hashAt(page, index).toString('hex') !== checkpoint.hash)
    return OTHER_THAN_SIGNED
  return tree.isIn(position) ? tree.leafFault(position, hash('sha256', writer.leaf(), 'binary')) : undefined
}

/** What can be said when no more rows come. */
function endRows(page: Page, tree: TreeCheck): void {
  for (const index of page.again) {
    page.found[index] = 1
    tell(page, index, RANK.row, 'the audit row is sealed a second time')
  }
  const gone = page.found.indexOf(0)
  if (gone >= 0 && gone < page.count) tell(page, gone, RANK.missing, 'the audit row is missing')
  const broken = tree.nodesFault(page.position + Math.min(page.first.place(), page.count))
  if (broken !== undefined) tell(page, broken.position - page.position - 1, RANK.nodes, broken.reason)
}

/** Rows of the page that are not their orders', or have none. */
function copyOrders(page: Page): Copy[] {
  if (page.count === 0) return []
  const orders = page.orders.all.length === 0 ? 'false' : among('id', page.orders)
  const text = `select * from (
     select a.id, ${ORDER_FAULT} as reason
     from audit_logs a left join (select * from order_events where ${orders}) o on o.id = a.order_id
     where ${among('a.id', page.ids)}
   ) pairs where reason is not null`
  const onRow = (row: CopiedRow) => {
    const index = page.byId.get(readBigint(row, 0))
    const start = row.starts[1]!
    if (index !== undefined) tell(page, index, RANK.order, row.bytes.toString('utf8', start, start + row.lengths[1]!))
  }
  return [{ text, onRow }]
}

const noIds = (): Ids => ({ all: [], least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY })

function addId(ids: Ids, id: number | string): void {
  ids.all.push(id)
  const number = Number(id)
  if (number < ids.least) ids.least = number
  if (number > ids.most) ids.most = number
}

/** SQL that is true of these ids, and of no more others than is quicker than to ask for each. */
function among(column: string, { all, least, most }: Ids): string {
  if (most - least < SPARSE * all.length && Number.isSafeInteger(most)) return `${column} between ${least} and ${most}`
  return `${column} = any ('{${all.join()}}'::bigint[])`
}
