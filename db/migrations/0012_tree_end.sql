-- Up Migration

-- Whether a sealed row is outside of the tree is a look at both ends. Asked for any position beyond the tree's, PostgreSQL without statistics, as after a
-- restore, reads the chain from its first row on and calls audit_tree_size() for each: seven seconds where there were 160,000 rows, at each look.
do $$
declare
  body text := pg_get_functiondef('audit_grow(integer)'::regprocedure);
  look constant text := 'if not exists (select from audit_chain where position > audit_tree_size()) then';
begin
  if strpos(body, look) = 0 then
    raise exception 'audit_grow(integer) is not what migration 0008 made';
  end if;
  execute replace(body, look, 'if coalesce((select max(position) from audit_chain), 0) <= audit_tree_size() then');
end
$$;

-- Down Migration
do $$
begin
  execute replace(pg_get_functiondef('audit_grow(integer)'::regprocedure),
    'if coalesce((select max(position) from audit_chain), 0) <= audit_tree_size() then',
    'if not exists (select from audit_chain where position > audit_tree_size()) then');
end
$$;
