import type { Span } from '../../trace/spans.ts'
import { descendantsOf, type Incident, milliseconds, ofStatement } from '../incident.ts'

/** Rows of the history, chosen so that one reading takes a tenth of a second or more. */
const ROWS = 400_000
const SLOW_MS = 40

const isSlowLookup = (span: Span) => span.name.includes('find_products_priced') && milliseconds(span) >= SLOW_MS

/** Slow SQL: prices are looked up in a table by an expression that no index serves. */
export const longAisle: Incident = {
  name: 'long-aisle',
  title: 'The long aisle',
  level: 2,
  symptom:
    'Ordering has become sluggish since the last release, and the database machine is busier than it should be at this traffic. Every answer is right.',
  seed: 'aisle-5',
  flags: { 'orders.price-lookup-v2': { on: { source: 'price_history' }, share: 30 } },
  database: {
    begin: [
      'drop schema if exists pricing cascade',
      'create schema pricing',
      'create unlogged table pricing.price_history (product_id text not null, unit_price numeric(12, 2) not null, valid_from timestamptz not null)',
      `insert into pricing.price_history
       select p.id, p.unit_price, now() - n * interval '1 minute' from products p, generate_series(1, ${ROWS} / 5) n`,
      'create index on pricing.price_history (product_id, valid_from)',
      'analyze pricing.price_history',
      'grant usage on schema pricing to order_service',
      'grant select on pricing.price_history to order_service',
    ],
    undo: ['drop schema if exists pricing cascade'],
  },
  load: { requestsPerSecond: 4, mix: { orders: 80, reads: 20 } },
  hints: [
    'Which kind of span has the time in a slow trace of POST /api/v1/process: one of a service, or one of the database?',
    'The span of a statement has its text. What would PostgreSQL have to read to answer it?',
    'The statement is order-service’s, and compares with lower(…): the index is on the column itself.',
  ],
  cause: {
    service: 'order-service',
    operations: [
      'find_products_priced',
      'pg.query:find_products_priced sightline',
      'validate_order',
      'create_order',
      'POST /process',
    ],
    mechanism: 'missing-index',
  },
  shows: (span, trace) =>
    isSlowLookup(span) ||
    (['validate_order', 'create_order'].includes(span.name) && descendantsOf(span, trace).some(isSlowLookup)),
  metric: ofStatement(/^find_products_priced$/),
}
