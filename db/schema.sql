-- The schema after all migrations. Written by db/dump-schema.ts; change migrations, then write it anew.

create table audit_boundaries (
  "position" bigint not null,
  first bigint not null,
  seal bytea not null,
  file_hash bytea not null,
  origin text not null,
  signature bytea not null,
  made_at timestamp with time zone default clock_timestamp() not null,
  constraint audit_boundaries_check CHECK (((first >= 1) AND (first <= "position"))),
  constraint audit_boundaries_file_hash_check CHECK ((length(file_hash) = 32)),
  constraint audit_boundaries_seal_check CHECK ((length(seal) = 32)),
  constraint audit_boundaries_signature_check CHECK ((length(signature) = 64)),
  constraint audit_boundaries_pkey PRIMARY KEY ("position"),
  constraint audit_boundaries_first_key UNIQUE (first)
);

create table audit_chain (
  "position" bigint not null,
  audit_id bigint not null,
  row_hash bytea not null,
  hash bytea not null,
  sealed_at timestamp with time zone default now() not null,
  version smallint default 2 not null,
  constraint audit_chain_hash_check CHECK ((length(hash) = 32)),
  constraint audit_chain_position_check CHECK (("position" >= 1)),
  constraint audit_chain_row_hash_check CHECK ((length(row_hash) = 32)),
  constraint audit_chain_version_check CHECK ((version = ANY (ARRAY[1, 2]))),
  constraint audit_chain_pkey PRIMARY KEY ("position"),
  constraint audit_chain_audit_id_key UNIQUE (audit_id)
);

create table audit_exported (
  only_row boolean default true not null,
  "position" bigint not null,
  constraint audit_exported_only_row_check CHECK (only_row),
  constraint audit_exported_position_check CHECK (("position" >= 0)),
  constraint audit_exported_pkey PRIMARY KEY (only_row)
);

create table audit_growing (
  only_row boolean default true not null,
  constraint audit_growing_only_row_check CHECK (only_row),
  constraint audit_growing_pkey PRIMARY KEY (only_row)
);

create table audit_logs (
  id bigint generated always as identity not null,
  event_id uuid not null,
  event_type text not null,
  occurred_at timestamp with time zone not null,
  recorded_at timestamp with time zone default clock_timestamp() not null,
  source text not null,
  user_id integer,
  order_id bigint,
  action text not null,
  trace_id character(32),
  request_id text,
  details jsonb not null,
  constraint audit_logs_pkey PRIMARY KEY (id),
  constraint audit_logs_event_id_key UNIQUE (event_id)
);

create table audit_sealing (
  only_row boolean default true not null,
  constraint audit_sealing_only_row_check CHECK (only_row),
  constraint audit_sealing_pkey PRIMARY KEY (only_row)
);

create table audit_tiles (
  level smallint not null,
  number bigint not null,
  hashes bytea not null,
  constraint audit_tiles_hashes_check CHECK ((((length(hashes) >= 32) AND (length(hashes) <= 8192)) AND ((length(hashes) % 32) = 0))),
  constraint audit_tiles_level_check CHECK (((level >= 0) AND (level <= 6))),
  constraint audit_tiles_number_check CHECK ((number >= 0)),
  constraint audit_tiles_pkey PRIMARY KEY (level, number)
);

create table audit_unsealed (
  audit_id bigint not null,
  recorded_at timestamp with time zone default clock_timestamp() not null,
  constraint audit_unsealed_pkey PRIMARY KEY (audit_id)
);

create table idempotency_keys (
  key text not null,
  request_hash bytea not null,
  order_id bigint,
  created_at timestamp with time zone default now() not null,
  constraint idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255))),
  constraint idempotency_keys_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id),
  constraint idempotency_keys_pkey PRIMARY KEY (key)
);

create table idempotent_answers (
  service text not null,
  key text not null,
  request_hash bytea not null,
  status smallint not null,
  answer json not null,
  created_at timestamp with time zone default now() not null,
  constraint idempotent_answers_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255))),
  constraint idempotent_answers_pkey PRIMARY KEY (service, key)
);

create table inventory (
  product_id text not null,
  on_hand integer not null,
  reserved integer default 0 not null,
  updated_at timestamp with time zone default now() not null,
  constraint inventory_check CHECK (((reserved >= 0) AND (reserved <= on_hand))),
  constraint inventory_on_hand_check CHECK ((on_hand >= 0)),
  constraint inventory_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(id),
  constraint inventory_pkey PRIMARY KEY (product_id)
);

