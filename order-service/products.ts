/** SQL of products: what can be ordered, at what price. */
import { isProductNumber, MAX_INTEGER, type Product } from '@sightline/contracts'
import { type Queries, repeatable } from '@sightline/service-kit'
import { majorUnits } from './money.ts'

/** Price in cents; without `stock_tracked` there is always enough. */
export interface ProductRow {
  id: string
  number: number
  name: string
  unit_price_cents: number
  currency: string
  stock_tracked: boolean
}

/** `stock`: pieces that can be ordered now, null where that is not counted. */
export interface StockedProductRow extends ProductRow {
  stock: number | null
}

/** What is read of a product `p`. */
export const COLUMNS =
  'p.id, p.number, p.name, (p.unit_price * 100)::bigint as unit_price_cents, p.currency, p.stock_tracked'
/** Which products are meant: ids as the first parameter, numbers as the second. */
export const NAMED = 'p.id = any($1) or p.number = any($2)'
const FIND = repeatable('find_products', `select ${COLUMNS} from products p where ${NAMED}`)
const STOCKED = `select ${COLUMNS}, i.on_hand - i.reserved as stock
  from products p left join inventory i on i.product_id = p.id and p.stock_tracked`
const FIND_STOCKED = repeatable('find_products_and_stock', `${STOCKED} where ${NAMED}`)
const LIST = repeatable('list_products', `${STOCKED} where p.id > $1 order by p.id limit $2`)
const FIND_ID = repeatable(
  'find_product_id',
  `select p.id from products p where ${NAMED} order by p.id = any($1) desc limit 1`,
)

/** The products that the references name, by reference, each an id or a number in text; unknown ones are missing. */
export async function findProducts(database: Queries, references: string[]): Promise<Map<string, ProductRow>> {
  return byReference(references, await database.query<ProductRow>(FIND, named(references)))
}

/** The same with what is in stock. */
export async function findStockedProducts(
  database: Queries,
  references: string[],
): Promise<Map<string, StockedProductRow>> {
  return byReference(references, await database.query<StockedProductRow>(FIND_STOCKED, named(references)))
}

function named(references: string[]): [ids: string[], numbers: number[]] {
  const numbers = references.filter(isProductNumber).map(Number)
  return [references, numbers.filter((number) => number <= MAX_INTEGER)]
}

/** An id of digits, which nothing forbids, wins over the number. */
function byReference<Row extends ProductRow>(references: string[], rows: Row[]): Map<string, Row> {
  const byId = new Map(rows.map((row) => [row.id, row]))
  const byNumber = new Map(rows.map((row) => [String(row.number), row]))
  const found = references.map((reference) => [reference, byId.get(reference) ?? byNumber.get(reference)] as const)
  return new Map(found.filter((entry): entry is [string, Row] => entry[1] !== undefined))
}

/** The id of the product that is named by id or number; what names none is returned as it is. */
export async function productIdOf(database: Queries, reference: string): Promise<string> {
  if (!isProductNumber(reference)) return reference
  const [row] = await database.query<{ id: string }>(FIND_ID, named([reference]))
  return row?.id ?? reference
}

/** Products with an id above `after`, by id. */
export function listProducts(database: Queries, limit: number, after = ''): Promise<StockedProductRow[]> {
  return database.query<StockedProductRow>(LIST, [after, limit])
}

/** The product as the API shows it: its price in major units. */
export function toProductView({ unit_price_cents, ...row }: StockedProductRow): Product {
  return { ...row, unit_price: majorUnits(unit_price_cents), available: hasPieces(row, 1) }
}

/** Whether so many pieces can be ordered. */
export function hasPieces({ stock }: Pick<StockedProductRow, 'stock'>, quantity: number): boolean {
  return stock === null || stock >= quantity
}
