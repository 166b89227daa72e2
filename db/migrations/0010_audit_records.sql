-- Up Migration

-- Up to which position of the chain the telemetry backend has taken an audit record of each row. What was sealed before there were
-- such records is not sent.
create table audit_exported (
  only_row boolean primary key default true check (only_row),
  position bigint not null check (position >= 0)
);
insert into audit_exported (position) select coalesce(max(position), 0) from audit_chain;
grant select, update (position) on audit_exported to audit_service;

-- Down Migration
drop table audit_exported;
