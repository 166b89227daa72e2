-- Up Migration
insert into products (id, name, unit_price, stock_tracked) values
  ('standard-action', 'Standard Action', 9.99, false),
  ('demo-product', 'Demo Product', 29.99, true),
  ('laptop-001', 'Business Laptop', 999.99, true),
  ('phone-001', 'Smartphone Pro', 699.99, true),
  ('headphones-001', 'Wireless Headphones', 149.99, true);
insert into inventory (product_id, on_hand) values
  ('demo-product', 100),
  ('laptop-001', 50),
  ('phone-001', 200),
  ('headphones-001', 75);

-- Down Migration
delete from inventory where product_id in ('demo-product', 'laptop-001', 'phone-001', 'headphones-001');
delete from products where id in ('standard-action', 'demo-product', 'laptop-001', 'phone-001', 'headphones-001');
