-- Up Migration
-- The roles themselves are made by migrate.ts (they belong to the cluster and need passwords); here is what each may do.

revoke create on schema public from public;

grant usage on schema public to user_service, order_service, audit_service;

grant select, insert on users to user_service;
grant update (name, email, updated_at) on users to user_service;
grant select, insert, update, delete on idempotent_answers to user_service;

grant select (id, name, email) on users to order_service;
grant select on products, inventory to order_service;
grant update (on_hand, reserved, updated_at) on inventory to order_service;
grant select, insert on orders, order_items to order_service;
grant select, insert, update, delete on outbox, idempotency_keys to order_service;
grant select, insert, update, delete on idempotent_answers to order_service;

grant select, insert on audit_logs, audit_chain to audit_service;
grant select, delete on audit_unsealed to audit_service;
grant select on dead_letters to audit_service;

-- Down Migration
revoke all on all tables in schema public from user_service, order_service, audit_service;
revoke usage on schema public from user_service, order_service, audit_service;
