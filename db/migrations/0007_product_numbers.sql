-- Up Migration

-- A number beside each product's id, for who orders by number. It is given once and never changes; orders, events and
-- telemetry go on to say the id.
alter table products add column number integer;
update products set number = given.number
from (values ('demo-product', 1), ('laptop-001', 2), ('phone-001', 3), ('headphones-001', 4), ('standard-action', 5))
  as given (id, number)
where products.id = given.id;
-- Products that somebody has added before come behind these, the oldest first.
update products set number = given.number
from (select id, 5 + row_number() over (order by created_at, id) as number from products where number is null) as given
where products.id = given.id;
alter table products
  alter column number set not null,
  alter column number add generated always as identity,
  add constraint products_number_key unique (number),
  add constraint products_number_check check (number >= 1);
select setval(pg_get_serial_sequence('products', 'number'), (select max(number) from products));

-- Whoever orders by number need not say who they are: such an order has neither user nor customer. Half a customer is none.
alter table orders drop constraint orders_check;
alter table orders add constraint orders_customer_check
  check (user_id is not null or (customer_name is null) = (customer_email is null));

-- Users that are there from the start. What they are called is said by requests, as with any other user.
insert into users (id) values (123), (456), (789), (1001) on conflict (id) do nothing;

-- Down Migration
-- Fails while there are orders without user and customer: the tables of before have no room for them. Users stay: they may
-- have ordered.
alter table orders drop constraint orders_customer_check;
alter table orders add constraint orders_check
  check (user_id is not null or (customer_name is not null and customer_email is not null));
alter table products drop column number;
