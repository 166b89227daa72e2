-- Up Migration

-- A Merkle tree over the chain, as RFC 9162 hashes it, in tiles of 256 hashes as C2SP tlog-tiles lays them out. Leaf N stands for
-- the row at position N + 1, so the tree needs no order of its own. A full tile never changes, the last of a level gets longer.
create table audit_tiles (
  level smallint not null check (level between 0 and 6),
  number bigint not null check (number >= 0),
  hashes bytea not null check (length(hashes) between 32 and 8192 and length(hashes) % 32 = 0),
  primary key (level, number)
);
-- Nothing compresses hashes.
alter table audit_tiles alter column hashes set storage external;

create function audit_tiles_grow_only() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  if (new.level, new.number) <> (old.level, old.number) or substr(new.hashes, 1, length(old.hashes)) <> old.hashes then
    raise exception 'UPDATE on audit_tiles refused: a tile only gets longer' using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;
create trigger audit_tiles_grow before update on audit_tiles
for each row execute function audit_tiles_grow_only();
create trigger audit_tiles_append_only before delete on audit_tiles
for each row execute function audit_refuse_change();
create trigger audit_tiles_no_truncate before truncate on audit_tiles
for each statement execute function audit_refuse_change();

-- Who holds this row's lock lets the tree grow. Not the sealers' row: they do not wait for the tree.
create table audit_growing (
  only_row boolean primary key default true check (only_row)
);
insert into audit_growing values (true);

create function audit_tree_size() returns bigint
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select coalesce((select number * 256 + length(hashes) / 32 from audit_tiles where level = 0 order by number desc limit 1), 0)
$$;

-- The only way into the tree: the next rows of the chain, in its order, with hashes made here. Returns how many came in: 0 when
-- none waits or another session is at it. What exactly is hashed stands in docs/audit.md; audit-service/tree-check.ts checks it.
create function audit_grow(most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  size bigint;
  grown integer;
  last_position bigint;
  fresh bytea;
  partial bytea;
  at_level smallint := 0;
  full_tiles integer;
begin
  if not exists (select from audit_chain where position > audit_tree_size()) then
    return 0;
  end if;
  perform from audit_growing for update skip locked;
  if not found then
    return 0;
  end if;

  -- A row that is gone comes in as nulls beside its seal: the tree goes on, and the leaf says what was found. `limit 1` as in audit_seal.
  size := audit_tree_size();
  select count(*), max(leaf.position), string_agg(leaf.hash, ''::bytea order by leaf.position) into grown, last_position, fresh
  from (
    select c.position, sha256('\x00'::bytea || convert_to(to_json(array['sightline-audit-entry-1', c.position::text, c.version::text,
      encode(c.row_hash, 'hex'), encode(c.hash, 'hex'), audit_time_text(c.sealed_at), c.audit_id::text, a.event_id::text,
      a.event_type, audit_time_text(a.occurred_at), audit_time_text(a.recorded_at), a.source, a.user_id::text, a.order_id::text,
      a.action, a.trace_id::text, a.request_id, a.details::text])::text, 'UTF8')) as hash
    from (select * from audit_chain where position > size order by position limit least(most, 10000)) c
      left join lateral (select * from audit_logs where id = c.audit_id limit 1) a on true
  ) leaf;
  if grown = 0 then
    return 0;
  end if;
  if last_position <> size + grown then
    raise exception 'a seal between positions % and % is missing: the tree does not grow over it', size + 1, last_position;
  end if;

  -- `size` is the number of hashes that the level has, `fresh` are those that follow.
  loop
    partial := ''::bytea;
    if size % 256 > 0 then
      select hashes into partial from audit_tiles where level = at_level and number = size / 256;
      if length(partial) is distinct from (size % 256)::integer * 32 then
        raise exception 'tile % of level % does not hold % hashes', size / 256, at_level, size % 256;
      end if;
    end if;
    fresh := partial || fresh;
    insert into audit_tiles (level, number, hashes)
    select at_level, size / 256 + n, substr(fresh, n * 8192 + 1, 8192) from generate_series(0, (length(fresh) - 1) / 8192) n
    on conflict (level, number) do update set hashes = excluded.hashes;
    full_tiles := length(fresh) / 8192;
    exit when full_tiles = 0;
    fresh := substr(fresh, 1, full_tiles * 8192);
    for height in 1 .. 8 loop
      select string_agg(sha256('\x01'::bytea || substr(fresh, n * 64 + 1, 64)), ''::bytea order by n) into fresh
      from generate_series(0, length(fresh) / 64 - 1) n;
    end loop;
    size := size / 256;
    at_level := at_level + 1;
  end loop;
  return grown;
end
$$;

revoke execute on function audit_grow(integer), audit_tree_size() from public;
grant execute on function audit_grow(integer), audit_tree_size() to audit_service;
grant select on audit_tiles to audit_service;

-- Down Migration
-- The tree is made of rows and seals, which stay: the way up makes it again.
drop function audit_grow(integer), audit_tree_size();
drop table audit_growing, audit_tiles;
drop function audit_tiles_grow_only();
