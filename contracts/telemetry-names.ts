/**
 * Every name of our own that programs use: spans, attributes, events, metrics. Made of contracts/telemetry by
 * `node scripts/telemetry/write.ts`; all that is sent stands in docs/telemetry.md.
 */

/** Business spans and what they cover. */
export const SPANS = {
  validate_user: 'user-service: takes or updates the user of the request',
  enrich_profile: 'user-service: adds what is stored about the user to what was sent',
  create_order: 'order-service: everything between the request and the committed order',
  validate_order: 'order-service: the products exist; fails with 404',
  check_inventory: 'order-service: locks the stock rows and compares; fails with 409',
  reserve_inventory: 'order-service: takes the quantities out of stock, in the same transaction',
  price_order: 'order-service: unit prices, line totals, total',
  persist_order: 'order-service: order, items and audit event, committed together',
  deliver_audit_event: 'order-service: hands the audit event to the next hop; its failure makes the answer 202',
  record_audit: 'audit-service: writes the audit row, once per event',
  await_leaf: 'audit-service: waits until the row is in the Merkle tree, for who prefers a receipt',
  relay_audit_event: 'order-service: later delivery from the outbox; linked to the span that placed the order',
  seal_audit_rows: 'audit-service: extends the hash chain by a batch of rows',
  grow_audit_tree: 'audit-service: brings a batch of sealed rows into the Merkle tree',
  witness_audit_tree: 'audit-service: has a checkpoint of the tree signed by its witnesses',
} as const
export type SpanName = keyof typeof SPANS

/** Attributes on spans (and, where said, in baggage). */
export const ATTRIBUTES = {
  'request.id': 'X-Request-ID of the request; baggage; on every span of the request',
  'deadline.remaining_ms': 'time left of the caller when a hop took the request, milliseconds; on the server span',
  'recovery.attempt': 'which try this was, from 1',
  'recovery.attempts': 'how many tries were made below the span, by whoever repeated them',
  'recovery.reason': 'why another try was made',
  'fallback.used': 'true when the answer was given without the next hop',
  'idempotency.replayed': 'true when a stored answer was returned',
  'order.id': 'id of the order; baggage from the commit on',
  'order.action': 'action of the request',
  'order.items.count': 'number of lines',
  'order.total': 'total in major units',
  'order.currency': 'ISO 4217 code',
  'order.product_ids': 'product of each line, in order',
  'order.quantities': 'quantity of each line, in order',
  'order.line_totals': 'total of each line in major units, in order',
  'user.created': 'true when this request made the user',
  'item.product_id': 'product of the line an event is about',
  'item.quantity': 'quantity of that line',
  'item.unit_price': 'price of one piece in major units',
  'inventory.available': 'pieces available when it was checked',
  'audit.id': 'id of the audit row',
  'audit.event_id': 'id of the audit event, unique per order',
  'audit.duplicate': 'true when the event had been recorded before',
  'audit.status': 'recorded, or pending when the answer is 202',
  'audit.seal': 'seal of the row, 64 hex digits; on audit records',
  'audit.leaf_hash': 'hash of its leaf in the tree, base64; likewise',
  'audit.proof': 'signed, or in_tree where the log signs nothing; likewise; on await_leaf how far the row has come',
  'audit.rows': 'rows sealed by the span, or brought into the tree',
  'user.id': 'numeric id of the user; baggage',
  'user.name': 'name of the user; masked unless SIGHTLINE_PII=show',
  'user.email': 'e-mail address of the user; masked likewise',
} as const
export type AttributeName = keyof typeof ATTRIBUTES

/** Span events: milestones inside a span. */
export const EVENTS = {
  'user.stored': 'the user row is written',
  'item.checked': 'stock of one line was compared',
  'item.reserved': 'one line was taken out of stock',
  'item.priced': 'one line has its price',
  'order.committed': 'order and audit event are durable',
  'audit.recorded': 'the audit row is durable',
  'hop.retry': 'another try on the next hop',
  'db.retry': 'the database was away and is waited for, or what was cut off is done once more; on any span',
} as const
export type EventName = keyof typeof EVENTS

/**
 * What the page of the gateway tells of a browser, and all that is taken from one: a span of another name is called `other`, an
 * attribute or event that is not here is dropped (backend/receive/browser.ts, observability/collector.yaml).
 */
