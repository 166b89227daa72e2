-- Up Migration

-- audit_seal makes seals that fit; here every other way into the chain is closed as well, its owner's INSERT included: a seal stands on
-- the one before it, covers its time, and is the hash that says so. One look at a whole batch: a look at each row would cost more than
-- its seal.
create function audit_chain_fits() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
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
$$;
create trigger audit_chain_fits after insert on audit_chain
referencing new table as fresh for each statement execute function audit_chain_fits();

-- Down Migration
drop trigger audit_chain_fits on audit_chain;
drop function audit_chain_fits();
