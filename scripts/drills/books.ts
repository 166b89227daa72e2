/** Holds what clients were told against what the database holds: orders, audit rows, stock, and the chain of seals. */
import { until } from '@sightline/service-kit/poll'
import { type DrillRun, secondsUntil } from './drill.ts'
import { ANSWERED, type Load, outcomes } from './load.ts'

type Counts = Record<string, number>

/** The state before the load, to count from. */
export interface Opening {
  lastOrder: number
  stock: { product_id: string; on_hand: number; reserved: number }[]
}

const PLENTY = 1_000_000

/** Fills the shelves, so that no order is refused for lack of stock, and notes what is there. */
export async function openBooks({ database }: DrillRun): Promise<Opening> {
  await database.query(
    `with low as (select product_id from inventory where on_hand < $1 / 2 order by product_id for update)
     update inventory set on_hand = $1 from low where inventory.product_id = low.product_id`,
    [PLENTY],
  )
  const { rows } = await database.query('select coalesce(max(id), 0)::float8 as last from orders')
  return { lastOrder: rows[0].last, stock: await readStock(database) }
}

/** Call when everything is up again and the load has stopped. Notes one line for each promise. */
export async function closeBooks(run: DrillRun, load: Load, opening: Opening): Promise<void> {
  const attempts = load.since(0)
  run.say(`load: ${attempts.length} requests; answers ${outcomes(attempts)}`)
  await checkOrders(run, load)
  await checkAuditRows(run)
  await checkStock(run, opening)
  await checkChain(run)
}

async function checkOrders({ database, expect }: DrillRun, load: Load): Promise<void> {
  const { rows } = await database.query<{ id: number; request_id: string }>(
    'select id::float8 as id, request_id from orders where request_id like $1',
    [`${load.prefix}-%`],
  )
  const ordersOf = new Map<string, number[]>()
  for (const { id, request_id } of rows) {
    const number = request_id.split('-').slice(0, 3).join('-')
    ordersOf.set(number, [...(ordersOf.get(number) ?? []), id])
  }
  let answered = 0
  let right = 0
  let twice = 0
  let again = 0
  let unheard = 0
  for (const { key, attempts } of load.sent) {
    const orders = ordersOf.get(attempts[0]!.requestId.split('-').slice(0, 3).join('-')) ?? []
    const told = attempts.filter(({ outcome }) => ANSWERED.includes(outcome)).map(({ orderId }) => orderId)
    if (orders.length > 1) twice++
    if (key !== undefined && told.length > 1) again++
    if (told.length === 0) {
      unheard += orders.length
      continue
    }
    answered++
    if (orders.length === 1 && told.every((id) => id === orders[0])) right++
  }
  const counted = `${right} of ${answered} (${unheard} orders whose answer got lost)`
  expect('every request answered 200, 201 or 202 has exactly one order', right === answered && answered > 0, counted)
  const keyed = load.sent.filter(({ key, attempts }) => key !== undefined && attempts.length > 1).length
  const repeats = `${twice} doubled; ${keyed} requests with a key were sent more than once, ${again} answered more than once`
  expect('no request has two orders, however often it is sent', twice === 0, repeats)
}

const FAULTS = `
  select (select count(*) from orders o where (select count(*) from audit_logs a where a.order_id = o.id) <> 1)::int as orders_without_one_row,
    (select count(*) from audit_logs a where not exists (select from orders o where o.id = a.order_id and o.event_id = a.event_id))::int
      as rows_without_order,
    (select count(*) from orders o where o.total <> (select coalesce(sum(line_total), -1) from order_items i where i.order_id = o.id))::int
      as wrong_totals,
    (select count(*) from orders)::int as orders`

async function checkAuditRows({ database, options: { auditWithinSeconds }, expect }: DrillRun): Promise<void> {
  let last: Counts = {}
  let seconds = auditWithinSeconds
  const complete = await secondsUntil('every order has its audit row', auditWithinSeconds, async () => {
    const { rows } = await database.query<Counts>(FAULTS)
    last = rows[0]!
    if (last.orders_without_one_row !== 0) throw new Error('some orders still wait for their audit row')
  }).then(
    (took) => {
      seconds = took
      return true
    },
    () => false,
  )
  const counted = `${last.orders} orders, ${last.orders_without_one_row ?? 'unknown'} without, after ${seconds.toFixed(1)} s`
  expect(`within ${auditWithinSeconds} s every order has exactly one audit row`, complete, counted)
  const strays = `${last.rows_without_order} strays, ${last.wrong_totals} wrong totals`
  expect(
    'no audit row without its order, no total that is not the sum of its lines',
    strays === '0 strays, 0 wrong totals',
    strays,
  )
}

async function checkStock({ database, expect }: DrillRun, opening: Opening): Promise<void> {
  const { rows } = await database.query<{ product_id: string; pieces: number }>(
    'select product_id, sum(quantity)::int as pieces from order_items where order_id > $1 group by product_id',
    [opening.lastOrder],
  )
  const sold = new Map(rows.map(({ product_id, pieces }) => [product_id, pieces]))
  const now = await readStock(database)
  const wrong = opening.stock.filter(({ product_id, on_hand, reserved }, index) => {
    const then = now[index]!
    return then.on_hand !== on_hand - (sold.get(product_id) ?? 0) || then.reserved !== reserved
  })
  const pieces = [...sold].filter(([id]) => opening.stock.some(({ product_id }) => product_id === id))
  const total = pieces.reduce((sum, [, count]) => sum + count, 0)
  const counted = wrong.length
    ? `wrong: ${wrong.map(({ product_id }) => product_id).join(', ')}`
    : `${total} pieces sold`
  expect('stock balances: what is gone was ordered, nothing stays reserved', wrong.length === 0, counted)
}

const SEALED_WITHIN_SECONDS = 30

/** Through the gateway as anyone would, in as many pages as it takes. */
async function checkChain({ system, expect }: DrillRun): Promise<void> {
  const result = await until(
    'the audit chain is complete',
    SEALED_WITHIN_SECONDS,
    () => verifyChain(system.urls.gateway),
    ({ status, unsealed }) => {
      if (status === 'intact' && unsealed > 0) throw new Error(`${unsealed} rows wait for their seal`)
    },
  )
  const counted = result.fault ?? `${result.checked} seals checked, ${result.unsealed} rows without`
  expect('the audit chain verifies', result.status === 'intact', counted)
}

/** The verdict on the whole chain of seals, page after page; `fault` says where it breaks. Throws when one can't be had. */
export async function verifyChain(gateway: string) {
  let checked = 0
  for (let from = 1; ; ) {
    const response = await fetch(`${gateway}/api/v1/audit/verify?from=${from}`)
    if (!response.ok) throw new Error(`GET /api/v1/audit/verify answered ${response.status}`)
    const page = (await response.json()) as {
      status: string
      checked: number
      unsealed: number
      next_position: number | null
      first_broken: { position: number | null; reason: string } | null
    }
    checked += page.checked
    if (page.next_position !== null) {
      from = page.next_position
      continue
    }
    const { first_broken } = page
    const fault = first_broken ? `broken at position ${first_broken.position}: ${first_broken.reason}` : null
    return { status: page.status, unsealed: page.unsealed, checked, fault }
  }
}

async function readStock(database: DrillRun['database']): Promise<Opening['stock']> {
  const { rows } = await database.query(
    `select product_id, on_hand, reserved from inventory join products on products.id = product_id
     where stock_tracked order by product_id`,
  )
  return rows
}
