-- Up Migration

-- Dead letters are listed by order, whatever else waits; and the oldest event that waits is looked for at each scrape.
drop index outbox_dead;
create index outbox_dead on outbox (order_id) where dead_at is not null;
create index outbox_order_id on outbox (order_id);

-- An id up to which rows were recorded before a time, and from which on at it or later: found by halves, because ids and times grow together, and an index
-- by time would cost every row its entry. Rows that were recorded at once may have them in another order: leave room for some seconds.
create function audit_id_at(t timestamptz) returns bigint
language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
declare
  low bigint := coalesce((select min(id) from audit_logs), 0);
  high bigint := coalesce((select max(id) + 1 from audit_logs), 0);
  middle bigint;
  found_id bigint;
  found_at timestamptz;
begin
  while low < high loop
    middle := low + (high - low) / 2;
    select id, recorded_at into found_id, found_at from audit_logs where id >= middle order by id limit 1;
    if found_at >= t then
      high := middle;
    else
      low := found_id + 1;
    end if;
  end loop;
  return low;
end
$$;
revoke execute on function audit_id_at(timestamptz) from public;
grant execute on function audit_id_at(timestamptz) to dashboards;


-- Retention. A boundary says that the rows up to a position are in a file: from there the chain goes on. It has to be what chain and tree
-- say, and what the log's key has signed, which audit-service/archive.ts checks; no role of a service can set one.
create table audit_boundaries (
  position bigint primary key,
  first bigint not null unique check (first between 1 and position),
  seal bytea not null check (length(seal) = 32),
  file_hash bytea not null check (length(file_hash) = 32),
  origin text not null,
  signature bytea not null check (length(signature) = 64),
  made_at timestamptz not null default clock_timestamp()
);
create trigger audit_boundaries_append_only before update or delete on audit_boundaries
for each row execute function audit_refuse_change();
create trigger audit_boundaries_no_truncate before truncate on audit_boundaries
for each statement execute function audit_refuse_change();
grant select on audit_boundaries to audit_service;

create function audit_boundary_fits() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  if new.first <> 1 + coalesce((select max(position) from audit_boundaries), 0) or new.position > audit_tree_size()
    or new.seal is distinct from (select hash from audit_chain where position = new.position) then
    raise exception 'INSERT on audit_boundaries refused: rows % to % are not the next of chain and tree', new.first, new.position
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;
create trigger audit_boundaries_fit before insert on audit_boundaries
for each row execute function audit_boundary_fits();

-- The one way out: behind the newest boundary. Its own seal stays, the chain goes on from it.
create function audit_refuse_removal() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  boundary bigint := (select max(position) from audit_boundaries);
begin
  if tg_table_name = 'audit_chain' then
    if old.position < boundary and not exists (select from audit_logs where id = old.audit_id) then
      return old;
    end if;
  elsif exists (select from audit_chain where audit_id = old.id and position <= boundary) then
    return old;
  end if;
  raise exception '% on % refused: the audit trail is append-only', tg_op, tg_table_name
    using errcode = 'insufficient_privilege';
end
$$;
drop trigger audit_logs_append_only on audit_logs;
create trigger audit_logs_append_only before update on audit_logs
for each row execute function audit_refuse_change();
create trigger audit_logs_no_removal before delete on audit_logs
for each row execute function audit_refuse_removal();
drop trigger audit_chain_append_only on audit_chain;
create trigger audit_chain_append_only before update on audit_chain
for each row execute function audit_refuse_change();
create trigger audit_chain_no_removal before delete on audit_chain
for each row execute function audit_refuse_removal();

-- The next rows behind the newest boundary, with their orders. Returns how many went. With the rights of who calls it: its owner's.
create function audit_remove(most integer) returns integer
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  boundary bigint := (select max(position) from audit_boundaries);
  ids bigint[];
  order_ids bigint[];
  reached bigint;
begin
  select array_agg(a.id), array_agg(a.order_id), max(c.position) into ids, order_ids, reached
  from (select * from audit_chain where position <= boundary order by position limit most) c
    join lateral (select id, order_id from audit_logs where id = c.audit_id limit 1) a on true;
  if ids is null then
    return 0;
  end if;
  delete from audit_logs where id = any (ids);
  delete from audit_chain where position <= reached and position < boundary;
  delete from order_items where order_id = any (order_ids);
  delete from orders where id = any (order_ids);
  return cardinality(ids);
end
$$;
revoke execute on function audit_remove(integer) from public;
-- An order that goes is looked for here.
create index idempotency_keys_order_id on idempotency_keys (order_id);

-- Down Migration
-- Fails once rows have left: what is behind a boundary can't be verified without it.
do $$
begin
  if exists (select from audit_boundaries) then
    raise exception 'rows have been archived: the chain begins behind a boundary, which earlier versions do not know';
  end if;
end
$$;
drop index idempotency_keys_order_id;
drop function audit_remove(integer);
drop trigger audit_chain_no_removal on audit_chain;
drop trigger audit_chain_append_only on audit_chain;
create trigger audit_chain_append_only before update or delete on audit_chain
for each row execute function audit_refuse_change();
drop trigger audit_logs_no_removal on audit_logs;
drop trigger audit_logs_append_only on audit_logs;
create trigger audit_logs_append_only before update or delete on audit_logs
for each row execute function audit_refuse_change();
drop table audit_boundaries;
drop function audit_refuse_removal(), audit_boundary_fits();
drop function audit_id_at(timestamptz);
drop index outbox_order_id, outbox_dead;
create index outbox_dead on outbox (dead_at) where dead_at is not null;
