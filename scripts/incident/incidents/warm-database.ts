import { type Incident, ofStatement, within } from '../incident.ts'

/** A cache that never hits: its key is never the same twice. */
export const warmDatabase: Incident = {
  name: 'warm-database',
  title: 'The warm database',
  level: 2,
  symptom:
    'A release was to take work off the database. Since then the database has several times as many statements for the same number of orders. All answers are right.',
  seed: 'warm-14',
  flags: { 'orders.product-cache': { on: { ttl_s: 60 } } },
  load: { requestsPerSecond: 6, mix: { orders: 70, baskets: 20, reads: 10 } },
  hints: [
    'Which statements became more? Compare their rates by db_query_summary with the rate of orders.',
    'They stand below one span, which has attributes of its own.',
    'Look at that span in several orders of the same product: cache.hit, and cache.key.',
  ],
  cause: {
    service: 'order-service',
    operations: [
      'product_cache',
      'validate_order',
      'fill_product_cache',
      'list_cached_products',
      'create_order',
      'POST /process',
    ],
    mechanism: 'cache-miss',
  },
  shows: (span, trace) =>
    within('order-service', span, trace, ({ attributes }) => attributes['cache.hit'] === false) ||
    (span.service === 'order-service' && /fill_product_cache|list_cached_products/.test(span.name)),
  metric: ofStatement(/^(fill_product_cache|list_cached_products)$/),
}