create table order_items (
  order_id bigint not null,
  line smallint not null,
  product_id text not null,
  quantity integer not null,
  unit_price numeric(12,2) not null,
  line_total numeric(14,2) not null,
  constraint order_items_check CHECK ((line_total = (unit_price * (quantity)::numeric))),
  constraint order_items_quantity_check CHECK ((quantity >= 1)),
  constraint order_items_unit_price_check CHECK ((unit_price >= (0)::numeric)),
  constraint order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id),
  constraint order_items_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(id),
  constraint order_items_pkey PRIMARY KEY (order_id, line)
);

create table orders (
  id bigint generated always as identity not null,
  user_id integer,
  customer_name text,
  customer_email text,
  action text not null,
  status text not null,
  total numeric(14,2) not null,
  currency character(3) not null,
  event_id uuid not null,
  trace_id character(32),
  request_id text,
  created_at timestamp with time zone default now() not null,
  constraint orders_customer_check CHECK (((user_id IS NOT NULL) OR ((customer_name IS NULL) = (customer_email IS NULL)))),
  constraint orders_status_check CHECK ((status = 'completed'::text)),
  constraint orders_total_check CHECK ((total >= (0)::numeric)),
  constraint orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint orders_pkey PRIMARY KEY (id),
  constraint orders_event_id_key UNIQUE (event_id)
);

create table outbox (
  event_id uuid not null,
  order_id bigint not null,
  payload jsonb not null,
  traceparent text,
  tracestate text,
  request_id text,
  created_at timestamp with time zone default now() not null,
  attempts integer default 0 not null,
  next_attempt_at timestamp with time zone not null,
  last_error text,
  dead_at timestamp with time zone,
  constraint outbox_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id),
  constraint outbox_pkey PRIMARY KEY (event_id)
);

create table products (
  id text not null,
  name text not null,
  unit_price numeric(12,2) not null,
  currency character(3) default 'USD'::bpchar not null,
  stock_tracked boolean default true not null,
  created_at timestamp with time zone default now() not null,
  number integer generated always as identity not null,
  constraint products_id_check CHECK ((id ~ '^[A-Za-z0-9_.-]{1,64}$'::text)),
  constraint products_number_check CHECK ((number >= 1)),
  constraint products_unit_price_check CHECK ((unit_price >= (0)::numeric)),
  constraint products_pkey PRIMARY KEY (id),
  constraint products_number_key UNIQUE (number)
);

create table users (
  id integer not null,
  name text,
  email text,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint users_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254))),
  constraint users_id_check CHECK ((id >= 1)),
  constraint users_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
  constraint users_pkey PRIMARY KEY (id)
);

create view dead_letters as
 SELECT event_id,
    order_id,
    request_id,
    traceparent,
    created_at,
    attempts,
    last_error,
    dead_at
   FROM outbox
  WHERE (dead_at IS NOT NULL);

create view order_events as
 SELECT id,
    event_id,
    user_id,
    action,
    total,
    currency
   FROM orders;

create view waiting_events as
 SELECT event_id,
    order_id,
    created_at
   FROM outbox;

CREATE INDEX audit_logs_order_id ON audit_logs USING btree (order_id, id DESC);
CREATE INDEX audit_logs_trace_id ON audit_logs USING btree (trace_id, id DESC);
CREATE INDEX audit_logs_user_id ON audit_logs USING btree (user_id, id DESC);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING btree (created_at);
CREATE INDEX idempotency_keys_order_id ON idempotency_keys USING btree (order_id);
CREATE INDEX idempotent_answers_created_at ON idempotent_answers USING btree (created_at);
CREATE INDEX orders_user_id ON orders USING btree (user_id, id DESC);
CREATE INDEX outbox_dead ON outbox USING btree (order_id) WHERE (dead_at IS NOT NULL);
CREATE INDEX outbox_due ON outbox USING btree (next_attempt_at) WHERE (dead_at IS NULL);
CREATE INDEX outbox_order_id ON outbox USING btree (order_id);

CREATE OR REPLACE FUNCTION audit_boundary_fits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
begin
  if new.first <> 1 + coalesce((select max(position) from audit_boundaries), 0) or new.position > audit_tree_size()
    or new.seal is distinct from (select hash from audit_chain where position = new.position) then
    raise exception 'INSERT on audit_boundaries refused: rows % to % are not the next of chain and tree', new.first, new.position
      using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$function$;

CREATE OR REPLACE FUNCTION audit_chain_fits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
declare
  unfit bigint;