export const BROWSER = {
  service: 'browser',
  spans: {
    documentLoad: 'from the request of the page to the end of its load event; below the span that gave the page',
    documentFetch: 'the page itself',
    resourceFetch: 'a file of the page',
    click: 'a click, until what it began is done; a trace begins with it',
    GET: 'a request of the page',
    POST: 'likewise',
    'browser.web_vital': 'one of the web vitals, when it is known',
    exception: 'an error that nobody has caught, or a promise that was rejected',
  },
  attributes: {
    'http.request.method': 'of a request',
    'http.response.status_code': 'of its answer',
    'url.full': 'without query, fragment and personal data',
    'error.type': 'why it failed',
    'browser.element': 'id of what was clicked',
    'browser.web_vital.name': 'CLS, FCP, INP, LCP or TTFB',
    'browser.web_vital.value': 'in milliseconds; CLS has no unit',
    'browser.web_vital.rating': 'good, needs-improvement or poor',
    'user_agent.name': 'family of the browser: Chrome, Edge, Firefox, Safari or other',
    'exception.type': 'of an event',
    'exception.message': 'likewise; e-mail addresses and queries masked',
  },
} as const

/** Prometheus metrics of the services: type, labels and meaning. */
export const METRICS = {
  http_server_request_duration_seconds: {
    type: 'histogram',
    labels: ['http_request_method', 'http_route', 'http_response_status_code', 'error_type'],
    help: 'Duration of requests by route; error_type says why one got no status. Exemplars carry trace_id and span_id.',
  },
  http_server_active_requests: {
    type: 'gauge',
    labels: [],
    help: 'Requests in flight.',
  },
  http_client_request_duration_seconds: {
    type: 'histogram',
    labels: ['http_request_method', 'peer_service', 'http_response_status_code', 'error_type'],
    help: 'Duration of calls to the next hop, one observation per try.',
  },
  http_client_retries_total: {
    type: 'counter',
    labels: ['peer_service', 'reason'],
    help: 'Further tries on the next hop.',
  },
  http_client_circuit_state: {
    type: 'gauge',
    labels: ['peer_service'],
    help: 'Circuit breaker of the next hop: 0 closed, 1 half open, 2 open.',
  },
  http_server_shed_requests_total: {
    type: 'counter',
    labels: [],
    help: 'Requests refused with 503 because the event loop was late.',
  },
  db_client_operation_duration_seconds: {
    type: 'histogram',
    labels: ['db_query_summary', 'error_type'],
    help: 'Duration of named statements, waiting for the answer included.',
  },
  db_client_connection_count: {
    type: 'gauge',
    labels: ['state'],
    help: 'Connections of the pool: idle or used.',
  },
  db_client_connection_max: {
    type: 'gauge',
    labels: [],
    help: 'Most connections the pool may open.',
  },
  db_client_connection_pending_requests: {
    type: 'gauge',
    labels: [],
    help: 'Callers waiting for a connection.',
  },
  db_client_connection_timeouts_total: {
    type: 'counter',
    labels: [],
    help: 'Callers that waited in vain for a connection.',
  },
  db_client_retries_total: {
    type: 'counter',
    labels: ['operation', 'reason'],
    help: 'Requests that waited for a database that was away, and what its restart had cut off and was done once more.',
  },
  pg_stat_database_numbackends: {
    type: 'gauge',
    labels: [],
    help: 'Open sessions of the database.',
  },
  pg_stat_database_xact_commit: {
    type: 'gauge',
    labels: [],
    help: 'Transactions committed since the statistics began.',
  },
  pg_stat_database_xact_rollback: {
    type: 'gauge',
    labels: [],
    help: 'Transactions rolled back, likewise.',
  },
  pg_stat_database_blks_hit: {
    type: 'gauge',
    labels: [],
    help: 'Pages found in shared buffers, likewise.',
  },
  pg_stat_database_blks_read: {
    type: 'gauge',
    labels: [],
    help: 'Pages read from outside them, likewise.',
  },
  pg_stat_database_deadlocks: {
    type: 'gauge',
    labels: [],
    help: 'Deadlocks, likewise.',
  },
  pg_locks_waiting: {
    type: 'gauge',
    labels: [],
    help: 'Locks that a session waits for.',
  },
  pg_table_size_bytes: {
    type: 'gauge',
    labels: ['relname'],
    help: 'Table with its indexes on disk.',
  },
  users_upserted_total: {
    type: 'counter',
    labels: ['outcome'],
    help: 'Users taken from requests: created or known.',
  },
  orders_created_total: {
    type: 'counter',
    labels: ['audit_status'],
    help: 'Committed orders: recorded or pending.',
  },
  orders_rejected_total: {
    type: 'counter',
    labels: ['reason'],
    help: 'Refused orders by problem type.',
  },
  orders_items_total: {
    type: 'counter',
    labels: ['product_id'],
    help: 'Pieces ordered.',
  },
  orders_revenue_total: {
    type: 'counter',
    labels: ['currency'],
    help: 'Sum of order totals in major units.',
  },
  inventory_available: {
    type: 'gauge',
    labels: ['product_id'],
    help: 'Pieces available, read at each scrape.',
  },
  inventory_reserved: {
    type: 'gauge',
    labels: ['product_id'],
    help: 'Pieces reserved, read at each scrape.',
  },
  inventory_operations_total: {
    type: 'counter',
    labels: ['operation', 'outcome'],
    help: 'reserve, release, add and order; done or refused.',
  },
  outbox_pending: {
    type: 'gauge',
    labels: [],
    help: 'Audit events that wait for delivery.',
  },
  outbox_oldest_age_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Age of the oldest of them.',
  },
  outbox_deliveries_total: {
    type: 'counter',
    labels: ['path', 'outcome'],
    help: 'By request or relay; done or failed.',
  },
  outbox_dead_letters: {
    type: 'gauge',
    labels: [],
    help: 'Audit events the relay gave up on.',
  },
  audit_events_total: {
    type: 'counter',
    labels: ['outcome'],
    help: 'Received events: recorded or duplicate.',
  },
  audit_rows_sealed_total: {
    type: 'counter',
    labels: [],
    help: 'Rows added to the hash chain by this process.',
  },
  audit_unsealed_rows: {
    type: 'gauge',
    labels: [],
    help: 'Rows that wait for their seal.',
  },
  audit_seal_lag_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Age of the oldest of them.',
  },
  audit_seal_waiting_since_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Unix time since which rows wait and none is sealed, once that is five seconds, by the clock of this process; else 0.',
  },
  audit_tree_size: {
    type: 'gauge',
    labels: [],
    help: 'Rows in the Merkle tree.',
  },
  audit_witness_size: {
    type: 'gauge',
    labels: ['witness'],
    help: 'Rows of the largest tree that a witness has signed.',
  },
  audit_witness_timestamp_seconds: {
    type: 'gauge',
    labels: ['witness'],
    help: 'When it signed last.',
  },
  audit_witness_answers_total: {
    type: 'counter',
    labels: ['witness', 'outcome'],
    help: 'cosigned; behind: it had signed another tree meanwhile; refused: it has seen another history; failed: no answer, or none of use.',
  },
  audit_records_exported_total: {
    type: 'counter',
    labels: [],
    help: 'Audit records that the telemetry backend took.',
  },
  audit_records_waiting: {
    type: 'gauge',
    labels: [],
    help: 'Provable rows whose audit record waits for the backend.',
  },
  audit_chain_length: {
    type: 'gauge',
    labels: [],
    help: 'Position of the last seal.',
  },
  audit_verify_ok: {
    type: 'gauge',
    labels: [],
    help: 'Last verification: 1 intact, 0 broken or overdue; absent before the first.',
  },
  audit_verify_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When that was.',
  },
  telemetry_queue_size: {
    type: 'gauge',
    labels: ['signal'],
    help: 'Spans or log records waiting for export.',
  },
  telemetry_queue_capacity: {
    type: 'gauge',
    labels: ['signal'],
    help: 'Most that may wait.',
  },
  telemetry_exported_total: {
    type: 'counter',
    labels: ['signal'],
    help: 'Spans or log records the backend accepted.',
  },
  telemetry_exported_bytes_total: {
    type: 'counter',
    labels: ['signal'],
    help: 'OTLP bytes of them, before compression.',
  },
  telemetry_dropped_total: {
    type: 'counter',
    labels: ['signal', 'reason'],
    help: 'Lost: queue_full, export_failed, or shutdown.',
  },
  telemetry_export_duration_seconds: {
    type: 'histogram',
    labels: ['signal'],
    help: 'Duration of one export.',
  },
  service_build_info: {
    type: 'gauge',
    labels: ['service_name', 'service_version', 'node_version'],
    help: 'Always 1; what runs here.',
  },
} as const
export type MetricName = keyof typeof METRICS
