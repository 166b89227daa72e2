import { type Incident, ofStatement, within } from '../incident.ts'

/** So many statements of one kind below one span are one for each item. */
const MANY = 3

/** N+1 queries: each order of a list is read by itself. */
export const longHistory: Incident = {
  name: 'long-history',
  title: 'The long history',
  level: 1,
  symptom:
    'The page with one’s past orders is slow, and the slower the more orders it shows. Pages of products are as quick as ever, and no single statement is slow.',
  seed: 'history-9',
  flags: { 'orders.history-view': { on: { layout: 'detailed' } } },
  load: { requestsPerSecond: 5, mix: { orders: 60, history: 40 } },
  hints: [
    'Open a trace of GET /api/v1/orders, and count its spans.',
    'Each statement is quick. How many of one name are there?',
    'Two statements for each order of the page, where one would do for all.',
  ],
  cause: {
    service: 'order-service',
    operations: ['GET /orders', 'find_history_order', 'find_history_items', 'list_orders', 'list_order_ids'],
    mechanism: 'n-plus-one',
  },
  shows: (span, trace) =>
    within(
      'order-service',
      span,
      trace,
      ({ name, parentId }, all) =>
        /find_history_/.test(name) &&
        all.filter((other) => other.parentId === parentId && other.name === name).length >= MANY,
    ),
  metric: ofStatement(/^find_history_/),
}
