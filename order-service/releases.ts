/**
 * What feature flags change in this service. Each is a fault that `npm run incident` switches on (docs/incidents): the key is
 * named as a release or a setting would be, and what it does is the real thing: a real statement without its index, a real
 * error. Nothing here runs while no flag is enabled.
 */
import { type AroundStatement, aroundStatements, type KitParts, sql } from '@sightline/service-kit'
import type { Config } from './config.ts'
import type { ProductRow } from './products.ts'

/** The parts of the service with its flags around them. */
export function withReleases(parts: KitParts<Config>): KitParts<Config> {
  const { flags, database } = parts
  const around: AroundStatement = async (statement, values, run) => {
    if (statement.name !== 'find_products') return run(statement, values)
    if (await flags.settings('orders.price-lookup-v2')) return run(FIND_PRICED, values)
    const products = await run<ProductRow>(statement, values)
    if (await flags.settings('orders.regional-tax')) for (const product of products) checkTaxClass(product)
    return products
  }
  return { ...parts, database: aroundStatements(database, flags, around) }
}

/** `orders.price-lookup-v2`: the price of today from all prices there ever were. No index helps: the comparison is of lower case. */
const FIND_PRICED = sql(
  'find_products_priced',
  `select p.id, p.name, (coalesce(h.unit_price, p.unit_price) * 100)::bigint as unit_price_cents, p.currency, p.stock_tracked
   from products p left join lateral (
     select unit_price from pricing.price_history
     where lower(product_id) = lower(p.id) and valid_from <= now() order by valid_from desc limit 1) h on true
   where p.id = any($1)`,
)

/** `orders.regional-tax`: reads a field that no product has. */
function checkTaxClass(product: ProductRow & { tax?: { class: string } }): void {
  if (product.tax!.class === '') throw new Error(`${product.id} has no tax class`)
}
