-- What one POST commits, as pgbench sends it: the user, the order with its lines and its event, the audit row.
\set user random(1001, 1200)
insert into users (id, name, email) values (:user, 'Load User', 'load@example.com')
  on conflict (id) do update set name = excluded.name, email = excluded.email, updated_at = now();
with placed as (
  insert into orders (event_id, user_id, action, status, total, currency)
  values (gen_random_uuid(), :user, 'purchase', 'completed', 1, 'USD') returning id, event_id
), items as (
  insert into order_items (order_id, line, product_id, quantity, unit_price, line_total) select id, 1, 'demo-product', 1, 1, 1 from placed
) insert into outbox (event_id, order_id, payload, next_attempt_at) select event_id, id, '{}', now() from placed;
insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, details)
  values (gen_random_uuid(), 'order.completed', now(), 'order-service', :user, 1, 'purchase', '{}');
