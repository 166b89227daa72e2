/** SQL of stock. Every change is one conditional statement or stands behind a row lock, so stock can't go below zero. */
import type { Inventory } from '@sightline/contracts'
import { type Queries, repeatable, sql } from '@sightline/service-kit'

export interface InventoryRow {
  product_id: string
  name: string
  on_hand: number
  reserved: number
  updated_at: Date
}

const VIEW = `select i.product_id, p.name, i.on_hand, i.reserved, i.updated_at
  from inventory i join products p on p.id = i.product_id`
const LIST = repeatable('list_inventory', `${VIEW} where i.product_id > $1 order by i.product_id limit $2`)
const FIND = repeatable('find_inventory', `${VIEW} where i.product_id = $1`)
/** In one order for everybody: two requests that lock the same products can't wait for each other. */
const LOCK = sql(
  'lock_inventory',
  `select product_id, on_hand - reserved as available from inventory
   where product_id = any($1) order by product_id for update`,
)
const TAKE = sql(
  'take_inventory',
  `update inventory set on_hand = on_hand - wanted.quantity, updated_at = now()
   from unnest($1::text[], $2::integer[]) as wanted (product_id, quantity)
   where inventory.product_id = wanted.product_id`,
)
const RETURNING = `returning inventory.product_id, products.name, inventory.on_hand, inventory.reserved, inventory.updated_at`
const change = (name: string, set: string, condition: string) =>
  sql(
    name,
    `update inventory set ${set}, updated_at = now() from products
     where inventory.product_id = $1 and products.id = inventory.product_id and ${condition} ${RETURNING}`,
  )
/** What can be done to the stock of a product besides ordering it. */
export type StockOperation = 'reserve' | 'release' | 'add'
/** `add` refuses what the integer column could not hold. */
const CHANGES: Record<StockOperation, ReturnType<typeof sql>> = {
  reserve: change('reserve_inventory', 'reserved = reserved + $2', 'on_hand - reserved >= $2'),
  release: change('release_inventory', 'reserved = reserved - $2', 'reserved >= $2'),
  add: change('add_inventory', 'on_hand = on_hand + $2', 'on_hand <= 2147483647 - $2'),
}

/** Locks the rows of the given products until the transaction ends; product id to pieces available. */
export async function lockStock(tx: Queries, productIds: string[]): Promise<Map<string, number>> {
  const rows = await tx.query<{ product_id: string; available: number }>(LOCK, [productIds])
  return new Map(rows.map((row) => [row.product_id, row.available]))
}

/** Takes pieces out of stock; the rows are locked and checked by now. */
export async function takeStock(tx: Queries, wanted: Map<string, number>): Promise<void> {
  await tx.query(TAKE, [[...wanted.keys()], [...wanted.values()]])
}

/** One change in one statement; undefined when its condition does not hold or there is no such product. */
export async function changeStock(
  database: Queries,
  operation: StockOperation,
  productId: string,
  quantity: number,
): Promise<InventoryRow | undefined> {
  const [row] = await database.query<InventoryRow>(CHANGES[operation], [productId, quantity])
  return row
}

/** undefined when there is no such product, or its stock is not tracked. */
export async function findStock(database: Queries, productId: string): Promise<InventoryRow | undefined> {
  const [row] = await database.query<InventoryRow>(FIND, [productId])
  return row
}

/** Stock of products with an id above `after`, by id. */
export function listStock(database: Queries, limit: number, after = ''): Promise<InventoryRow[]> {
  return database.query<InventoryRow>(LIST, [after, limit])
}

/** The stock as the API shows it: with what is left to promise. */
export function toStockView(row: InventoryRow): Inventory {
  return { ...row, available: row.on_hand - row.reserved, updated_at: row.updated_at.toISOString() }
}
