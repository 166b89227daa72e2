-- Up Migration

-- Who orders. The caller gives the id, so there is no sequence.
create table users (
  id integer primary key check (id >= 1),
  name text check (length(name) between 1 and 200),
  email text check (length(email) between 3 and 254),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table products (
  id text primary key check (id ~ '^[A-Za-z0-9_.-]{1,64}$'),
  name text not null,
  unit_price numeric(12, 2) not null check (unit_price >= 0),
  currency char(3) not null default 'USD',
  -- false: sold without limit, and without a row in inventory
  stock_tracked boolean not null default true,
  created_at timestamptz not null default now()
);

-- on_hand is what is in the house, reserved the part of it that is promised; available = on_hand - reserved.
-- The two checks are the last line of defence: no statement, right or wrong, can oversell.
create table inventory (
  product_id text primary key references products (id),
  on_hand integer not null check (on_hand >= 0),
  reserved integer not null default 0,
  updated_at timestamptz not null default now(),
  check (reserved between 0 and on_hand)
);

create table orders (
  id bigint generated always as identity primary key,
  user_id integer references users (id),
  customer_name text,
  customer_email text,
  action text not null,
  status text not null check (status in ('completed')),
  total numeric(14, 2) not null check (total >= 0),
  currency char(3) not null,
  -- the audit event that is committed with this order
  event_id uuid not null unique,
  trace_id char(32),
  request_id text,
  created_at timestamptz not null default now(),
  check (user_id is not null or (customer_name is not null and customer_email is not null))
);
create index orders_user_id on orders (user_id, id desc);

create table order_items (
  order_id bigint not null references orders (id),
  line smallint not null,
  product_id text not null references products (id),
  quantity integer not null check (quantity >= 1),
  unit_price numeric(12, 2) not null check (unit_price >= 0),
  line_total numeric(14, 2) not null,
  primary key (order_id, line),
  check (line_total = unit_price * quantity)
);

-- Transactional outbox: the event is written with its order and deleted once the audit service has it.
-- A row is therefore always work to do, and the table stays small.
create table outbox (
  event_id uuid primary key,
  order_id bigint not null references orders (id),
  payload jsonb not null,
  traceparent text,
  tracestate text,
  request_id text,
  created_at timestamptz not null default now(),
  attempts integer not null default 0,
  -- set some seconds ahead, so that the relay leaves alone what the request itself is delivering
  next_attempt_at timestamptz not null,
  last_error text,
  dead_at timestamptz
);
create index outbox_due on outbox (next_attempt_at) where dead_at is null;
create index outbox_dead on outbox (dead_at) where dead_at is not null;

-- One key, one order: written in the order's own transaction.
create table idempotency_keys (
  key text primary key check (length(key) between 1 and 255),
  request_hash bytea not null,
  order_id bigint references orders (id),
  created_at timestamptz not null default now()
);
create index idempotency_keys_created_at on idempotency_keys (created_at);

-- The first complete answer for a key; later requests with the same key get it back word for word.
create table idempotent_answers (
  service text not null,
  key text not null check (length(key) between 1 and 255),
  request_hash bytea not null,
  status smallint not null,
  answer json not null,
  created_at timestamptz not null default now(),
  primary key (service, key)
);
create index idempotent_answers_created_at on idempotent_answers (created_at);

-- Down Migration
drop table idempotent_answers, idempotency_keys, outbox, order_items, orders, inventory, products, users;
