-- Up Migration

create table audit_logs (
  id bigint generated always as identity primary key,
  -- exactly one row per event, however often it is delivered
  event_id uuid not null unique,
  event_type text not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  source text not null,
  user_id integer,
  order_id bigint,
  action text not null,
  trace_id char(32),
  request_id text,
  details jsonb not null
);
create index audit_logs_user_id on audit_logs (user_id, id desc);
create index audit_logs_order_id on audit_logs (order_id, id desc);
create index audit_logs_trace_id on audit_logs (trace_id, id desc);

-- The seal of each audit row: hash = SHA-256(previous hash || position || row_hash). It stands beside the rows, because a row
-- that must never change can't take its seal later, and sealing inside the request would make every request wait for the last.
create table audit_chain (
  position bigint primary key check (position >= 1),
  audit_id bigint not null unique,
  row_hash bytea not null check (length(row_hash) = 32),
  hash bytea not null check (length(hash) = 32),
  sealed_at timestamptz not null default now()
);

-- What still waits for its seal. Filled by a trigger, so no writer can forget it.
create table audit_unsealed (
  audit_id bigint primary key,
  recorded_at timestamptz not null default now()
);

create function audit_queue_for_sealing() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into audit_unsealed (audit_id) values (new.id);
  return null;
end
$$;
create trigger audit_logs_queue after insert on audit_logs
for each row execute function audit_queue_for_sealing();

create function audit_refuse_change() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  raise exception '% on % refused: the audit trail is append-only', tg_op, tg_table_name
    using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_logs_append_only before update or delete on audit_logs
for each row execute function audit_refuse_change();
create trigger audit_logs_no_truncate before truncate on audit_logs
for each statement execute function audit_refuse_change();
create trigger audit_chain_append_only before update or delete on audit_chain
for each row execute function audit_refuse_change();
create trigger audit_chain_no_truncate before truncate on audit_chain
for each statement execute function audit_refuse_change();

-- Events the relay gave up on, without their payload: what the audit service may show.
create view dead_letters as
select event_id, order_id, request_id, traceparent, created_at, attempts, last_error, dead_at
from outbox
where dead_at is not null;

-- Down Migration
drop view dead_letters;
drop table audit_unsealed, audit_chain, audit_logs;
drop function audit_queue_for_sealing(), audit_refuse_change();
