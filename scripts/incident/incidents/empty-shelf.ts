import { type Incident, within } from '../incident.ts'

const SEED = 'shelf-4'

/** Out of stock: all pieces are reserved by somebody who never takes them. */
export const emptyShelf: Incident = {
  name: 'empty-shelf',
  title: 'The empty shelf',
  level: 1,
  symptom:
    'Customers who want headphones are told that there are none. The warehouse says there are: they stand on the shelf, and hardly any were sold.',
  seed: SEED,
  flags: {},
  database: {
    begin: [
      'drop schema if exists pricing cascade',
      'create schema pricing',
      'create table pricing.stock as select product_id, reserved, clock_timestamp() as at from inventory',
    ],
    // What the load bought goes back on the shelf, and what it reserved is free again.
    undo: [
      `do $$ begin
         if to_regclass('pricing.stock') is null then return; end if;
         update inventory i set reserved = s.reserved from pricing.stock s where s.product_id = i.product_id;
         update inventory i set on_hand = on_hand + b.pieces from (
           select oi.product_id, sum(oi.quantity)::int as pieces from order_items oi
           join orders o on o.id = oi.order_id join pricing.stock s on s.product_id = oi.product_id
           where o.created_at >= s.at and o.request_id like '${SEED}-%' group by oi.product_id) b
         where b.product_id = i.product_id;
         drop schema pricing cascade;
       end $$`,
    ],
  },
  load: { requestsPerSecond: 5, mix: { headphones: 40, orders: 30, reservations: 15, reads: 15 } },
  hints: [
    'What does the answer 409 say, and what does GET /api/v1/inventory/headphones-001 say of the same product?',
    'Pieces are either sold, free or reserved. What reserves them, and what does not give them back?',
    'Requests of another program than the shop: see user_agent.original.',
  ],
  cause: {
    service: 'order-service',
    operations: [
      'POST /inventory/{product_id}/reserve',
      'reserve_inventory',
      'POST /api/v1/inventory/{product_id}/reserve',
    ],
    mechanism: 'stock-held',
  },
  shows: (span, trace) =>
    within(
      'order-service',
      span,
      trace,
      ({ attributes }) =>
        attributes['http.route'] === '/inventory/{product_id}/reserve' &&
        attributes['http.response.status_code'] === 200,
    ) ||
    // Who reserves can be seen at the gateway, too.
    trace.some(({ attributes }) => attributes['user_agent.original'] === 'partner-portal'),
  line: (line, { service_name }) =>
    service_name === 'order-service' &&
    /POST \/inventory\/\{product_id\}\/reserve \d|\d on hand, \d+ reserved/.test(line),
  metric: {
    names: /^(inventory_reserved|inventory_operations_total|http_server_request_duration_seconds_.*)$/,
    series: ({ product_id, operation, http_route }) =>
      product_id === 'headphones-001' || operation === 'reserve' || http_route === '/inventory/{product_id}/reserve',
  },
}
