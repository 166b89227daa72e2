-- Up Migration
-- Grafana's data source: the audit trail and its seals, to read. No names, no e-mail addresses, no orders.
grant usage on schema public to dashboards;
grant select on audit_logs, audit_chain, audit_unsealed, dead_letters to dashboards;

-- Down Migration
revoke all on all tables in schema public from dashboards;
revoke usage on schema public from dashboards;
