-- Up Migration

-- A seal of version 2 covers the time of sealing too. Those of version 1 stay as they are, and verifiable.
alter table audit_chain add column version smallint not null default 1 check (version in (1, 2));
alter table audit_chain alter column version set default 2;

-- The time of the insert, not of its transaction's begin, which whoever inserts could choose by waiting.
alter table audit_logs alter column recorded_at set default clock_timestamp();
alter table audit_unsealed alter column recorded_at set default clock_timestamp();

-- Who holds this row's lock seals. An advisory lock would be anybody's to take, this one needs a right to the table.
create table audit_sealing (
  only_row boolean primary key default true check (only_row)
);
insert into audit_sealing values (true);

-- A time as it is hashed: in UTC with its era, so that no two times have one text.
create function audit_time_text(t timestamptz) returns text
language sql stable as $$
  select case when isfinite(t) then to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || case when t < '0001-01-01 00:00:00+00' then ' BC' else '' end else t::text end
$$;

-- The only way to a seal: the next rows of the queue, in its order, with hashes made here. Returns how many were sealed: 0
-- when none waits or another session is at it. What exactly is hashed stands in audit-service/chain.ts, which checks it.
create function audit_seal(most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  at_position bigint;
  at_hash bytea;
  ids bigint[];
  row_hashes bytea[];
  hashes bytea[];
  sealed timestamptz;
  sealed_text bytea;
begin
  if not exists (select from audit_unsealed) then
    return 0;
  end if;
  perform from audit_sealing for update skip locked;
  if not found then
    return 0;
  end if;

  -- Entries that point at no row, or at a sealed one, are left for the verification to find. `limit 1` keeps the planner
  -- from joining whole tables: every row is one look-up by its key.
  select array_agg(w.id order by w.id), array_agg(w.row_hash order by w.id) into ids, row_hashes
  from (
    select a.id, sha256(convert_to(to_json(array[a.id::text, a.event_id::text, a.event_type, a.occurred_text, a.recorded_text,
      a.source, a.user_id::text, a.order_id::text, a.action, a.trace_id::text, a.request_id, a.details::text])::text,
      'UTF8')) as row_hash
    from audit_unsealed u
      join lateral (select *, audit_time_text(occurred_at) as occurred_text, audit_time_text(recorded_at) as recorded_text
        from audit_logs where id = u.audit_id limit 1) a on true
      left join lateral (select true as there from audit_chain where audit_id = u.audit_id limit 1) c on true
    where c.there is null
    order by u.audit_id limit least(most, 10000)
  ) w;
  if ids is null then
    return 0;
  end if;

  select c.position, c.hash into at_position, at_hash from audit_chain c order by c.position desc limit 1;
  if not found then
    at_position := 0;
    at_hash := decode(repeat('00', 32), 'hex');
  end if;
  sealed := clock_timestamp();
  sealed_text := convert_to(audit_time_text(sealed), 'UTF8');
  for n in 1 .. cardinality(ids) loop
    at_hash := sha256(at_hash || int8send(at_position + n) || row_hashes[n] || sealed_text);
    hashes[n] := at_hash;
  end loop;
  insert into audit_chain (position, audit_id, row_hash, hash, sealed_at, version)
  select at_position + n, id, row_hash, hash, sealed, 2
  from unnest(ids, row_hashes, hashes) with ordinality as link (id, row_hash, hash, n);
  delete from audit_unsealed where audit_id = any (ids);
  return cardinality(ids);
end
$$;

-- What the verification holds the trail against: what each order's audit row has to say, and which events are still on their way.
create view order_events as
select id, event_id, user_id, action, total, currency
from orders;
create view waiting_events as
select event_id, order_id, created_at
from outbox;

-- By column: ids and times that the database gives are nobody else's to give, nor is an event changed once it waits.
revoke insert on audit_logs, audit_chain from audit_service;
revoke delete on audit_unsealed from audit_service;
grant insert (event_id, event_type, occurred_at, source, user_id, order_id, action, trace_id, request_id, details)
  on audit_logs to audit_service;
revoke execute on function audit_seal(integer), audit_time_text(timestamptz) from public;
grant execute on function audit_seal(integer) to audit_service;
grant select on order_events, waiting_events to audit_service;
revoke insert on orders from order_service;
grant insert (event_id, user_id, customer_name, customer_email, action, status, total, currency, trace_id, request_id, created_at)
  on orders to order_service;
revoke insert, update on outbox from order_service;
grant insert (event_id, order_id, payload, traceparent, tracestate, request_id, next_attempt_at) on outbox to order_service;
grant update (attempts, next_attempt_at, last_error, dead_at) on outbox to order_service;
revoke insert on users from user_service;
grant insert (id, name, email) on users to user_service;

-- Large objects belong to no schema: anybody who can log in could fill the disk with them.
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea), lo_import(text), lo_import(text, oid),
  lo_open(oid, integer), lowrite(integer, bytea), lo_put(oid, bigint, bytea) from public;

-- Down Migration
-- Seals of version 2 stay, and a program that knows version 1 only takes them for broken.
grant execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea), lo_open(oid, integer),
  lowrite(integer, bytea), lo_put(oid, bigint, bytea) to public;
grant insert on users to user_service;
grant insert on orders to order_service;
grant insert, update on outbox to order_service;
grant insert on audit_logs, audit_chain to audit_service;
grant delete on audit_unsealed to audit_service;
drop view order_events, waiting_events;
drop function audit_seal(integer), audit_time_text(timestamptz);
drop table audit_sealing;
alter table audit_unsealed alter column recorded_at set default now();
alter table audit_logs alter column recorded_at set default now();
alter table audit_chain drop column version;
