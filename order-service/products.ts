/** SQL of products: what can be ordered, at what price. */
import type { Product } from '@sightline/contracts'
import { type Queries, sql } from '@sightline/service-kit'
import { majorUnits } from './money.ts'

/** Price in cents; without `stock_tracked` there is always enough. */
export interface ProductRow {
  id: string
  name: string
  unit_price_cents: number
  currency: string
  stock_tracked: boolean
}

const COLUMNS = 'id, name, (unit_price * 100)::bigint as unit_price_cents, currency, stock_tracked'
const FIND = sql('find_products', `select ${COLUMNS} from products where id = any($1)`)
const LIST = sql('list_products', `select ${COLUMNS} from products where id > $1 order by id limit $2`)

/** The given products, in no order; unknown ones are missing. */
export function findProducts(database: Queries, ids: string[]): Promise<ProductRow[]> {
  return database.query<ProductRow>(FIND, [ids])
}

/** Products with an id above `after`, by id. */
export function listProducts(database: Queries, limit: number, after = ''): Promise<ProductRow[]> {
  return database.query<ProductRow>(LIST, [after, limit])
}

/** The product as the API shows it: its price in major units. */
export function toProductView({ unit_price_cents, ...row }: ProductRow): Product {
  return { ...row, unit_price: majorUnits(unit_price_cents) }
}