begin
  select seal.position into unfit
  from (
    select n.position, n.version, n.row_hash, n.hash, n.sealed_at,
      lag(n.position, 1, coalesce(before.position, 0)) over in_order as position_before,
      lag(n.hash, 1, coalesce(before.hash, decode(repeat('00', 32), 'hex'))) over in_order as hash_before
    from fresh n
      left join lateral (select c.position, c.hash from audit_chain c
        where c.position < (select min(position) from fresh) order by c.position desc limit 1) before on true
    window in_order as (order by n.position)
  ) seal
  where seal.version <> 2 or seal.position <> seal.position_before + 1
    or seal.hash <> sha256(seal.hash_before || int8send(seal.position) || seal.row_hash
      || convert_to(audit_time_text(seal.sealed_at), 'UTF8'))
  order by seal.position limit 1;
  if found then
    raise exception 'INSERT on audit_chain refused: the seal at position % does not follow from the one before it', unfit
      using errcode = 'integrity_constraint_violation';
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION audit_grow(most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
declare
  size bigint;
  grown integer;
  last_position bigint;
  fresh bytea;
  partial bytea;
  at_level smallint := 0;
  full_tiles integer;
begin
  if coalesce((select max(position) from audit_chain), 0) <= audit_tree_size() then
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
$function$;

CREATE OR REPLACE FUNCTION audit_id_at(t timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION audit_queue_for_sealing()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into audit_unsealed (audit_id) values (new.id);
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION audit_refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  raise exception '% on % refused: the audit trail is append-only', tg_op, tg_table_name
    using errcode = 'insufficient_privilege';
end
$function$;

CREATE OR REPLACE FUNCTION audit_refuse_removal()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION audit_remove(most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION audit_seal(most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION audit_tiles_grow_only()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
begin
  if (new.level, new.number) <> (old.level, old.number) or substr(new.hashes, 1, length(old.hashes)) <> old.hashes then
    raise exception 'UPDATE on audit_tiles refused: a tile only gets longer' using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$function$;

CREATE OR REPLACE FUNCTION audit_time_text(t timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select case when isfinite(t) then to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || case when t < '0001-01-01 00:00:00+00' then ' BC' else '' end else t::text end
$function$;

CREATE OR REPLACE FUNCTION audit_tree_size()
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  select coalesce((select number * 256 + length(hashes) / 32 from audit_tiles where level = 0 order by number desc limit 1), 0)
$function$;

CREATE TRIGGER audit_boundaries_append_only BEFORE DELETE OR UPDATE ON audit_boundaries FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_boundaries_fit BEFORE INSERT ON audit_boundaries FOR EACH ROW EXECUTE FUNCTION audit_boundary_fits();
CREATE TRIGGER audit_boundaries_no_truncate BEFORE TRUNCATE ON audit_boundaries FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE ON audit_chain FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_chain_fits AFTER INSERT ON audit_chain REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION audit_chain_fits();
CREATE TRIGGER audit_chain_no_removal BEFORE DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION audit_refuse_removal();
CREATE TRIGGER audit_chain_no_truncate BEFORE TRUNCATE ON audit_chain FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_logs_append_only BEFORE UPDATE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_logs_no_removal BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_refuse_removal();
CREATE TRIGGER audit_logs_no_truncate BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_logs_queue AFTER INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_queue_for_sealing();
CREATE TRIGGER audit_tiles_append_only BEFORE DELETE ON audit_tiles FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_tiles_grow BEFORE UPDATE ON audit_tiles FOR EACH ROW EXECUTE FUNCTION audit_tiles_grow_only();
CREATE TRIGGER audit_tiles_no_truncate BEFORE TRUNCATE ON audit_tiles FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

grant select on audit_boundaries to audit_service;
grant select on audit_chain to audit_service;
grant select, update (position) on audit_exported to audit_service;
grant insert (action, details, event_id, event_type, occurred_at, order_id, request_id, source, trace_id, user_id), select on audit_logs to audit_service;
grant select on audit_tiles to audit_service;
grant select on audit_unsealed to audit_service;
grant select on dead_letters to audit_service;
grant execute on function audit_grow(integer) to audit_service;
grant execute on function audit_seal(integer) to audit_service;
grant execute on function audit_tree_size() to audit_service;
grant select on order_events to audit_service;
grant select on waiting_events to audit_service;
grant delete, insert, select, update on idempotency_keys to order_service;
grant delete, insert, select, update on idempotent_answers to order_service;
grant select, update (on_hand, reserved, updated_at) on inventory to order_service;
grant insert, select on order_items to order_service;
grant insert (action, created_at, currency, customer_email, customer_name, event_id, request_id, status, total, trace_id, user_id), select on orders to order_service;
grant delete, insert (event_id, next_attempt_at, order_id, payload, request_id, traceparent, tracestate), select, update (attempts, dead_at, last_error, next_attempt_at) on outbox to order_service;
grant select on products to order_service;
grant select (email, id, name) on users to order_service;
grant delete, insert, select, update on idempotent_answers to user_service;
grant insert (email, id, name), select, update (email, name, updated_at) on users to user_service;
